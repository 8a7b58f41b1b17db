"""Samples as a model sees them: any augmentation draw of any sample, again and again the same.

What view v of sample i looks like is a function of (seed, i, v) alone: not of the batch it came in, the
worker that made it, the order, or the process. A teacher's outputs can therefore be kept by (index, view).
"""

import hashlib
import inspect
import random
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from limbeck.data.augment import Shift, Standard
from limbeck.data.canvas import framed
from limbeck.data.source import Data, Source, digest, take
from limbeck.types import Batch

Key: TypeAlias = tuple[int, int]
"""(index, view) of one sample."""

Transform: TypeAlias = Callable[[Tensor], Tensor]
"""From a batch of samples to what one model reads."""

Augment: TypeAlias = Callable[[Tensor], Tensor] | Shift
"""From one sample to one draw of it; or, as :class:`Shift` does, a batch at a time from its seeds."""


def view_seed(seed: int, index: int, view: int) -> int:
    """Return the 64-bit number that decides view ``view`` of sample ``index``.

    A counter-based generator: a hash (BLAKE2b) of the three numbers, so any of them can be asked for alone.

    Args:
        seed: of the run.
        index: of the sample.
        view: number of the augmentation draw.

    Example:
        >>> view_seed(0, 1, 2) == view_seed(0, 1, 2), view_seed(0, 1, 2) == view_seed(0, 2, 1)
        (True, False)
    """
    packed = struct.pack("<QQQ", seed % 2**64, index % 2**64, view % 2**64)
    return int.from_bytes(hashlib.blake2b(packed, digest_size=8).digest(), "little")


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
        """Return the batch of the samples and views in ``keys``, in that order."""
        pairs = torch.tensor(keys, dtype=torch.int64).view(-1, 2)
        index, view = pairs[:, 0].contiguous(), pairs[:, 1].contiguous()
        targets = take(self.source.targets, index)
        samples = self._drawn(index, keys)
        collate = getattr(self.source, "collate_fn", None)
        if collate is not None:
            samples, targets = collate(list(zip(samples, targets, strict=True)))
        elif not isinstance(samples, Tensor):
            samples = torch.stack(samples)
        return Batch(self._for_models(samples), targets, index, view)

    def fingerprint(self) -> str:
        """Return a sha256 (hex) of all that decides a view: source, augmentation, inputs, seed, canvas."""
        inputs = self.inputs if isinstance(self.inputs, dict) else {"": self.inputs}
        wanted = [part for role in sorted(inputs) for part in (role, _description(inputs[role]))]
        return digest(
            [self.source.fingerprint(), _description(self.augment), str(self.seed), str(self.canvas), *wanted]
        )

    def _drawn(self, index: Tensor, keys: Sequence[Key]) -> Any:
        """Return the samples on the canvas, augmented: a tensor (N, …), or a list where they cannot stack."""
        read_many = getattr(self.source, "read_many", None)
        if self.augment is None and not getattr(self.source, "stochastic", False):
            if read_many is not None:
                return framed(read_many(index), self.canvas)
            return [framed(self.source.read(each), self.canvas) for each in index.tolist()]
        seeds = [view_seed(self.seed, each, view) for each, view in keys]
        if not isinstance(self.augment, Shift):
            return self._drawn_singly(index, seeds, self.augment)
        if read_many is not None:
            images = framed(read_many(index), self.canvas)
        else:
            images = torch.stack(self._read_seeded(index, seeds))
        return self.augment.batched(images, np.array(seeds, dtype=np.uint64))

    def _read_seeded(self, index: Tensor, seeds: Sequence[int]) -> list[Tensor]:
        with seeding(everything=True) as seed_with:
            images = []
            for each, number in zip(index.tolist(), seeds, strict=True):
                seed_with(number)
                images.append(framed(self.source.read(each), self.canvas))
            return images

    def _drawn_singly(
        self, index: Tensor, seeds: Sequence[int], augment: Callable[[Tensor], Tensor] | None
    ) -> list[Tensor]:
        """Return each sample augmented under its own seed."""
        ours = isinstance(augment, Standard) and not getattr(self.source, "stochastic", False)
        drawn = []
        with seeding(everything=not ours) as seed_with:
            for each, number in zip(index.tolist(), seeds, strict=True):
                seed_with(number)
                sample = self.source.read(each)
                drawn.append(framed(augment(sample) if augment is not None else sample, self.canvas))
        return drawn

    def _for_models(self, samples: Any) -> Any:
        if self.inputs is None or not isinstance(samples, Tensor):
            return samples
        if not isinstance(self.inputs, dict):
            return self.inputs(samples)
        transforms = list(self.inputs.values())
        if all(each == transforms[0] for each in transforms):
            return transforms[0](samples)
        return {role: transform(samples) for role, transform in self.inputs.items()}


@contextmanager
def seeding(everything: bool) -> Iterator[Callable[[int], None]]:
    """Yield a function that seeds the global generators; afterwards they are as they were.

    Args:
        everything: Python's and numpy's generators too, not only torch's.

    Example:
        >>> before = torch.get_rng_state()
        >>> with seeding(everything=True) as seed_with:
        ...     seed_with(7)
        ...     first = torch.rand(())
        ...     seed_with(7)
        ...     again = torch.rand(())
        >>> bool(first == again), torch.equal(before, torch.get_rng_state())
        (True, True)
    """
    # the CPU generator itself, not torch.manual_seed: that also walks over every accelerator
    generator = torch.default_generator
    torch_state = generator.get_state()
    others = (random.getstate(), np.random.get_state()) if everything else None

    def seed_with(number: int) -> None:
        generator.manual_seed(number)
        if everything:
            random.seed(number)
            np.random.seed(number % 2**32)

    try:
        yield seed_with
    finally:
        generator.set_state(torch_state)
        if others is not None:
            random.setstate(others[0])
            np.random.set_state(others[1])


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
