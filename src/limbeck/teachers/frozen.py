"""A network that teaches and never changes."""

import copy
import hashlib
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from limbeck.errors import LimbeckError
from limbeck.functional import soft_kl
from limbeck.tasks import Classification, Task, observe
from limbeck.types import Batch, Outputs

Precision = Literal["auto", "fp32", "bf16", "fp16"]

HALVES = {"bf16": torch.bfloat16, "fp16": torch.float16}
WORTHWHILE = 1_000_000
"""Parameters from which half precision pays for its conversions (measured on a 2-core CPU with AVX512-BF16)."""


@dataclass(frozen=True)
class PrecisionChoice:
    """Which precision a teacher runs in, and the evidence for it.

    Args:
        choice: ``"fp32"``, ``"bf16"`` or ``"fp16"``.
        kl: mean KL in nats between the outputs in fp32 and in half precision on the batch compared, where one was.
        tolerance: the largest ``kl`` that is accepted.
        compiled: whether torch.compile was asked for and gave the same outputs within the tolerance.
    """

    choice: str
    kl: float | None = None
    tolerance: float | None = None
    compiled: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return the choice as a record."""
        return asdict(self)


class Frozen:
    """A trained network as a teacher: eval mode, no gradient, never part of a scheme's parameters.

    With ``precision="auto"`` the first batch is run in fp32 and in half precision where the processor has one that is
    faster: bf16, or fp16 on CUDA devices without bf16. It is kept when the outputs agree within ``tolerance``, and
    :attr:`precision` says what was chosen; a compiled network is kept by the same rule. The network given is never
    changed: half precision runs in a copy of it. To resume a loop of your own to the same bits, call :meth:`calibrate`
    on the same batch before each start, as the recipes do.

    Args:
        model: any module; it is put in eval mode and its parameters need no gradient from here on.
        precision: ``"auto"``, ``"fp32"``, ``"bf16"`` or ``"fp16"``.
        tolerance: largest mean KL, in nats, between outputs in fp32 and in half precision that ``"auto"`` accepts.
        role: which of the batch's inputs it reads, where models have their own.
        compile: run it through torch.compile, except where its layers are tapped or its inputs take a gradient.

    Raises:
        LimbeckError: not a module; unknown precision; a network that torch.compile cannot compile.

    Example:
        >>> teacher = Frozen(nn.Linear(4, 3))
        >>> teacher(Batch(torch.zeros(2, 4)))["logits"].shape
        torch.Size([2, 3])
        >>> teacher.forwards
        2
    """

    def __init__(
        self,
        model: nn.Module,
        precision: Precision = "auto",
        tolerance: float = 1e-3,
        role: str = "teacher",
        compile: bool = False,
    ):
        if not isinstance(model, nn.Module):
            raise LimbeckError(
                f"Frozen takes a torch module, not {type(model).__name__}: wrap anything with a predict "
                "method in limbeck.teachers.Predictor."
            )
        if precision not in ("auto", "fp32", *HALVES):
            raise LimbeckError(
                f"A teacher's precision is 'auto', 'fp32', 'bf16' or 'fp16', not {precision!r}."
            )
        self.model = model.eval().requires_grad_(False)
        self.role = role
        self.tolerance = tolerance
        self.forwards = 0
        self.precision = PrecisionChoice("fp32") if precision == "fp32" and not compile else None
        self._wanted, self._compile = precision, compile
        self._compiled: nn.Module | None = None
        self._run_in(self.model)
        self._device: torch.device | None = None

    def __call__(self, batch: Batch, task: Task | None = None, names: Sequence[str] = ()) -> Outputs:
        """Return the outputs for ``batch`` (see :class:`limbeck.teachers.Teacher`)."""
        task = self._ready(batch, task)
        with torch.no_grad():
            return self._observe(batch, task, names)

    def with_gradient(self, batch: Batch, task: Task | None = None, names: Sequence[str] = ()) -> Outputs:
        """Return the outputs with their gradient to the batch's inputs, for inputs that are themselves learnt.

        Nothing of the teacher changes: eval mode, weights that take no gradient, the same precision as ever.

        Args:
            batch: the samples; a generator's, say.
            task: knows how the model is called.
            names: outputs wanted; those that are not the task's own are layers to tap.

        Example:
            >>> inputs = torch.ones(1, 2, requires_grad=True)
            >>> outputs = Frozen(nn.Linear(2, 3)).with_gradient(Batch(inputs))
            >>> outputs["logits"].sum().backward()
            >>> inputs.grad.shape
            torch.Size([1, 2])
        """
        return self._observe(batch, self._ready(batch, task), names)

    def _ready(self, batch: Batch, task: Task | None) -> Task:
        """Put the network where the batch is, in its precision and in eval mode; count the samples."""
        task = task or Classification()
        self._follow(batch.inputs_for(self.role))
        if self.precision is None:
            self.calibrate(batch, task)
        if any(module.training for module in self._modules):  # someone called train() on the network
            self._runner.eval()
        self.forwards += len(batch)
        return task

    def calibrate(self, batch: Batch, task: Task | None = None) -> PrecisionChoice:
        """Choose the precision by comparing outputs on ``batch``; called by itself at the first batch.

        Args:
            batch: a few samples like those to come.
            task: knows how the model is called.

        Returns:
            What was chosen and why.
        """
        task = task or Classification()
        device = self._follow(batch.inputs_for(self.role))
        half = faster_half(device)
        if self._wanted in HALVES:
            self._take(self._wanted)
        elif self._wanted == "fp32" or half is None or _size(self.model) < WORTHWHILE:
            self._take("fp32")
        else:
            self._compare(half, batch, task)
        if self._compile:
            self._compile_if_alike(batch, task)
        assert self.precision is not None
        return self.precision

    def fingerprint(self) -> str:
        """Return the SHA-256 of the network's weights and its precision, by which a resumed run knows it again."""
        return self._digest(self.precision.choice if self.precision else self._wanted)

    def facts(self) -> dict[str, str]:
        """Return weights (SHA-256) and precision apart, by which a cache of its answers is known again."""
        precision = self.precision.choice if self.precision else self._wanted
        return {"teacher weights": self._digest(""), "teacher precision": precision}

    def _digest(self, first: str) -> str:
        digest = hashlib.sha256(first.encode())
        for name, value in self.model.state_dict().items():
            digest.update(name.encode())
            digest.update(value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()

    @torch.no_grad()
    def _compare(self, half: str, batch: Batch, task: Task) -> None:
        name = task.outputs[0]
        self._take("fp32")
        exact = self._observe(batch, task, ())[name]
        self._take(half)
        kl = _disagreement(exact, self._observe(batch, task, ())[name])
        if not kl <= self.tolerance:  # fp16 may overflow to NaN
            self._take("fp32")
        assert self.precision is not None
        self.precision = replace(self.precision, kl=kl, tolerance=self.tolerance)

    @torch.no_grad()
    def _compile_if_alike(self, batch: Batch, task: Task) -> None:
        assert self.precision is not None
        name = task.outputs[0]
        eager = self._observe(batch, task, ())[name]
        self._compiled = cast(nn.Module, torch.compile(self._runner))
        try:
            kl = _disagreement(eager, self._observe(batch, task, ())[name])
        except Exception as error:  # of many kinds, by what is missing: a compiler, an operator
            told = (str(error).splitlines() or [type(error).__name__])[0]
            raise LimbeckError(
                f"torch.compile failed on the teacher ({told}): leave teacher_compile out."
            ) from error
        if not kl <= self.tolerance:
            self._compiled = None
        self.precision = replace(self.precision, compiled=self._compiled is not None)

    def _take(self, choice: str) -> None:
        self._run_in(in_half(self.model, HALVES[choice]) if choice in HALVES else self.model)
        self.precision = PrecisionChoice(choice)

    def _run_in(self, network: nn.Module) -> None:
        self._runner, self._modules = network, list(network.modules())
        self._compiled = None

    def _observe(self, batch: Batch, task: Task, names: Sequence[str]) -> Outputs:
        half = HALVES.get(self.precision.choice) if self.precision is not None else None
        kind = self._device.type if self._device else "cpu"
        # The student's autocast is not the teacher's; entering a context costs small nets dearly, so only if needed.
        needed = half is not None or torch.is_autocast_enabled(kind)
        precision = torch.autocast(kind, half, enabled=half is not None) if needed else nullcontext()
        network = self._runner
        # Hooks that come and go would have it compiled again and again.
        if self._compiled is not None and not torch.is_grad_enabled() and set(names) <= set(task.outputs):
            network = self._compiled
        with precision:
            return observe(task, network, batch, self.role, names)

    def _follow(self, inputs: Any) -> torch.device:
        while not isinstance(inputs, Tensor):
            inputs = next(iter(inputs.values() if hasattr(inputs, "values") else inputs))
        if self._device != inputs.device:
            self._device = inputs.device
            self.model.to(self._device)
            if self._runner is not self.model:
                self._runner.to(self._device)
        return inputs.device


def computes_in_bf16(device: torch.device) -> bool:
    """Return whether ``device`` multiplies bf16 natively, so that it is faster than fp32.

    Example:
        >>> isinstance(computes_in_bf16(torch.device("cpu")), bool)
        True
    """
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        flags = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
        return bool(flags.get("avx512_bf16") or flags.get("amx_bf16"))
    return False


def faster_half(device: torch.device) -> str | None:
    """Return the half precision in which ``device`` multiplies faster than in fp32, ``None`` where there is none.

    Example:
        >>> faster_half(torch.device("meta"))
    """
    if computes_in_bf16(device):
        return "bf16"
    # Tensor cores came with 7.0, bf16 in them with 8.0.
    if device.type == "cuda" and torch.cuda.get_device_capability(device) >= (7, 0):
        return "fp16"
    return None


def in_half(model: nn.Module, dtype: torch.dtype = torch.bfloat16) -> nn.Module:
    """Return a copy whose convolutions and linear layers hold half weights, channels last; normalisation keeps fp32.

    Run it under autocast of the same type, which then has nothing left to convert.

    Args:
        model: is not changed.
        dtype: of the weights.

    Example:
        >>> in_half(nn.Linear(2, 2)).weight.dtype
        torch.bfloat16
    """
    twin = copy.deepcopy(model).eval().requires_grad_(False)
    for module in twin.modules():
        if isinstance(module, nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d):
            module.to(dtype)
    return twin.to(
        memory_format=torch.channels_last
    )  # 52 ms instead of 61 for a resnet34, 32 images of 64 pixels


def _size(model: nn.Module) -> int:
    return sum(each.numel() for each in model.parameters())


def _disagreement(exact: Tensor, rough: Tensor) -> float:
    if exact.dim() >= 2 and exact.shape[-1] > 1:
        return float(soft_kl(rough, exact))
    return float((exact.float() - rough.float()).square().mean())
