"""Mixup and CutMix, drawn for each view of each sample."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from limbeck.data.seeding import role_seed, view_seed
from limbeck.data.source import Source, digest
from limbeck.errors import LimbeckError, did_you_mean

MIXES = ("mixup", "cutmix")
"""The kinds that :class:`Mix` knows."""


@dataclass(frozen=True, eq=False)
class Mix:
    """Each view of a sample mixed with the same view of another one, its partner.

    The partner and its share are a function of (seed, index, view) alone, not of the batch, so that a mixed view can be
    drawn again, in another batch or process, and a teacher's answer to it kept.

    mixup: x = λ·x_i + (1 − λ)·x_j, with λ ~ Beta(alpha, alpha) (Zhang, Cisse, Dauphin, Lopez-Paz 2018, "mixup: Beyond
    Empirical Risk Minimization", arXiv 1710.09412). CutMix: a box of the share 1 − λ of x_j's area in x_i, cut off at
    the border, and λ corrected to the pixels it has (Yun, Han, Oh, Chun, Choe, Yoo 2019, "CutMix: Regularization
    Strategy to Train Strong Classifiers with Localizable Features", arXiv 1905.04899). Targets are mixed by λ.

    Args:
        name: the kind and alpha, ``mixup-0.2`` or ``cutmix-1``.
        indices: (N,) int64, the samples that may be partners; the labelled of labelled ones and the others of others.
        classes: number of classes, whose targets become soft, (N, C); ``None`` where targets are values.

    Raises:
        LimbeckError: another name, or an alpha that is not a finite number above 0.

    Example:
        >>> mix = Mix("mixup-0.2", torch.arange(100), classes=10)
        >>> drawn = mix.drawn(0, torch.tensor([3, 3, 5]), torch.tensor([0, 1, 0]))
        >>> again = mix.drawn(0, torch.tensor([5]), torch.tensor([0]))
        >>> bool(drawn.partner[2] == again.partner[0]), bool(drawn.share[2] == again.share[0])
        (True, True)
    """

    name: str
    indices: Tensor
    classes: int | None = None

    def __post_init__(self) -> None:
        mix_named(self.name)

    def pools(self, labelled: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the partners of samples without a label and those of labelled ones.

        Args:
            labelled: (S,) bool over all samples of the source; ``None`` where they are all alike.
        """
        if labelled is None:
            return self.indices, self.indices
        known = labelled[self.indices]
        return self.indices[~known], self.indices[known]

    def drawn(
        self,
        seed: int,
        index: Tensor,
        view: Tensor,
        labelled: Tensor | None = None,
        pools: tuple[Tensor, Tensor] | None = None,
    ) -> "Mixed":
        """Return the partner of each sample in its view, and how the two are mixed.

        Args:
            seed: of the views.
            index: (N,) int64.
            view: (N,) int64.
            labelled: (N,) bool, or ``None`` where they are all alike.
            pools: what :meth:`pools` gave.

        Raises:
            LimbeckError: a sample that has no partner of its kind.
        """
        own = role_seed(seed, "partners")
        numbers = [view_seed(own, *key) for key in zip(index.tolist(), view.tolist(), strict=True)]
        first, second, *centre = _uniform(np.array(numbers, dtype=np.uint64), 4)
        others, known = pools or self.pools()
        kind = torch.ones_like(index, dtype=torch.bool) if labelled is None else labelled
        if (not len(known) and kind.any()) or (not len(others) and not kind.all()):
            raise LimbeckError(
                "Labelled samples are mixed with labelled ones and the others with others, but there are none of one "
                "kind to mix with: give more samples, or leave the mixing out."
            )
        place = torch.from_numpy(first)
        partner = torch.where(kind, _picked(known, place), _picked(others, place))
        how, alpha = mix_named(self.name)
        middle = torch.from_numpy(np.stack(centre, 1)) if how == "cutmix" else None
        return Mixed(partner, torch.from_numpy(_beta(second, alpha)), middle)

    def describe(self, seed: int) -> str:
        """Return in a line what decides a mixed view."""
        partners = f"{len(self.indices)} partners ({digest([self.indices])[:16]})"
        return f"{self.name}, seed {seed}, {partners}"

    def targets(self, given: Tensor, share: Tensor, labelled: Tensor | None = None) -> Tensor:
        """Return the targets of mixed samples.

        Args:
            given: (2N,) classes or (2N, …) values: of the samples, then of their partners.
            share: (N,) each sample's own.
            labelled: (N,) bool, or ``None``; where it is false the target means nothing.

        Returns:
            (N, C) float32 shares of the classes, or values.

        Raises:
            LimbeckError: classes, but not how many.
        """
        own, other = given.chunk(2)
        if given.is_floating_point():
            shares = share.to(given.dtype).view(-1, *(1,) * (given.dim() - 1))
            return shares * own + (1 - shares) * other
        if self.classes is None:
            raise LimbeckError("Classes are mixed into shares of each: say how many classes there are.")
        if labelled is not None:
            own, other = (torch.where(labelled, each, 0) for each in (own, other))
        shares = share.float()[:, None]
        return shares * F.one_hot(own, self.classes) + (1 - shares) * F.one_hot(other, self.classes)


@dataclass(frozen=True, eq=False)
class Mixed:
    """How the samples of a batch are mixed.

    Args:
        partner: (N,) int64.
        share: (N,) float64 in 0..1, the sample's own λ as drawn.
        centre: (N, 2) in 0..1, of CutMix's box; ``None`` for mixup.

    Example:
        >>> mixed = Mixed(torch.tensor([1]), torch.tensor([0.75], dtype=torch.float64), torch.tensor([[0.5, 0.5]]))
        >>> images, share = mixed.samples(torch.cat([torch.zeros(1, 1, 4, 4), torch.ones(1, 1, 4, 4)]))
        >>> images.sum().item(), share.item()
        (4.0, 0.75)
    """

    partner: Tensor
    share: Tensor
    centre: Tensor | None = None

    def samples(self, given: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mixed samples (N, …) and the share (N,) of each that is its own.

        Args:
            given: (2N, …): the samples, then their partners. By mixup, bytes become floats in 0..1.

        Raises:
            LimbeckError: boxes were to be cut out of what are no images.
        """
        if self.centre is not None:
            return self._cut(*given.chunk(2))
        # as a model's input transform does it, so that a share of 1 leaves a sample as it is
        values = given if given.is_floating_point() else given.float()
        values = values.div_(255) if given.dtype == torch.uint8 else values
        own, other = values.chunk(2)
        share = self.share.to(values.dtype).view(-1, *(1,) * (given.dim() - 1))
        # two roundings, not a fused one, so that a sample is rounded alike wherever in a batch it lies
        return own * share + other * (1 - share), self.share

    def _cut(self, own: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
        """Return images with a box of their partner's, and the share of pixels outside it."""
        if own.dim() != 4:
            raise LimbeckError(
                f"CutMix cuts boxes out of images, and these are samples of shape {tuple(own.shape[1:])}: mix them by "
                "mixup, as in mixup-0.2."
            )
        assert self.centre is not None
        rows, columns = (self._within(axis, own.shape[2 + axis]) for axis in (0, 1))
        inside = rows[:, :, None] & columns[:, None, :]
        share = 1 - inside.flatten(1).double().mean(1)
        return torch.where(inside[:, None], other, own), share

    def _within(self, axis: int, length: int) -> Tensor:
        """Return (N, length) bool: which rows or columns the box covers, as far as it lies in the image."""
        assert self.centre is not None
        side = ((1 - self.share).sqrt() * length).floor()
        first = (self.centre[:, axis] * length).floor() - (side / 2).floor()
        places = torch.arange(length)
        return (places >= first[:, None]) & (places < (first + side)[:, None])


def mix_named(name: str) -> tuple[str, float]:
    """Return the kind and the alpha that a name says.

    Args:
        name: ``mixup-0.2``, ``cutmix-1.0``.

    Raises:
        LimbeckError: another kind; an alpha that is not a finite number above 0.

    Example:
        >>> mix_named("cutmix-1.0")
        ('cutmix', 1.0)
    """
    kind, _, number = name.partition("-")
    if kind not in MIXES:
        raise LimbeckError(
            f"No mixing {name!r}; take mixup or cutmix with its alpha, as in 'mixup-0.2'.{did_you_mean(kind, MIXES)}"
        )
    try:
        alpha = float(number)
    except ValueError:
        alpha = math.nan
    if not 0 < alpha < math.inf:
        raise LimbeckError(
            f"The mixing {name!r} needs an alpha, a finite number above 0, behind its kind: '{kind}-0.2', say."
        )
    return kind, alpha


def mixable(mix: Mix, source: Source) -> tuple[Tensor, Tensor]:
    """Return the pools of partners in a source, and refuse one whose samples or targets cannot be mixed.

    Raises:
        LimbeckError: they cannot.
    """
    if getattr(source, "collate_fn", None) is not None or not isinstance(source.targets, Tensor):
        raise LimbeckError(
            "Only samples that stack, with a class or a value each, can be mixed, and these have targets of another "
            "kind: leave the mixing out."
        )
    return mix.pools(getattr(source, "labelled", None))


def one_share(shares: Sequence[Tensor]) -> Tensor:
    """Return the share of samples that were mixed alike for every role.

    Raises:
        LimbeckError: boxes in draws of other sizes cover other shares.
    """
    if any(not torch.equal(each, shares[0]) for each in shares):
        raise LimbeckError(
            "CutMix cuts one box for all roles, but their draws differ in size: give their augmentations one canvas, "
            "or mix by mixup."
        )
    return shares[0]


def _picked(pool: Tensor, place: Tensor) -> Tensor:
    """Return the members of ``pool`` at places (N,) in [0, 1); anything where it has none."""
    if not len(pool):
        return torch.zeros(len(place), dtype=torch.int64)
    return pool[(place * len(pool)).long().clamp(max=len(pool) - 1)]


def _uniform(numbers: NDArray[np.uint64], count: int) -> Sequence[NDArray[np.float64]]:
    """Return ``count`` numbers in [0, 1) for each seed: SplitMix64 (Steele, Lea, Flood 2014), for all at once."""
    found = []
    for step in range(1, count + 1):
        z = numbers + np.uint64(step * 0x9E3779B97F4A7C15 % 2**64)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        found.append((z ^ (z >> np.uint64(31))) >> np.uint64(11))
    return [each.astype(np.float64) * 2.0**-53 for each in found]


def _beta(uniform: NDArray[np.float64], alpha: float) -> NDArray[np.float64]:
    """Return draws from Beta(alpha, alpha), by its inverse distribution function: one number makes one draw."""
    from scipy.special import betaincinv

    drawn: Any = betaincinv(alpha, alpha, uniform)
    return np.asarray(drawn, dtype=np.float64)
