"""Be your own teacher: self distillation (Zhang et al., ICCV 2019)."""

import copy
from collections.abc import Sequence
from typing import Any, ClassVar

from torch import Tensor, nn

from limbeck.losses import KD, DistillationLoss, LogitRegression
from limbeck.schemes.auxiliary import auxiliary
from limbeck.schemes.base import Scheme
from limbeck.schemes.mutual import detached
from limbeck.schemes.schedule import Schedule, told, value_at
from limbeck.schemes.self_taught import usual_terms
from limbeck.schemes.term import Term, checked_weight
from limbeck.schemes.wired import as_terms, layers_to_tap, smallest_batch
from limbeck.tasks import Classification, Task, observe
from limbeck.types import Batch, Context, Outputs

EMBEDDING = "embedding"


class BeYourOwnTeacher(Scheme):
    """Heads on the student's shallow layers learn from the labels, from its own output and from its deepest features.

    Zhang, Song, Gao, Chen, Bao, Ma, "Be Your Own Teacher: Improve the Performance of Convolutional Neural Networks via
    Self Distillation", ICCV 2019, arXiv 1905.08094. What the heads learn reaches the layers below them, so the network
    gains early what it would find only at its end. The heads are trained and kept in checkpoints; what is deployed is
    the bare student.

    Definition:
        With head i on shallow layer i giving features F_i (N, D) and logits z_i, and the student's own F_C and z_C as
        constants::

            loss = task_weight · hard loss(z_C) + Σ_i [head_weight · hard loss(z_i)
                   + Σ_terms weight · term(head i's outputs, the student's outputs)]

        Unless told the terms are KD at T = 3 with weight 0.3, and λ · mean over samples of ‖F_i − F_C‖² with λ = 0.03
        (``embedding``: ½ ‖·‖² with weight 2 λ); head_weight is 1 − 0.3, task_weight 1. In regression the outputs are
        compared by ½ (v_i − v_C)².

    Differs from the paper:
        KD carries T², which the public code leaves out. That code takes the norm of the whole batch's feature
        difference, unsquared; this is the paper's formula, on features averaged over places as in the code. The
        bottleneck's last layer has no ReLU, since the deepest features may be negative. Heads for tokens, sequences and
        vectors are ours.

    When it helps:
        Deep networks with stages, trained from scratch, and no teacher. Heads cost a part of a forward each. On a few
        layers there is nothing between shallow and deep.

    Args:
        student: the network to train.
        layers: its shallow layers, as taps spell them; ``None`` takes the ends of up to three stages before the last.
        example: a batch of one sample or more, as the student reads it; sizes are read off one forward.
        terms: what each head learns, copied for each, so that learnable losses are each head's own. Names are
            ``"embedding"`` (features), the task's outputs, and layers of the student; a bare loss stands for a term on
            the task's first output.
        task: what the labels mean; classification unless told.
        task_weight: weight of the student's own hard loss, at least 0, or a schedule.
        head_weight: weight of each head's hard loss, at least 0, or a schedule.
        features: the layer of the deepest features; what the classifier reads unless told.
        heads: modules to use in place of :class:`limbeck.schemes.auxiliary.AuxiliaryHead`, each of which gives
            features (N, D) and outputs (N, C), on the scale of the task's outputs, for its layer's tensor.

    Raises:
        LimbeckError: no such layers; layers or heads that do not fit; settings out of range; no terms, or two of one
            name; no example that the student runs on.

    Example:
        >>> import torch
        >>> net = nn.Sequential(nn.Conv2d(1, 4, 3, 2), nn.ReLU(), nn.Conv2d(4, 8, 3, 2), nn.ReLU(),
        ...                     nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3))
        >>> scheme = BeYourOwnTeacher(net, ["1"], torch.zeros(1, 1, 12, 12))
        >>> sorted(scheme(Batch(torch.zeros(2, 1, 12, 12), torch.tensor([0, 1]))))
        ['1 KD', '1 embedding', '1 task', 'task']
        >>> scheme.deployable() is net
        True
    """

    paper: ClassVar[str] = "Zhang, Song, Gao, Chen, Bao, Ma 2019, arXiv 1905.08094"

    def __init__(
        self,
        student: nn.Module,
        layers: Sequence[str] | None,
        example: Any,
        terms: Sequence[Term | DistillationLoss] | None = None,
        task: Task | None = None,
        task_weight: float | Schedule = 1.0,
        head_weight: float | Schedule = 0.7,
        features: str | None = None,
        heads: Sequence[nn.Module] | None = None,
    ):
        super().__init__(task or Classification())
        inputs = example.inputs_for("student") if isinstance(example, Batch) else example
        found = auxiliary(student, layers, inputs, features, heads)
        wired = as_terms("BeYourOwnTeacher", _usual(self.task) if terms is None else terms, self.task)
        self.student = student
        self.layers = tuple(found.heads)
        self.heads = nn.ModuleList(found.heads.values())
        self.pooled = found.pooled
        self.terms = nn.ModuleList(copy.deepcopy(term) for _ in self.layers for term in wired)
        self.task_weight = checked_weight("task_weight", task_weight)
        self.head_weight = checked_weight("head_weight", head_weight)
        self._deepest = found.deepest
        named = layers_to_tap(self.task, [name for term in wired for name in (term.student, term.teacher)])
        tapped = [*self.layers, self._deepest, *(name for name in named if name != EMBEDDING)]
        self._wanted = tuple(dict.fromkeys(tapped))

    def forward(self, batch: Batch, phase: str = "main", group: int = 0) -> dict[str, Tensor]:
        """Return ``task`` and, for each shallow layer, its head's hard loss and one part for each term."""
        outputs = observe(self.task, self.student, batch, "student", self._wanted)
        deepest = detached(Outputs({**outputs, EMBEDDING: self.pooled(outputs[self._deepest])}))
        context = Context(self.task.labels(batch), batch.index, self.progress)
        parts = {"task": value_at(self.task_weight, self.progress) * self.hard_loss(outputs, batch)}
        weight = value_at(self.head_weight, self.progress)
        for number, (layer, head) in enumerate(zip(self.layers, self.heads, strict=True)):
            shallow = self._shallow(head(outputs[layer]), outputs)
            parts[f"{layer} task"] = weight * self.hard_loss(shallow, batch)
            for term in self._terms(number):
                parts[f"{layer} {term.name}"] = term(shallow, deepest, context)
        return parts

    def _shallow(self, given: tuple[Tensor, Tensor], outputs: Outputs) -> Outputs:
        """Return a head's outputs by the names of the student's own, in whose shape they are."""
        features, value = given
        first = self.task.outputs[0]
        return Outputs({**outputs, EMBEDDING: features, first: value.reshape(outputs[first].shape)})

    def _terms(self, head: int) -> list[Any]:
        each = len(self.terms) // len(self.layers)
        return list(self.terms)[head * each : (head + 1) * each]

    @property
    def smallest_batch(self) -> int:
        """Fewest samples that every term accepts."""
        return smallest_batch(self.terms)

    def deployable(self) -> nn.Module:
        """Return the bare student."""
        return self.student

    def identity(self) -> dict[str, str]:
        """Return task, weights, terms and the layers with their heads."""
        return {
            **super().identity(),
            "task_weight": told(self.task_weight),
            "head_weight": told(self.head_weight),
            "terms": repr(self.terms),
            "layers": ", ".join([*self.layers, self._deepest]),
            "heads": repr(self.heads),
        }


def _usual(task: Task) -> list[Term]:
    embedding = Term(LogitRegression(), EMBEDDING, EMBEDDING, weight=2 * 0.03, name=EMBEDDING)
    soft = Term(KD(temperature=3), weight=0.3)
    values = Term(LogitRegression(), "value", "value", weight=0.3)
    return [*usual_terms("BeYourOwnTeacher", task, soft, values), embedding]
