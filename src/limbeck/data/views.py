"""Samples as a model sees them: any augmentation draw of any sample, again and again the same.

What view v of sample i looks like is a function of (seed, i, v) alone: not of the batch it came in, the
worker that made it, the order, or the process. A teacher's outputs can therefore be kept by (index, view).
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from limbeck.data.augment import Shift, Standard
from limbeck.data.canvas import framed
from limbeck.data.seeding import seeding, view_seed
from limbeck.data.source import Data, Source, digest, take
from limbeck.errors import LimbeckError
from limbeck.types import Batch

Key: TypeAlias = tuple[int, int]
"""(index, view) of one sample."""

Transform: TypeAlias = Callable[[Tensor], Tensor]
"""From a batch of samples to what one model reads."""

Augment: TypeAlias = Callable[[Tensor], Tensor] | Shift
"""From one sample to one draw of it; or, as :class:`Shift` does, a batch at a time from its seeds."""


class Views(Dataset[Batch]):
    """One augmentation draw of each asked sample, as a :class:`~limbeck.types.Batch`.

    A DataLoader whose batch sampler yields lists of (index, view) and whose ``collate_fn`` is the identity
    reads it a batch at a time. Global random states are as before after every call.

    Args:
        source: the samples.
        augment: an augmentation by :func:`~limbeck.data.augmentation`, any callable on one image that draws
            from torch's, Python's or numpy's global generator, or ``None`` to see samples as they are.
        inputs: what the model wants, or one entry per role (``"teacher"``, ``"student"``): each gets its own
            transform of the same draw. Where all want the same, the batch carries one tensor. ``None`` leaves
            samples as they are.
        seed: of the run; other seeds draw other views.
        canvas: (height, width) that images are brought to, or ``None`` to leave them.

    Example:
        >>> from limbeck.data import InputTransform, augmentation, open_data
        >>> data = open_data("digits")
        >>> wanted = InputTransform(None, 1, (0.5,), (0.5,))
        >>> views = Views(data.source, augmentation("shift", data.canvas), wanted)
        >>> batch = views.__getitems__([(7, 0), (7, 1)])
        >>> batch.inputs.shape, batch.index.tolist(), batch.view.tolist(), batch.targets.tolist()
        (torch.Size([2, 1, 8, 8]), [7, 7], [0, 1], [7, 7])
    """

    def __init__(
        self,
        source: Source,
        augment: Augment | None = None,
        inputs: Transform | Mapping[str, Transform] | None = None,
        seed: int = 0,
        canvas: tuple[int, int] | None = None,
    ):
        self.source = source
        self.augment = augment
        self.inputs = dict(inputs) if isinstance(inputs, Mapping) else inputs
        self.seed = seed
        self.canvas = canvas

    @classmethod
    def plain(cls, data: Data, inputs: Transform | Mapping[str, Transform] | None = None) -> "Views":
        """Return the views of ``data`` that evaluation reads: on the canvas, not augmented."""
        return cls(data.source, None, inputs, canvas=data.canvas)

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, key: Key) -> Batch:
        return self.__getitems__([key])

    def __getitems__(self, keys: Sequence[Key]) -> Batch:
        """Return the batch of the samples and views in ``keys``, in that order (see :meth:`read`)."""
        pairs = torch.tensor(keys, dtype=torch.int64).view(-1, 2)
        return self.read(pairs[:, 0].contiguous(), pairs[:, 1].contiguous())

    def read(self, index: Tensor, view: Tensor) -> Batch:
        """Return the batch of samples ``index`` (N,) in their views ``view`` (N,).

        Raises:
            LimbeckError: the samples differ in shape and nothing was said on how to put them together.
        """
        read_many = getattr(self.source, "read_many", None)
        if read_many is not None and (self.augment is None or isinstance(self.augment, Shift)):
            samples, targets = framed(read_many(index), self.canvas), take(self.source.targets, index)
        else:
            samples, targets = self._put_together(index, self._read_singly(index, view))
        if isinstance(self.augment, Shift):
            samples = self.augment.batched(samples, np.array(self._seeds(index, view), dtype=np.uint64))
        return Batch(self._for_models(samples), targets, index, view)

    def fingerprint(self) -> str:
        """Return a sha256 (hex) of all that decides a view: source, augmentation, inputs, seed, canvas."""
        inputs = self.inputs if isinstance(self.inputs, dict) else {"": self.inputs}
        wanted = [part for role in sorted(inputs) for part in (role, _description(inputs[role]))]
        return digest(
            [self.source.fingerprint(), _description(self.augment), str(self.seed), str(self.canvas), *wanted]
        )

    def _seeds(self, index: Tensor, view: Tensor) -> list[int]:
        return [view_seed(self.seed, *key) for key in zip(index.tolist(), view.tolist(), strict=True)]

    def _read_singly(self, index: Tensor, view: Tensor) -> list[tuple[Any, Any]]:
        """Return each sample on the canvas and its target, drawn under the sample's own seed."""
        augment = self.augment if not isinstance(self.augment, Shift) else None
        stochastic = bool(getattr(self.source, "stochastic", False))
        if augment is None and not stochastic:
            return [self._read(each, None) for each in index.tolist()]
        pairs = []
        with seeding(everything=stochastic or not isinstance(augment, Standard)) as seed_with:
            for each, number in zip(index.tolist(), self._seeds(index, view), strict=True):
                seed_with(number)
                pairs.append(self._read(each, augment))
        return pairs

    def _read(self, index: int, augment: Callable[[Tensor], Tensor] | None) -> tuple[Any, Any]:
        read_pair = getattr(self.source, "read_pair", None)
        sample, target = read_pair(index) if read_pair is not None else (self.source.read(index), None)
        if augment is not None:
            sample = augment(sample)
        return (framed(sample, self.canvas) if isinstance(sample, Tensor) else sample), target

    def _put_together(self, index: Tensor, pairs: list[tuple[Any, Any]]) -> tuple[Any, Any]:
        """Return inputs and targets of samples that were read one by one."""
        collate = getattr(self.source, "collate_fn", None)
        if collate is not None:
            samples, targets = collate(pairs)
            return samples, targets
        shapes = {tuple(sample.shape) for sample, _ in pairs}
        if len(shapes) > 1:
            raise LimbeckError(
                f"Samples of shapes {' and '.join(map(str, sorted(shapes)[:2]))} do not stack into a batch: "
                "make them alike, or pass collate_fn."
            )
        known = self.source.targets
        targets = take(known, index) if known is not None else [target for _, target in pairs]
        return torch.stack([sample for sample, _ in pairs]), targets

    def _for_models(self, samples: Any) -> Any:
        if self.inputs is None or not isinstance(samples, Tensor):
            return samples
        if not isinstance(self.inputs, dict):
            return self.inputs(samples)
        transforms = list(self.inputs.values())
        if all(each == transforms[0] for each in transforms):
            return transforms[0](samples)
        return {role: transform(samples) for role, transform in self.inputs.items()}


def _description(part: Any) -> str:
    """Return a text that is the same in every process for the same transform."""
    if hasattr(part, "fingerprint"):
        return str(part.fingerprint())
    if inspect.isroutine(part):
        try:
            return f"{part.__module__}.{part.__qualname__}: {inspect.getsource(part)}"
        except (OSError, TypeError):
            return f"{part.__module__}.{part.__qualname__}"
    kind = f"{type(part).__module__}.{type(part).__qualname__}"
    text = repr(part)
    # a default repr carries a memory address, which says nothing
    return kind if " at 0x" in text else f"{kind}: {text}"
