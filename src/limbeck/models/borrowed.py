"""A student that answers through its teacher's classifier (SimKD, Chen et al. 2022)."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from limbeck.adapters import ChannelsFirst, TokensToMap
from limbeck.errors import LimbeckError
from limbeck.losses import SimKD
from limbeck.taps import find_layer, tapped


@dataclass(frozen=True)
class Borrowing:
    """What must be known to build a borrowed classifier again; a saved model's card holds it.

    Args:
        layer: path of the student's last map.
        cut: path of the student's own classifier, which is left out.
        student_channels: of its last map.
        teacher_channels: of the teacher's last map.
        classes: how many logits the teacher's classifier gives.
        bias: whether that classifier has a bias.
        factor: of the projector.
        rectified: of the projector.
        layout: ``"map"``, ``"channels last"``, or ``"tokens"`` of the student's last map.
        prefix: tokens before those of the map.
    """

    layer: str
    cut: str
    student_channels: int
    teacher_channels: int
    classes: int
    bias: bool = True
    factor: int = 2
    rectified: bool = True
    layout: str = "map"
    prefix: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return what a card holds."""
        return asdict(self)

    @classmethod
    def from_dict(cls, card: Mapping[str, Any]) -> "Borrowing":
        """Return what a card says, checked: a card is data, and may name a layer but run nothing.

        Raises:
            LimbeckError: an entry that limbeck never writes.
        """
        kinds = {name: type(value) for name, value in cls("", "", 1, 1, 1).to_dict().items()}
        if set(card) != set(kinds) or any(type(card[name]) is not kind for name, kind in kinds.items()):
            raise LimbeckError(
                "The card's borrowed classifier is not as limbeck writes it: restore the card, or run again."
            )
        return cls(**card)

    def form(self) -> nn.Module | None:
        """Return what lays the student's tensor out as a map."""
        if self.layout == "tokens":
            return TokensToMap(self.prefix)
        return ChannelsFirst() if self.layout == "channels last" else None


class BorrowedClassifier(nn.Module):
    """The student up to its last map, SimKD's projector, and the teacher's classifier on the pooled result.

    Chen et al., "Knowledge Distillation with the Reused Teacher Classifier", CVPR 2022, arXiv 2203.14001. The student's
    own classifier is cut off: it has learnt nothing and is not shipped.

    Args:
        student: the network; its classifier is replaced by the identity.
        borrowing: where things are.
        projector: of the trained loss; a fresh one unless given.
        classifier: the teacher's; a fresh one of its shape unless given.

    Raises:
        LimbeckError: a layer the student does not have.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 5))
        >>> model = BorrowedClassifier(net, Borrowing("0", "3", 2, 4, 5))
        >>> model(torch.zeros(2, 1, 8, 8)).shape
        torch.Size([2, 5])
    """

    def __init__(
        self,
        student: nn.Module,
        borrowing: Borrowing,
        projector: nn.Module | None = None,
        classifier: nn.Linear | None = None,
    ):
        super().__init__()
        find_layer(student, borrowing.layer)
        cut_off(student, borrowing.cut)
        self.borrowing = borrowing
        self.student = student
        self.form = borrowing.form()
        self.projector = projector or _fresh_projector(borrowing)
        self.classifier = classifier or nn.Linear(
            borrowing.teacher_channels, borrowing.classes, bias=borrowing.bias
        )

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the logits."""
        with tapped(self.student, {"map": self.borrowing.layer}) as taps:
            self.student(inputs)
        features = taps["map"]
        if self.form is not None:
            features = self.form(features)
        logits: Tensor = self.classifier(self.projector(features).mean((2, 3)))
        return logits


def cut_off(student: nn.Module, classifier: str) -> None:
    """Replace a network's classifier by the identity.

    Args:
        student: the network.
        classifier: its path.

    Raises:
        LimbeckError: no such layer.
    """
    find_layer(student, classifier)
    parent, _, name = classifier.rpartition(".")
    setattr(student.get_submodule(parent), name, nn.Identity())


def averages(feature: Tensor, embedding: Tensor) -> bool:
    """Return whether an embedding is the plain mean of a map over its positions, as SimKD takes it to be.

    Example:
        >>> averages(torch.ones(1, 2, 3, 3), torch.ones(1, 2))
        True
    """
    if embedding.dim() != 2 or feature.dim() != 4 or embedding.shape[1] != feature.shape[1]:
        return False
    return torch.allclose(feature.float().mean((2, 3)), embedding.float(), rtol=1e-3, atol=1e-4)


def _fresh_projector(borrowing: Borrowing) -> nn.Module:
    loss = SimKD(
        borrowing.student_channels,
        borrowing.teacher_channels,
        factor=borrowing.factor,
        rectified=borrowing.rectified,
    )
    return loss.projector
