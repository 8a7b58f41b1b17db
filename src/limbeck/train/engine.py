"""Where and in which precision a step is computed; this file and ``sharding`` alone touch accelerate."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from accelerate import Accelerator, PartialState
from torch import Tensor, nn

from limbeck.data.loader import Loader
from limbeck.errors import LimbeckError
from limbeck.schemes import Scheme
from limbeck.train.plan import Plan
from limbeck.train.sharding import InStep, check_sharding, made_whole, own_part, shard, sharding_asked
from limbeck.types import Batch

_PRECISIONS = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}


class Engine:
    """Device, processes and precision of one training.

    Accelerate gives the device and the processes. Its precision and accumulation are set once for a whole
    program, so a teacher in fp32 and a student in bf16 could not follow one another: here each training has its own.

    Args:
        plan: names device and precision.

    Raises:
        LimbeckError: a device that is not there; fp16 where there is no support for it.
    """

    def __init__(self, plan: Plan):
        self.plan = plan
        self.accelerator = _accelerator(plan.device)
        self.device: torch.device = self.accelerator.device
        self.overlapped = True
        self.sharded = sharding_asked() and self.world > 1
        self.plain: nn.Module | None = None
        self.dtype = _PRECISIONS[plan.precision]
        if plan.precision == "fp16" and self.device.type == "cpu":
            raise LimbeckError(
                "fp16 needs a GPU and this training runs on the CPU: use precision bf16 or fp32."
            )
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=plan.precision == "fp16")

    @property
    def rank(self) -> int:
        """Number of this process, from 0."""
        return int(self.accelerator.process_index)

    @property
    def world(self) -> int:
        """Number of processes."""
        return int(self.accelerator.num_processes)

    @property
    def is_main(self) -> bool:
        """Whether this process writes the files."""
        return bool(self.accelerator.is_main_process)

    def place(self, scheme: Scheme) -> None:
        """Move the scheme to the device, in the layout wanted, unless it may not fit there whole."""
        check_sharding(scheme, self.plan, self.world)
        if not self.sharded:
            scheme.to(self.device)
        if self.plan.channels_last:
            scheme.to(memory_format=torch.channels_last)

    def prepare(self, scheme: Scheme) -> nn.Module:
        """Have the scheme's gradients averaged over several processes, or its student sharded.

        DistributedDataParallel averages while the backward runs, but only gradients of one forward of all its
        parameters. A scheme of several phases or groups, or one that leaves some parameters without a gradient, is
        averaged by :meth:`average_gradients` instead.
        """
        if self.sharded:
            return self._shard(scheme)
        whole = len(scheme.phases) == 1 and type(scheme).groups is Scheme.groups
        self.overlapped = whole and not scheme.partial
        if self.world == 1:
            return scheme
        if self.overlapped:
            _leave_alike(scheme)
            prepared: nn.Module = self.accelerator.prepare_model(scheme)
            return prepared
        for value in scheme.state_dict().values():
            torch.distributed.broadcast(value, 0)
        return scheme

    def _shard(self, scheme: Scheme) -> nn.Module:
        for value in scheme.state_dict().values():  # one by one: together they may not fit on the device
            moved = value.to(self.device)
            torch.distributed.broadcast(moved, 0)
            value.copy_(moved)
        self.plain = shard(self.accelerator, scheme.deployable())
        self.overlapped = False
        return scheme.to(self.device)

    def unshard(self, model: nn.Module) -> None:
        """Make the trained model whole again, with the weights it began with, where it was sharded."""
        if self.plain is not None:
            made_whole(model, self.plain)

    def in_step(self, loader: Loader, predict: Callable[[Batch], object]) -> Iterable[Batch]:
        """Return the batches to evaluate on, as often in every process where forwards must be taken together."""
        return InStep(loader, predict, self.device) if self.sharded else loader

    def average_gradients(self, optimizer: torch.optim.Optimizer) -> None:
        """Average one optimizer's gradients over processes, once, where DDP does not.

        A gradient that is missing here counts as zero where another process has one; one that no process has stays
        missing, so that the optimizer passes that parameter over as it would in one process.
        """
        if self.world == 1 or self.overlapped:
            return
        every = [each for group in optimizer.param_groups for each in group["params"]]
        parameters = [
            each for each in every if own_part(each) is each
        ]  # the others' are averaged as they are sharded
        if not parameters:
            return
        gradients = [torch.zeros_like(each) if each.grad is None else each.grad for each in parameters]
        there = torch.tensor([each.grad is not None for each in parameters], device=self.device).float()
        there = self.mean(there)
        flat = self.mean(torch.cat([each.flatten() for each in gradients]))
        means = torch.split(flat, [each.numel() for each in parameters])
        for parameter, mean, found in zip(parameters, means, there.tolist(), strict=True):
            parameter.grad = mean.view_as(parameter) if found else None

    def autocast(self) -> AbstractContextManager[Any]:
        """Return the context in which forwards run."""
        if self.dtype is None:
            return nullcontext()
        return torch.autocast(self.device.type, self.dtype)

    def synchronised(self, model: nn.Module, now: bool) -> AbstractContextManager[Any]:
        """Return the context of a forward and backward after which gradients are averaged only if ``now``."""
        if self.sharded and model.training:  # as DDP does: what BatchNorm remembers is the first process's
            for buffer in model.buffers():
                torch.distributed.broadcast(buffer, 0)
        if self.world == 1 or now or not self.overlapped:
            return nullcontext()
        context: AbstractContextManager[Any] = self.accelerator.no_sync(model)
        return context

    def mean(self, value: Tensor) -> Tensor:
        """Return the mean of ``value`` over processes."""
        if self.world == 1:
            return value
        joined: Tensor = self.accelerator.reduce(value, reduction="mean")
        return joined

    def gather(self, value: Tensor) -> Tensor:
        """Return ``value`` of every process, stacked in order of rank."""
        if self.world == 1:
            return value.unsqueeze(0)
        joined: Tensor = self.accelerator.gather(value.to(self.device).unsqueeze(0))
        return joined.cpu()

    def agreed(self, asked: bool, step: int) -> bool:
        """Return whether any process was asked to stop: signals do not reach all of them between the same steps.

        Reading the answer waits for an accelerator, so there it is asked for every twentieth step.
        """
        if self.world == 1:
            return asked
        if self.device.type != "cpu" and step % 20:
            return False
        return bool(self.mean(torch.tensor(float(asked), device=self.device)) > 0)

    def wait(self) -> None:
        """Wait for the other processes."""
        self.accelerator.wait_for_everyone()


def _leave_alike(scheme: Scheme) -> None:
    """Keep DDP from sending around, before every forward, memories that are the same in all processes."""
    names = [
        f"{path}.{buffer}"
        for path, module in scheme.named_modules()
        for buffer in getattr(module, "alike", ())
    ]
    parallel = torch.nn.parallel.DistributedDataParallel
    parallel._set_params_and_buffers_to_ignore_for_model(scheme, names)  # type: ignore[no-untyped-call]


def _accelerator(device: str) -> Accelerator:
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if device not in ("auto", *available):
        raise LimbeckError(f"No device {device!r}: use auto, cpu, cuda or mps.")
    if not available.get(device, True):
        raise LimbeckError(
            f"This machine has no {device} device that torch can use: use --device auto or cpu."
        )
    return Accelerator(cpu=device == "cpu" or _only_cpu(), mixed_precision="no")


def _only_cpu() -> bool:
    """Several processes on CPUs find each other only if accelerate is told that CPUs are what is wanted."""
    return not (torch.cuda.is_available() or torch.backends.mps.is_available())


def processes() -> tuple[int, int]:
    """Return this process's rank and the number of processes.

    Example:
        >>> processes()
        (0, 1)
    """
    state = PartialState(cpu=_only_cpu())
    return int(state.process_index), int(state.num_processes)


def wait_for_all() -> None:
    """Wait until every process is here."""
    PartialState(cpu=_only_cpu()).wait_for_everyone()


@contextmanager
def own_random_state(seed: int, device: torch.device) -> Iterator[None]:
    """Seed torch for the block and put its generators back afterwards, so that nobody's draws are disturbed."""
    from limbeck.train.checkpoint import random_state, restore_random_state

    before = random_state(device)
    torch.manual_seed(seed)
    try:
        yield
    finally:
        restore_random_state(before, device)
