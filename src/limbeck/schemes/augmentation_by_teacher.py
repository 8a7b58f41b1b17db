"""The teacher as a guard of heavy augmentation (Wei et al., ECCV 2020)."""

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor, nn

from limbeck.checks import between
from limbeck.errors import LimbeckError
from limbeck.functional import softened
from limbeck.losses import KD, DistillationLoss
from limbeck.schemes.offline import Offline
from limbeck.schemes.schedule import Schedule, value_at
from limbeck.schemes.selection import summed
from limbeck.schemes.term import Term
from limbeck.tasks import Classification, Task, observe
from limbeck.tasks.classification import one_class_each
from limbeck.teachers import Teacher
from limbeck.types import Batch, Context, Outputs


class AugmentationByTeacher(Offline):
    """The teacher judges every augmented sample, and a label counts only where it still recognises the object.

    Wei, Xiao, Xie, Zhang, Chen, Tian, "Circumventing Outliers of AutoAugment with Knowledge Distillation", ECCV 2020,
    arXiv 2003.11342. Heavy augmentation (RandAugment, AutoAugment) now and then destroys the object that the label
    names; the teacher, looking at the same draw, says what is left of it.

    Definition:
        With L the labelled samples of the batch, and R those of them on whose draw the teacher recognises the label's
        class y: y is its likeliest class, or, with a number for ``recognised``, p_t,y >= recognised at T = 1::

            loss = task_weight · 1/|L| Σ_{n∈R} hard loss_n  +  Σ_terms weight · term(all samples)

        The hard loss is a mean over L: a label that does not count, counts zero. Unless told, the only term is KD at
        T = 1, of weight 1.

    Differs from the paper:
        There the hard loss counts on every draw, beside the KL to the teacher's soft label that is to make up for wrong
        ones: ``recognised=0``. Leaving wrong labels out instead is ours.

    When it helps:
        When augmentation is so heavy that it hurts training on labels, and the teacher is good on such draws; then
        heavier augmentation pays. With crops and flips alone nearly every label is kept, and this is
        :class:`limbeck.Offline`; with a poor teacher the labels of hard samples are lost, which its ``kept`` shows.

    Args:
        student: the network to train, on heavily augmented samples.
        teacher: any :class:`limbeck.teachers.Teacher`; must see the same draw as the student, perhaps at another
            resolution.
        terms: what is taught on every draw; see the definition for ``None``.
        task: what the labels mean: classification.
        task_weight: weight of the hard loss, above 0 or a schedule.
        recognised: smallest probability, 0 to 1, that the teacher gives to the label's class where the label counts;
            ``None`` asks that this class be its likeliest.

    Raises:
        LimbeckError: another task than classification; no weight for the labels that are guarded; a probability out of
            range; what :class:`limbeck.Offline` refuses.

    Example:
        >>> from limbeck import Frozen
        >>> teacher = nn.Linear(2, 2)
        >>> _ = teacher.load_state_dict({"weight": 9 * torch.eye(2), "bias": torch.zeros(2)})
        >>> scheme = AugmentationByTeacher(nn.Linear(2, 2), Frozen(teacher))
        >>> _ = scheme(Batch(torch.eye(2), torch.tensor([0, 0])))
        >>> scheme.kept
        0.5
    """

    paper: ClassVar[str] = "Wei, Xiao, Xie, Zhang, Chen, Tian 2020, arXiv 2003.11342"

    judged: Tensor

    def __init__(
        self,
        student: nn.Module,
        teacher: Teacher,
        terms: Sequence[Term | DistillationLoss] | None = None,
        task: Task | None = None,
        task_weight: float | Schedule = 1.0,
        recognised: float | None = None,
    ):
        task = task or Classification()
        if task.name != "classification":
            raise LimbeckError(
                f"AugmentationByTeacher guards the labels of classes, which {task.name} has not: use Offline."
            )
        if not callable(task_weight) and not task_weight:
            raise LimbeckError(
                "AugmentationByTeacher guards labels, but task_weight leaves none to guard: raise it, or use Offline."
            )
        super().__init__(student, teacher, [KD(temperature=1)] if terms is None else terms, task, task_weight)
        self.recognised = None if recognised is None else between("recognised", recognised, 0, 1)
        self.register_buffer("judged", torch.zeros(2, dtype=torch.int64))

    @property
    def kept(self) -> float | None:
        """Share of the labels, over the training so far, that counted; ``None`` before any was judged."""
        labels, counted = self.judged.tolist()
        return counted / labels if labels else None

    def forward(self, batch: Batch, phase: str = "main", group: int = 0) -> dict[str, Tensor]:
        """Return ``task`` and one part for each term."""
        known = self.teacher(batch, self.task, self._wanted_of_teacher)
        outputs = observe(self.task, self.student, batch, "student", self._wanted_of_student)
        labels = self.task.labels(batch)
        one_class_each("AugmentationByTeacher", labels)
        context = Context(labels, batch.index, self.progress)
        parts = {}
        if batch.targets is not None:
            parts["task"] = self._guarded(outputs, known, batch, labels)
        for term in self.terms:
            assert isinstance(term, Term)
            parts[term.name] = term(outputs, known, context)
        return parts

    def identity(self) -> dict[str, str]:
        """Return also what it takes for a label to count."""
        return {**super().identity(), "recognised": repr(self.recognised)}

    def _guarded(self, outputs: Outputs, known: Outputs, batch: Batch, labels: Tensor) -> Tensor:
        """Return the weighted hard loss of the samples that are recognised, as a mean over all labelled ones."""
        counted = self._recognises(known[self.task.outputs[0]], labels)
        here = torch.stack([torch.full_like(labels, 1).sum(), (labels >= 0).sum(), counted.sum()])
        whole = summed(here)
        if self.training:
            self.judged += whole[1:]
        assert self.task_weight is not None
        hard = self.task.loss(outputs, replace(batch, labelled=counted))
        # Processes are averaged in proportion to their samples, but may differ in how many of these have a label.
        share = (here[2] * whole[0]).to(hard) / (here[0] * whole[1]).clamp(min=1)
        return value_at(self.task_weight, self.progress) * share * hard

    def _recognises(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return on which samples the teacher recognises the label's class, never where there is no label."""
        if logits.dim() != 2 or labels.shape != logits.shape[:1]:
            raise LimbeckError(
                f"AugmentationByTeacher compares one label a sample with the teacher's logits (N, C), not labels "
                f"{tuple(labels.shape)} with {tuple(logits.shape)}: use Offline."
            )
        if self.recognised is None:
            return logits.argmax(1) == labels
        likely = softened(logits, 1.0).gather(1, labels.clamp(min=0).unsqueeze(1)).squeeze(1)
        return (labels >= 0) & (likely >= self.recognised)
