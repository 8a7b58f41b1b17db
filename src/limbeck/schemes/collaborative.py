"""Networks that learn from their combined logits (Guo et al., CVPR 2020)."""

import copy
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Literal, get_args

import torch
from torch import Tensor, nn

from limbeck.errors import LimbeckError, did_you_mean
from limbeck.functional import convex_weights, full_precision, least_logits, likeliest_logits
from limbeck.losses import KD, DistillationLoss
from limbeck.processes import joined
from limbeck.schemes.peers import Peers
from limbeck.schemes.schedule import Schedule
from limbeck.schemes.term import Term
from limbeck.schemes.wired import as_terms, layers_to_tap
from limbeck.tasks import Classification, Task
from limbeck.tasks.classification import one_class_each
from limbeck.types import Batch, Context, Outputs

Combine = Literal["naive", "linear", "minimum"]


class Collaborative(Peers):
    """Two networks or more learn from the labels and from their combined logits; the first is the student.

    Guo, Wang, Wu, Yu, Liang, Hu, Luo, "Online Knowledge Distillation via Collaborative Learning", CVPR 2020 (KDCL).
    All learn from one teacher made of themselves, which by its making knows the labels better than each alone, so that
    a weak network does not pull a strong one down.

    Definition:
        loss = Σ_i [task_weight · hard loss_i + Σ_terms weight · term(outputs of i, z)], where the combined logits z are
        constants, made from the logits z_i of all n networks and the labels y:

        - ``"naive"``: for each sample, the logits z_k of the network k with the smallest cross-entropy;
        - ``"linear"``: z = Σ_i w_i z_i, where w ≥ 0, Σ w = 1 minimise the mean cross-entropy of z over the whole batch:
          a convex problem, solved to within 1e-6 nats (:func:`limbeck.functional.convex_weights`);
        - ``"minimum"``: for each sample and class c, z_c = min_i (z_i,c − z_i,y): each class lies as far below the
          label as in the network that puts it lowest.

        A sample without a label is taught z = Σ_i w_i z_i: for ``"linear"`` with w as found on the labelled samples,
        otherwise with w_i = 1 / n.
        Unless told, the only term is T² · KL(softmax(z / T) ‖ softmax(z_i / T)) at T = 2, of weight 1.

    Differs from the paper:
        KDCL-General is left out: its weights come from the errors on held-out data after each epoch, and a scheme sees
        no data but its batches. KDCL-Linear's weights are one set for the batch rather than for each sample, where
        they would fit the label of that sample. Samples without a label are ours. The paper gives each network a view
        of its own of each image: give ``batch.inputs`` as a mapping from ``"student"``, ``"peer 1"``, … to views.

    When it helps:
        As :class:`Mutual`, where the networks differ in capacity. On small data the combination soon knows the
        training labels by heart, and then teaches little more than they do.

    Args:
        peers: the networks; what :meth:`deployable` gives, and validation judges, is the first.
        combine: ``"naive"``, ``"linear"`` or ``"minimum"``.
        terms: what each learns from the combined logits, copied for each network.
        task: classification.
        task_weight: weight of each network's hard loss, at least 0, or a schedule.

    Raises:
        LimbeckError: fewer than two networks; networks that share weights or have none to train; no terms, two of
            one name, or one that reads more of its teacher than logits; another task than classification; at the
            first batch, networks whose outputs differ in shape.

    Example:
        >>> scheme = Collaborative([nn.Linear(4, 3), nn.Linear(4, 3)], combine="minimum")
        >>> sorted(scheme(Batch(torch.zeros(2, 4), torch.tensor([0, 1]))))
        ['peer 1 KD', 'peer 1 task', 'student KD', 'student task']
    """

    paper: ClassVar[str] = "Guo, Wang, Wu, Yu, Liang, Hu, Luo 2020, CVPR"

    def __init__(
        self,
        peers: Sequence[nn.Module],
        combine: Combine = "linear",
        terms: Sequence[Term | DistillationLoss] | None = None,
        task: Task | None = None,
        task_weight: float | Schedule = 1.0,
    ):
        super().__init__(peers, task, task_weight)
        if not isinstance(self.task, Classification):
            raise LimbeckError(
                f"Collaborative combines logits by their labels' classes, which {type(self.task).__name__} has not: "
                "Mutual takes any task."
            )
        if combine not in get_args(Combine):
            raise LimbeckError(
                f"combine is one of {', '.join(get_args(Combine))}, not {combine!r}."
                f"{did_you_mean(str(combine), get_args(Combine))}"
            )
        self.combine = combine
        given = as_terms("Collaborative", [KD(temperature=2)] if terms is None else terms, self.task)
        _refuse_layers(given)
        self.terms = nn.ModuleList(copy.deepcopy(term) for _ in self.peers for term in given)
        self.learners = [number for number in range(len(self.peers)) for _ in given]
        self._wanted = layers_to_tap(self.task, [term.student for term in given])

    def forward(self, batch: Batch, phase: str = "main", group: int = 0) -> dict[str, Tensor]:
        """Return, for each network, its hard loss and one part for each term."""
        outputs = self.run(batch, [self._wanted] * len(self.peers))
        labels = self.task.labels(batch)
        one_class_each("Collaborative", labels)
        with torch.no_grad():
            logits = torch.stack([full_precision(found["logits"].detach()) for found in outputs])
            known = Outputs(logits=_COMBINED[self.combine](logits, labels))
        context = Context(labels, batch.index, self.progress)
        parts = self.task_parts(batch, outputs)
        for learner, term in zip(self.learners, self.terms, strict=True):
            parts[f"{self.roles[learner]} {term.name}"] = term(outputs[learner], known, context)
        return parts

    def identity(self) -> dict[str, str]:
        """Return what makes the combined logits besides."""
        return {**super().identity(), "combine": self.combine}


def _linear(logits: Tensor, labels: Tensor | None) -> Tensor:
    """Return the combination whose cross-entropy on the whole batch, over all processes, is smallest."""
    if labels is None:
        return logits.mean(0)
    rows, labels = joined(logits.transpose(0, 1)).transpose(0, 1), joined(labels)
    labelled = labels >= 0
    weights = convex_weights(rows[:, labelled], labels[labelled])
    return torch.einsum("m,mnc->nc", weights, logits)


def _sample_by_sample(combination: Callable[[Tensor, Tensor], Tensor]) -> Any:
    """Return a combination that leaves samples without a label to the mean of the logits."""

    def combined(logits: Tensor, labels: Tensor | None) -> Tensor:
        mean = logits.mean(0)
        if labels is None:
            return mean
        return torch.where((labels >= 0)[:, None], combination(logits, labels.clamp(min=0)), mean)

    return combined


_COMBINED: dict[str, Callable[[Tensor, Tensor | None], Tensor]] = {
    "naive": _sample_by_sample(likeliest_logits),
    "linear": _linear,
    "minimum": _sample_by_sample(least_logits),
}


def _refuse_layers(terms: Sequence[Term]) -> None:
    for term in terms:
        if term.teacher != "logits":
            raise LimbeckError(
                f"Collaborative teaches combined logits and nothing else, but {term.name} reads its teacher's "
                f"{term.teacher!r}: take a loss on logits, or Mutual for features."
            )
