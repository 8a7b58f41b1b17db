"""Teachers of different classes, together teaching the classes of all of them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor

from limbeck.data.source import digest
from limbeck.errors import LimbeckError
from limbeck.functional import full_precision, log_mean
from limbeck.tasks import Classification, Task
from limbeck.tasks.classification import UNLABELLED, one_class_each
from limbeck.teachers.base import Teacher
from limbeck.teachers.class_names import own_names, union_of
from limbeck.teachers.panel import Panel, known_by
from limbeck.types import Batch, Outputs

Unlabelled = Literal["all", "confident"]


class Merged(Panel):
    """Teachers with different, overlapping or disjoint classes, each teaching what it knows of their union.

    Knowledge amalgamation: Shen, Wang, Song, Sun, Song, "Amalgamating Knowledge towards Comprehensive Classification",
    AAAI 2019, arXiv 1811.02796.

    Definition:
        Teacher k gives p_k = softmax(z_k) over its own classes and 0 for every other class u of the union. The answer
        is p(u) = Σ_k w_k(x) p_k(u), as logits log p(u), never below -30,000, which stands for 0: a softmax at any
        temperature up to 100 makes it 0. The weights of a sample are

        - labelled: equal over the teachers that know its class, 0 for the others;
        - without a label, ``unlabelled="all"``: equal over all teachers;
        - without a label, ``unlabelled="confident"``: 1 for the teacher with the largest max_u p_k(u), the first of
          equals.

    Differs from the paper:
        Shen et al. also merge the teachers' features layer by layer and use no labels; here that is left to feature
        terms on ``"1/layer3"`` and ``"2/layer3"``, and labels, where there are any, say which teacher to hear. A
        softmax over a teacher's own classes says nothing of classes that it does not know: it is sure of something on
        every sample. So "all" teaches that an unlabelled sample could be of either, and "confident" follows the
        loudest, which favours teachers of few classes.

    When it helps:
        When models were trained apart, for parts of what is wanted now, and their data is not at hand in one place with
        one set of labels. Labels, if only of which part a sample belongs to, matter more than how they are merged.

    Equal classes in equal order give exactly ``Ensemble(teachers)``. A batch's targets count in the union; each teacher
    is shown them in its own numbers, so that it may itself be an oracle. It sees the labels of the batch, so measure
    it on batches without. It fits losses that read probabilities: -30,000 is no logit to regress. Layers are those of
    its teachers: ``"2/layer3"`` is ``layer3`` of the second.

    Args:
        teachers: any teachers.
        classes: for each teacher, the names of its outputs in order, spelt as in the union (:func:`renamed`).
        union: the classes in the student's order; by first appearance unless told.
        unlabelled: who teaches samples without a label.

    Attributes:
        union: names of the student's classes, in order.

    Raises:
        LimbeckError: names that do not fit together (a name twice in a teacher, a class missing from the union, a class
            that nobody knows); not one list of names for each teacher; at a batch, a teacher with another number of
            outputs than names, a target that is no class of the union.

    Example:
        >>> from limbeck import Frozen
        >>> pets, wild = Frozen(torch.nn.Linear(4, 2)), Frozen(torch.nn.Linear(4, 2))
        >>> teacher = Merged([pets, wild], [["cat", "dog"], ["fox", "dog"]])
        >>> teacher.union
        ('cat', 'dog', 'fox')
        >>> answer = teacher(Batch(torch.zeros(2, 4), torch.tensor([0, 1])))["logits"].exp()
        >>> (answer > 0).tolist()  # of a cat only the first teacher knows, of a dog both
        [[True, True, False], [True, True, True]]
    """

    def __init__(
        self,
        teachers: Sequence[Teacher],
        classes: Sequence[Sequence[str]],
        union: Sequence[str] | None = None,
        unlabelled: Unlabelled = "all",
    ):
        super().__init__(teachers)
        if isinstance(classes, str) or len(classes) != len(self.teachers):
            raise LimbeckError(
                f"Merged needs a list of class names for each of its {len(self.teachers)} teachers: "
                "[['cat', 'dog'], ['fox']]."
            )
        if unlabelled not in ("all", "confident"):
            raise LimbeckError(
                f"Merged teaches unlabelled samples by 'all' or by the most 'confident', not {unlabelled!r}."
            )
        self.classes = tuple(own_names(each) for each in classes)
        self.union = union_of(self.classes, union)
        self.unlabelled = unlabelled
        places = {name: place for place, name in enumerate(self.union)}
        self._places = [torch.tensor([places[name] for name in names]) for names in self.classes]
        self._own = torch.full((len(self.teachers), len(self.union)), UNLABELLED)
        for own, place in zip(self._own, self._places, strict=True):
            own[place] = torch.arange(len(place))

    def __call__(self, batch: Batch, task: Task | None = None, names: Sequence[str] = ()) -> Outputs:
        """Return the merged answer for ``batch`` (see :class:`limbeck.teachers.Teacher`)."""
        task = task or Classification()
        if task.outputs[0] != "logits":
            raise LimbeckError(f"Merged joins teachers of classes, and {task.name} has none.")
        own = self._own_labels(batch, task)
        batches = [batch] * len(self.teachers) if own is None else [_labelled(batch, each) for each in own]
        answers, layers = self._ask(batches, task, names)
        spread = [self._spread(number, each) for number, each in enumerate(answers)]
        return Outputs({task.outputs[0]: log_mean(spread, self._weights(spread, own)), **layers})

    def fingerprint(self) -> str:
        """Return a SHA-256 of the teachers and of how their classes make up the union."""
        names = [repr(each) for each in (*self.classes, self.union)]
        return digest(["Merged", self.unlabelled, *names, *map(known_by, self.teachers)])

    def _own_labels(self, batch: Batch, task: Task) -> Tensor | None:
        """Return each teacher's own number of each sample's class, (K, N), -100 for none; None without labels."""
        labels = task.labels(batch)
        if labels is None:
            return None
        one_class_each("Merged", labels)
        if not isinstance(labels, Tensor) or labels.is_floating_point() or labels.dim() != 1:
            raise LimbeckError("Merged needs targets (N,) that are class indices in the union.")
        wrong = labels[(labels != UNLABELLED) & ((labels < 0) | (labels >= len(self.union)))]
        if len(wrong):
            raise LimbeckError(
                f"No teacher knows the class of target {int(wrong[0])}: targets count in the union of "
                f"{len(self.union)} classes, from 0 ({self.union[0]}) to {len(self.union) - 1} ({self.union[-1]})."
            )
        if self._own.device != labels.device:
            self._own = self._own.to(labels.device)
        own = self._own[:, labels.clamp(min=0)]
        return torch.where(labels == UNLABELLED, UNLABELLED, own)

    def _spread(self, number: int, answer: Tensor) -> Tensor:
        """Return one teacher's logits in the places of the union, −∞ where it knows nothing."""
        place = self._places[number]
        if answer.dim() != 2 or answer.shape[1] != len(place):
            raise LimbeckError(
                f"Teacher {number + 1} of Merged has {len(place)} class names, but answers {tuple(answer.shape)}: name "
                "each of its outputs, in order."
            )
        if place.device != answer.device:
            self._places[number] = place = place.to(answer.device)
        lifted = full_precision(answer)
        return lifted.new_full((len(answer), len(self.union)), -torch.inf).index_copy(1, place, lifted)

    def _weights(self, spread: list[Tensor], own: Tensor | None) -> Tensor:
        """Return (K, N), above 0 where the teacher is heard."""
        heard = spread[0].new_ones(len(spread), len(spread[0]))
        if self.unlabelled == "confident":
            surest = torch.stack([each.softmax(1).amax(1) for each in spread]).argmax(0)
            heard = torch.zeros_like(heard).scatter(0, surest[None], 1.0)
        if own is None:
            return heard
        known = own != UNLABELLED
        return torch.where(known.any(0), known.to(heard), heard)


def _labelled(batch: Batch, own: Tensor) -> Batch:
    """Return the batch with a teacher's own labels, where it has any."""
    return replace(batch, targets=own.clamp(min=0), labelled=own != UNLABELLED)
