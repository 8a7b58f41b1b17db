"""A generator makes the transfer set: nothing but the teacher is needed (DAFL, Chen et al. 2019)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from limbeck.checks import positive
from limbeck.errors import LimbeckError
from limbeck.functional.precision import full_precision
from limbeck.losses import KD, DistillationLoss
from limbeck.schemes.base import Scheme
from limbeck.schemes.guidance import last_read, negative_entropy, norms_of, statistics_gap
from limbeck.schemes.schedule import Schedule, told, value_at
from limbeck.schemes.term import Term, checked_weight
from limbeck.schemes.wired import (
    as_terms,
    known_again,
    layers_to_tap,
    refuse_module_as_teacher,
    refuse_shared_weights,
    smallest_batch,
)
from limbeck.tasks import Classification, Task, observe
from limbeck.teachers.base import Differentiable
from limbeck.types import Batch, Context, Outputs

GENERATED = ("one-hot", "activation", "entropy", "statistics")
"""Parts of the generator's loss."""


class DataFree(Scheme):
    """A generator learns to make inputs on which the teacher is sure, and the student learns from them.

    Chen, Wang, Xu, Yang, Liu, Shi, Xu, Xu, Tian, "Data-Free Learning of Student Networks" (DAFL), ICCV 2019, arXiv
    1904.01186. A batch is noise; there are no labels and no data. Each step has two phases with an optimizer each:
    first the generator learns from the frozen teacher's answer to what it makes of the noise, then the student learns
    from the same teacher on what the generator, one step wiser, makes of the same noise.

    Definition:
        With images x = G(noise), the teacher's logits t, its features f and p̄ the mean of softmax(t) over the batch::

            one-hot    = onehot_weight · mean over n of CE(t_n, argmax t_n)
            activation = −activation_weight · mean over n and features of |f_n|
            entropy    = entropy_weight · Σ over classes of p̄ log10 p̄
            statistics = statistics_weight · mean over BatchNorm layers l of
                         mean over channels of ((μ_l − μ̂_l)² + (σ²_l − σ̂²_l)²)

        are the generator's; the student's are the terms, on sg(x). μ_l, σ²_l are the batch's at the entry of the
        teacher's BatchNorm layer l and μ̂_l, σ̂²_l what that layer remembers of the teacher's data (DeepInversion, Yin
        et al., CVPR 2020, arXiv 1912.08795).

    Differs from the paper:
        The weights 1, 0.1 and 5 and the logarithm to base 10 are those of the authors' code for MNIST (CIFAR: 0.05,
        0.01 and 5). Their code takes one forward of generator and teacher for both phases; here the student sees the
        generator after its step, for a second forward of each. ``statistics_weight`` is not in DAFL: 0 leaves it out.

    When it helps:
        When the teacher's data may not leave where it lies, or is lost. With any data of the right kind, even
        unlabelled, Offline on that is better and cheaper. It needs a teacher with confident classes of about equal
        share, and a student that reads what the teacher reads.

    Args:
        student: the network to train.
        teacher: one that passes gradients through to its inputs: ``Frozen``.
        generator: from noise (N, D) to what the teacher reads: :class:`limbeck.models.Generator`, or any network.
        terms: what is taught; ``None`` means ``[KD(temperature=1)]``, as in the paper.
        task: how networks are called; classification unless told.
        onehot_weight: a number of at least 0, or a schedule; likewise the other weights.
        activation_weight: of large features.
        entropy_weight: of classes in equal shares.
        statistics_weight: of the BatchNorm statistics.
        features: the teacher's layer whose activation is raised; what its last linear layer reads unless told.
        generator_lr: the generator's learning rate, as a multiple of the plan's. The authors' code has 100 with
            Adam on MNIST.

    Raises:
        LimbeckError: a teacher without gradients; no class logits; no BatchNorm for ``statistics_weight``; no linear
            layer and no ``features``; parts of the loss that share a name.

    Example:
        >>> from limbeck import Frozen
        >>> from limbeck.models import Generator
        >>> from limbeck.models.small import cnn
        >>> teacher, student = cnn((4,), 3, (1, 8, 8)), cnn((2,), 3, (1, 8, 8))
        >>> scheme = DataFree(student, Frozen(teacher), Generator(5, (1, 8, 8), width=4))
        >>> noise = Batch(torch.randn(6, 5))
        >>> list(scheme(noise, "generator")), list(scheme(noise, "student"))
        (['one-hot', 'activation', 'entropy'], ['KD'])
        >>> scheme.samples(noise.inputs).shape
        torch.Size([6, 1, 8, 8])
    """

    paper: ClassVar[str] = "arXiv 1904.01186"
    phases: ClassVar[tuple[str, ...]] = ("generator", "student")

    def __init__(
        self,
        student: nn.Module,
        teacher: Differentiable,
        generator: nn.Module,
        terms: Sequence[Term | DistillationLoss] | None = None,
        task: Task | None = None,
        *,
        onehot_weight: float | Schedule = 1.0,
        activation_weight: float | Schedule = 0.1,
        entropy_weight: float | Schedule = 5.0,
        statistics_weight: float | Schedule = 0.0,
        features: str | None = None,
        generator_lr: float = 1.0,
    ):
        super().__init__(task or Classification())
        _refuse_unfit(teacher, self.task)
        refuse_shared_weights(student, teacher)
        wired = as_terms("DataFree", [KD(temperature=1.0)] if terms is None else terms, self.task, GENERATED)
        self.student = student
        self.teacher = teacher
        self.generator = generator
        self.terms = nn.ModuleList(wired)
        given = (onehot_weight, activation_weight, entropy_weight, statistics_weight)
        _refuse_labels(self.terms)
        self.weights = {
            name: checked_weight(f"The weight of {name}", weight)
            for name, weight in zip(GENERATED, given, strict=True)
            if weight != 0
        }
        if not self.weights:
            raise LimbeckError(
                "The generator has nothing to learn from: give one of its weights more than 0."
            )
        self.features = (features or last_read(teacher)) if "activation" in self.weights else None
        self.norms = norms_of(teacher) if "statistics" in self.weights else {}
        self.generator_lr = positive("generator_lr", generator_lr)
        self._wanted_of_student = layers_to_tap(self.task, [term.student for term in wired])
        self._wanted_of_teacher = layers_to_tap(self.task, [term.teacher for term in wired])
        self._guiding = (*([self.features] if self.features else []), *self.norms)

    def forward(self, batch: Batch, phase: str = "main", group: int = 0) -> dict[str, Tensor]:
        """Return the parts of one phase's loss.

        Args:
            batch: noise.
            phase: ``"generator"`` or ``"student"``.
            group: not used.

        Raises:
            LimbeckError: another phase.
        """
        if phase == "generator":
            return self._guided(batch)
        if phase == "student":
            return self._taught(batch)
        raise LimbeckError(f"DataFree learns in the phases 'generator' and 'student', not {phase!r}.")

    def samples(self, noise: Tensor) -> Tensor:
        """Return what the generator makes of noise (N, D), to be looked at, by its running statistics."""
        training = self.generator.training
        self.generator.eval()
        with torch.no_grad():
            made = self._made(Batch(noise))
        self.generator.train(training)
        return made

    def _made(self, batch: Batch) -> Tensor:
        return full_precision(self.generator(batch.inputs))

    def _guided(self, batch: Batch) -> dict[str, Tensor]:
        images = replace(batch, inputs=self._made(batch))
        known = self.teacher.with_gradient(images, self.task, self._guiding)
        return {
            name: value_at(weight, self.progress) * self._aim(name, known)
            for name, weight in self.weights.items()
        }

    def _aim(self, name: str, known: Outputs) -> Tensor:
        logits = full_precision(known["logits"])
        if name == "one-hot":
            return F.cross_entropy(logits, logits.argmax(1))
        if name == "activation":
            assert self.features is not None
            return -full_precision(known[self.features]).abs().mean()
        if name == "entropy":
            return negative_entropy(logits)
        gaps = [statistics_gap(full_precision(known[layer]), norm) for layer, norm in self.norms.items()]
        return torch.stack(gaps).mean()

    def _taught(self, batch: Batch) -> dict[str, Tensor]:
        with torch.no_grad():
            images = replace(batch, inputs=self._made(batch), targets=None, labelled=None)
        known = self.teacher(images, self.task, self._wanted_of_teacher)
        outputs = observe(self.task, self.student, images, "student", self._wanted_of_student)
        context = Context(None, batch.index, self.progress)
        return {term.name: term(outputs, known, context) for term in self.terms if isinstance(term, Term)}

    def parameter_groups(self, phase: str = "main") -> list[dict[str, Any]]:
        """Return what the phase trains: the generator, without decay; or student, adapters and losses."""
        if phase == "generator":
            own = [each for each in self.generator.parameters() if each.requires_grad]
            return [{"params": own, "lr_scale": self.generator_lr, "weight_decay": 0.0}]
        learning = [*self.student.parameters(), *self.terms.parameters()]
        taught = {"params": [each for each in learning if each.requires_grad]}
        return [taught] if phase == "student" else [*self.parameter_groups("generator"), taught]

    @property
    def forwards(self) -> Mapping[str, int]:
        """Return two forwards of generator and teacher, one in each phase."""
        return {"generator": 2, "student": 1, "teacher": 2}

    @property
    def smallest_batch(self) -> int:
        """Fewest samples that every term accepts."""
        return smallest_batch(self.terms)

    def deployable(self) -> nn.Module:
        """Return the bare student."""
        return self.student

    def identity(self) -> dict[str, str]:
        """Return task, weights, terms and the teacher's fingerprint."""
        weights = {f"weight of {name}": told(weight) for name, weight in self.weights.items()}
        return {
            **super().identity(),
            **weights,
            "features": str(self.features),
            "generator_lr": told(self.generator_lr),
            "terms": repr(self.terms),
            "teacher": known_again(self.teacher),
        }


def _refuse_unfit(teacher: object, task: Task) -> None:
    refuse_module_as_teacher("DataFree", teacher)
    if not isinstance(teacher, Differentiable):
        raise LimbeckError(
            f"DataFree sends gradients through its teacher to the generator, which {type(teacher).__name__} cannot "
            "pass on: give it a network, limbeck.Frozen(model)."
        )
    if "logits" not in task.outputs:
        raise LimbeckError(
            f"DataFree asks the teacher for classes, which {task.name} has not: it is for classification only."
        )


def _refuse_labels(terms: Iterable[Any]) -> None:
    for term in terms:
        if "targets" in getattr(term.loss, "needs", ()):
            raise LimbeckError(
                f"{term.name} reads labels, which generated samples have not: use KD or another loss without labels."
            )
