"""Samples as a model sees them: any augmentation draw of any sample, again and again the same.

What view v of sample i looks like is a function of (seed, i, v) alone, and of the role where each has its own
draws: not of the batch it came in, the worker that made it, the order, or the process. A teacher's outputs can
therefore be kept by (index, view).
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from limbeck.data.augment import Shift, Standard
from limbeck.data.canvas import framed
from limbeck.data.decoded import decoded_once
from limbeck.data.described import description, readable, seeds_told, told
from limbeck.data.mix import Mix, Mixed, mixable, one_share
from limbeck.data.roles import check_roles, kept, of_roles
from limbeck.data.seeding import role_seed, seeding, view_seed
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
            from torch's, Python's or numpy's global generator, or ``None`` to see samples as they are. A mapping
            from role to any of these gives each role a draw of its own of the same sample, weak for the teacher
            and strong for the student, say; the batch's inputs are then a mapping from role to tensor.
        inputs: what the model wants, or one entry per role (``"teacher"``, ``"student"``): each gets its own
            transform. Where all want the same and see the same draw, the batch carries one tensor. ``None``
            leaves samples as they are.
        seed: of the run; other seeds draw other views.
        canvas: (height, width) that images are brought to, or ``None`` to leave them.
        mix: mixup or CutMix, alike for all roles; ``None`` mixes nothing.

    Raises:
        LimbeckError: a mapping of augmentations and one of inputs that are not for the same roles; samples or targets
            that cannot be mixed.

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
        augment: Augment | Mapping[str, Augment | None] | None = None,
        inputs: Transform | Mapping[str, Transform] | None = None,
        seed: int = 0,
        canvas: tuple[int, int] | None = None,
        mix: Mix | None = None,
    ):
        if isinstance(augment, Mapping):
            check_roles(augment, inputs)
        self.source = source
        self.augment = dict(augment) if isinstance(augment, Mapping) else augment
        self.inputs = dict(inputs) if isinstance(inputs, Mapping) else inputs
        self.seed = seed
        self.canvas = canvas
        self.mix = mix
        self._pools = mixable(mix, source) if mix is not None else None

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

    def read(self, index: Tensor, view: Tensor, spared: Collection[str] = ()) -> Batch:
        """Return the batch of samples ``index`` (N,) in their views ``view`` (N,).

        Args:
            index: (N,) int64; a sample that is asked for in several views is decoded once.
            view: (N,) int64.
            spared: roles whose own inputs are not made. Where roles share what they read, it is made for the others.

        Raises:
            LimbeckError: the samples differ in shape and nothing was said on how to put them together; every role
                is spared.
        """
        marks = getattr(self.source, "labelled", None)
        labelled = None if marks is None else take(marks, index)
        mixed = None if self.mix is None else self.mix.drawn(self.seed, index, view, labelled, self._pools)
        inputs, targets = self._made(index, view, mixed, labelled, spared)
        return Batch(inputs, targets, index, view, labelled)

    def _made(
        self,
        index: Tensor,
        view: Tensor,
        mixed: Mixed | None,
        labelled: Tensor | None,
        spared: Collection[str],
    ) -> tuple[Any, Any]:
        """Return inputs and targets."""
        if mixed is not None:
            index, view = torch.cat([index, mixed.partner]), view.repeat(2)
        if not isinstance(self.augment, dict):
            source = decoded_once(self.source, index)
            samples, targets = self._drawn(source, self.augment, self.seed, index, view)
            if self.mix is not None and mixed is not None:
                samples, share = mixed.samples(samples)
                targets = self.mix.targets(targets, share, labelled)
            return self._for_models(samples, spared), targets
        inputs, targets, shares = {}, None, []
        roles = kept(self.augment, spared)
        source = decoded_once(self.source, index, len(roles))
        for role in roles:
            own = role_seed(self.seed, role)
            samples, targets = self._drawn(source, self.augment[role], own, index, view)
            if mixed is not None:
                samples, share = mixed.samples(samples)
                shares.append(share)
            inputs[role] = _fed(self._transform(role), samples)
        if self.mix is not None:
            targets = self.mix.targets(targets, one_share(shares), labelled)
        return inputs, targets

    def facts(self, roles: Sequence[str] = ()) -> dict[str, str]:
        """Return in words what decides what these roles read, and nothing else, for the header of a cache.

        Args:
            roles: whose inputs; all unless told.

        Returns:
            ``data``, ``augmentation``, ``view seed``, ``mix``, ``canvas`` and ``inputs``. Where they are equal, so are
            the tensors.

        Raises:
            LimbeckError: inputs by role, but none for one of ``roles``.

        Example:
            >>> from limbeck.data import TensorSource
            >>> source = TensorSource(torch.zeros(2, 1, 8, 8, dtype=torch.uint8), torch.arange(2))
            >>> facts = Views(source, Shift(1), seed=3).facts(["teacher"])
            >>> facts["augmentation"], facts["view seed"], facts["inputs"]
            ('Shift(padding=1, flip=False)', '3', 'none')
        """
        known = next((each for each in (self.augment, self.inputs) if isinstance(each, dict)), {"": None})
        roles = tuple(roles) or tuple(known)
        augments = of_roles(self.augment, roles, "augmentation")
        inputs = of_roles(self.inputs, roles, "input transform")
        drawn = bool(getattr(self.source, "stochastic", False)) or self.mix is not None
        return {
            "data": self.source.fingerprint(),
            "augmentation": told({role: readable(each) for role, each in augments.items()}),
            "view seed": seeds_told(augments, isinstance(self.augment, dict), self.seed, drawn),
            "mix": "none" if self.mix is None else self.mix.describe(self.seed),
            "canvas": "none" if self.canvas is None else f"{self.canvas[0]}×{self.canvas[1]}",
            "inputs": told({role: readable(each) for role, each in inputs.items()}),
        }

    def fingerprint(self) -> str:
        """Return a sha256 (hex) of all that decides a view: source, augmentation, inputs, seed, canvas."""
        inputs = self.inputs if isinstance(self.inputs, dict) else {"": self.inputs}
        wanted = [part for role in sorted(inputs) for part in (role, description(inputs[role]))]
        about = [self.source.fingerprint(), *self._about_draws(), str(self.seed), str(self.canvas)]
        mixed = [self.mix.describe(self.seed), str(self.mix.classes)] if self.mix is not None else []
        return digest([*about, *wanted, *mixed])

    def _about_draws(self) -> list[str]:
        if not isinstance(self.augment, dict):
            return [description(self.augment)]
        return [part for role in sorted(self.augment) for part in (role, description(self.augment[role]))]

    def _drawn(
        self, source: Source, augment: Augment | None, seed: int, index: Tensor, view: Tensor
    ) -> tuple[Any, Any]:
        """Return one draw of the samples, put together, and their targets."""
        seeds = [view_seed(seed, *key) for key in zip(index.tolist(), view.tolist(), strict=True)]
        read_many = getattr(source, "read_many", None)
        if read_many is not None and (augment is None or isinstance(augment, Shift)):
            samples, targets = framed(read_many(index), self.canvas), take(source.targets, index)
        else:
            each = augment if not isinstance(augment, Shift) else None
            samples, targets = self._put_together(index, self._read_singly(source, each, index, seeds))
        if isinstance(augment, Shift):
            samples = augment.batched(samples, np.array(seeds, dtype=np.uint64))
        return samples, targets

    def _read_singly(
        self,
        source: Source,
        augment: Callable[[Tensor], Tensor] | None,
        index: Tensor,
        seeds: Sequence[int],
    ) -> list[tuple[Any, Any]]:
        """Return each sample on the canvas and its target, drawn under the sample's own seed."""
        stochastic = bool(getattr(source, "stochastic", False))
        if augment is None and not stochastic:
            return [self._read(source, each, None) for each in index.tolist()]
        pairs = []
        with seeding(everything=stochastic or not isinstance(augment, Standard)) as seed_with:
            for each, number in zip(index.tolist(), seeds, strict=True):
                seed_with(number)
                pairs.append(self._read(source, each, augment))
        return pairs

    def _read(
        self, source: Source, index: int, augment: Callable[[Tensor], Tensor] | None
    ) -> tuple[Any, Any]:
        read_pair = getattr(source, "read_pair", None)
        sample, target = read_pair(index) if read_pair is not None else (source.read(index), None)
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
        if known is None and all(each is None for each in targets):
            targets = None
        return torch.stack([sample for sample, _ in pairs]), targets

    def _for_models(self, samples: Any, spared: Collection[str]) -> Any:
        """Return what each role's model reads of one draw that all share."""
        if not isinstance(self.inputs, dict):
            return _fed(self.inputs, samples)
        transforms = list(self.inputs.values())
        if not isinstance(samples, Tensor) or all(each == transforms[0] for each in transforms):
            return _fed(transforms[0], samples)
        return {role: self.inputs[role](samples) for role in kept(self.inputs, spared)}

    def _transform(self, role: str) -> Transform | None:
        return self.inputs[role] if isinstance(self.inputs, dict) else self.inputs


def _fed(transform: Transform | None, samples: Any) -> Any:
    return samples if transform is None or not isinstance(samples, Tensor) else transform(samples)
