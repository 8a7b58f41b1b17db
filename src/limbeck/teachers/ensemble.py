"""Several teachers that answer as one."""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from limbeck.checks import positive
from limbeck.data.source import digest
from limbeck.errors import LimbeckError
from limbeck.functional import ABSENT, full_precision, log_mean
from limbeck.tasks import Classification, Task
from limbeck.tasks.classification import one_class_each
from limbeck.teachers.base import Teacher
from limbeck.teachers.panel import Panel, known_by
from limbeck.types import Batch, Outputs

Combine = Literal["probabilities", "logits", "oracle"]


class Ensemble(Panel):
    """Several teachers of the same classes, or of the same value, whose answers are averaged.

    Hinton, Vinyals, Dean, "Distilling the Knowledge in a Neural Network", 2015, arXiv 1503.02531; for the oracle Kang,
    Mun, Han, "Towards Oracle Knowledge Distillation with Neural Architecture Search", AAAI 2020, arXiv 1911.13019.

    Definition:
        With z_k the logits of teacher k, w_k its weight and Σ w = 1, the logits given are::

            probabilities   log Σ_k w_k softmax(z_k)
            logits          Σ_k w_k z_k, the normalised geometric mean of the probabilities
            oracle          log Σ_{k ∈ R} w_k softmax(z_k) / Σ_{k ∈ R} w_k

        R are the teachers whose largest logit is at the sample's label. Where R is empty the answer is the label: 0 for
        it and -30,000 for the others. Samples without a label get the mean of all. Probabilities are averaged at T = 1,
        whatever the temperature of the loss, which then softens their mean: softmax(log p / T). In regression the
        values are averaged, Σ_k w_k v_k.

    Differs from the paper:
        Hinton et al. leave open at which temperature the ensemble is averaged; a mean of softened probabilities would
        tie the teacher to the loss. Kang et al. write the oracle as a loss of the student, here it is an answer, from
        which any term can learn. (At T = 1 the divergence from a mean has the gradient of the mean divergence.)

    When it helps:
        When several models were trained anyway, or can be: an ensemble is usually better than its best member, and a
        single student keeps most of the gain. Logits let one very sure teacher decide; probabilities do not. The oracle
        needs labels, and on a training set that its teachers fit perfectly it is the plain mean.

    Layers are those of its teachers: ``"2/layer3"`` is ``layer3`` of the second, ``"2/logits"`` its own answer.
    Alone, a teacher answers as if it were asked itself, to the bit, but for an oracle's, which may be wrong. An oracle
    sees the labels of the batch, so measure it on batches without.

    Args:
        teachers: any teachers.
        combine: how their answers become one.
        weights: of each teacher, above 0; equal unless told.

    Raises:
        LimbeckError: no teachers, or something that is none; an unknown way to combine; not one weight above 0 for
            each; at the first batch, answers of different shapes, a layer of no teacher, an oracle in regression.

    Example:
        >>> from limbeck import Frozen
        >>> teacher = Ensemble([Frozen(torch.nn.Linear(4, 3)), Frozen(torch.nn.Linear(4, 3))])
        >>> teacher(Batch(torch.zeros(2, 4)))["logits"].shape
        torch.Size([2, 3])
        >>> teacher.forwards
        4
    """

    def __init__(
        self,
        teachers: Sequence[Teacher],
        combine: Combine = "probabilities",
        weights: Sequence[float] | None = None,
    ):
        super().__init__(teachers)
        if combine not in ("probabilities", "logits", "oracle"):
            raise LimbeckError(
                f"An Ensemble combines by 'probabilities', 'logits' or 'oracle', not {combine!r}."
            )
        if weights is not None and len(weights) != len(teachers):
            raise LimbeckError(
                f"An Ensemble of {len(teachers)} teachers takes as many weights, not {len(weights)}."
            )
        given = [1.0] * len(teachers) if weights is None else weights
        self.weights = tuple(positive("An Ensemble's weight", each) for each in given)
        self.combine = combine

    def __call__(self, batch: Batch, task: Task | None = None, names: Sequence[str] = ()) -> Outputs:
        """Return the combined answer for ``batch`` (see :class:`limbeck.teachers.Teacher`)."""
        task = task or Classification()
        classifies = self._classifies(task)
        answers, layers = self._ask([batch] * len(self.teachers), task, names)
        self._check_alike(answers)
        combined = self._classified(answers, batch, task) if classifies else self._mean(answers)
        return Outputs({task.outputs[0]: combined, **layers})

    def fingerprint(self) -> str:
        """Return a SHA-256 of the teachers, their weights and how they are combined."""
        return digest(["Ensemble", self.combine, repr(self.weights), *map(known_by, self.teachers)])

    def _classifies(self, task: Task) -> bool:
        if task.outputs[0] == "logits":
            return True
        if len(task.outputs) > 1 or self.combine == "oracle":
            raise LimbeckError(
                f"An Ensemble cannot combine by {self.combine!r} in {task.name}: it averages class probabilities or "
                "logits, or with the default the values of a regression."
            )
        return False

    def _classified(self, answers: list[Tensor], batch: Batch, task: Task) -> Tensor:
        if self.combine == "logits":
            return self._mean(answers)
        weights = full_precision(answers[0]).new_tensor(self.weights)
        labels = task.labels(batch) if self.combine == "oracle" else None
        if labels is None:
            return log_mean(answers, weights)
        return _oracle(answers, weights, labels)

    def _mean(self, answers: list[Tensor]) -> Tensor:
        total = sum(self.weights)
        shares = [weight / total for weight in self.weights]
        weighted = [share * full_precision(each) for share, each in zip(shares, answers, strict=True)]
        return torch.stack(weighted).sum(0)

    def _check_alike(self, answers: list[Any]) -> None:
        for number, each in enumerate(answers[1:], start=2):
            if each.shape != answers[0].shape:
                raise LimbeckError(
                    f"The teachers of an Ensemble answer alike, but teacher 1 gives {tuple(answers[0].shape)} and "
                    f"teacher {number} {tuple(each.shape)}: limbeck.teachers.Merged joins those of different classes."
                )


def _oracle(answers: list[Tensor], weights: Tensor, labels: Any) -> Tensor:
    """Return the log of the mean probability over the teachers that are right, and the label where none is."""
    classes = answers[0].shape[-1]
    one_class_each("An oracle", labels)
    if not isinstance(labels, Tensor) or labels.is_floating_point() or labels.shape != answers[0].shape[:-1]:
        raise LimbeckError("An oracle needs one class index for each sample to know who is right.")
    labelled = labels >= 0
    if (labels >= classes).any():
        raise LimbeckError(f"An oracle of {classes} classes met the label {int(labels.max())}: count from 0.")
    right = torch.stack([each.argmax(-1) == labels for each in answers])
    none_right = labelled & ~right.any(0)
    counted = torch.where(labelled & ~none_right, right, True)
    mean = log_mean(answers, weights.view(-1, *(1,) * labels.dim()) * counted)
    is_label = torch.arange(classes, device=labels.device) == labels[..., None]
    label = torch.where(is_label, 0.0, ABSENT).to(mean)
    return torch.where(none_right[..., None], label, mean)
