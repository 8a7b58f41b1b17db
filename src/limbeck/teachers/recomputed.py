"""How answers are kept, and whether what is kept is what the teacher says."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from limbeck.cache import Layout, suitable_layout
from limbeck.errors import LimbeckError
from limbeck.functional import soft_kl
from limbeck.types import Outputs

TOLERANCE = 5e-3
"""Largest mean KL, in nats, between kept logits and those asked for again: five times that of bf16 against fp32."""
VECTOR_TOLERANCE = 0.02
"""Largest difference of other vectors, relative to their length."""


@dataclass(frozen=True)
class Comparison:
    """What keeping answers loses, as a mean over those compared.

    Args:
        kl: mean KL(live ‖ kept) in nats; of values, the mean squared difference.
        count: answers compared.

    Example:
        >>> import torch
        >>> Comparison().with_more(torch.zeros(2, 3), torch.zeros(2, 3))
        Comparison(kl=0.0, count=2)
    """

    kl: float = 0.0
    count: int = 0

    def with_more(self, live: Tensor, kept: Tensor) -> "Comparison":
        """Return the mean over further answers too.

        Args:
            live: (N, D), as the teacher gave them.
            kept: (N, D), as they were read back.
        """
        total = self.count + len(live)
        if not total:
            return self
        return Comparison((self.kl * self.count + distance(live, kept) * len(live)) / total, total)


def distance(live: Tensor, kept: Tensor) -> float:
    """Return how far kept answers (N, D) are from live ones: KL in nats, or the mean square where D is 1.

    Example:
        >>> import torch
        >>> distance(torch.tensor([[1.0]]), torch.tensor([[3.0]]))
        4.0
    """
    if not len(live):
        return 0.0
    if live.shape[-1] == 1:
        return float((live.float() - kept.float()).square().mean())
    return float(soft_kl(kept.float(), live.float()))


def compare(folder: Path, name: str, kept: Tensor, again: Tensor) -> None:
    """Refuse a cache whose answers are not what the teacher says now.

    Args:
        folder: of the cache, for the message.
        name: of the output or layer.
        kept: (N, D), read back.
        again: (N, D), asked for again and passed through the same layout.

    Raises:
        LimbeckError: they differ by more than rounding on another processor explains.
    """
    if name == "logits" and kept.shape[-1] > 1:
        kl = distance(again, kept)
        if kl <= TOLERANCE:
            return
        told = f"by {kl:.3g} nats"
    else:
        length = again.float().norm(dim=-1).mean().clamp_min(1e-6)
        share = float((kept - again).float().norm(dim=-1).mean() / length)
        if share <= VECTOR_TOLERANCE:
            return
        told = f"by {share:.0%} of their length"
    raise LimbeckError(
        f"The cache in {folder} does not say what this teacher says: {len(kept)} answers asked for again differ "
        f"{told} in {name}. Build it again, with this teacher and this data."
    )


def layouts_for(live: Outputs, names: tuple[str, ...], chosen: Mapping[str, Layout]) -> dict[str, Layout]:
    """Return how each of a teacher's answers is to be kept.

    Args:
        live: the first answers.
        names: what is to be kept of them, the task's own output first.
        chosen: layouts that the person chose, by name.

    Raises:
        LimbeckError: something that is no vector for each sample; a layout for vectors of another size.
    """
    found = {}
    for number, name in enumerate(names):
        size = _size(name, live[name])
        kind = "vector" if number else "logits" if size > 1 else "values"
        layout = chosen[name] if name in chosen else suitable_layout(size, kind=kind)  # type: ignore[arg-type]
        if layout.size != size:
            raise LimbeckError(
                f"The layout of {name} is for {layout.size} numbers, and the teacher gives {size}: make it for {size}."
            )
        found[name] = layout
    return found


def _size(name: str, answer: object) -> int:
    if isinstance(answer, Tensor) and answer.dim() in (1, 2):
        return answer.shape[1] if answer.dim() == 2 else 1
    told = "×".join(map(str, answer.shape[1:])) if isinstance(answer, Tensor) else type(answer).__name__
    raise LimbeckError(
        f"A cache keeps one vector for each sample, and the teacher's {name} is {told}: teach from its outputs or from "
        "a layer behind its pooling, or go without a cache."
    )
