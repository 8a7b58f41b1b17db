"""Networks that teach each other while they learn (Zhang et al., CVPR 2018)."""

import copy
from collections.abc import Callable, Mapping, Sequence
from itertools import permutations
from typing import Any, ClassVar, TypeAlias

from torch import Tensor, nn

from limbeck.losses import KD, DistillationLoss
from limbeck.schemes.peers import Peers
from limbeck.schemes.schedule import Schedule
from limbeck.schemes.term import Term
from limbeck.schemes.wired import as_terms, layers_to_tap
from limbeck.tasks import Task
from limbeck.types import Batch, Context, Outputs

Terms: TypeAlias = Sequence[Term | DistillationLoss]
PairTerms: TypeAlias = Callable[[int, int], Terms]
"""Gives the terms by which one network learns from another, both by their number; the student is 0."""


class Mutual(Peers):
    """Two networks or more learn from the labels and from each other, all at once; the first is the student.

    Zhang, Xiang, Hospedales, Lu, "Deep Mutual Learning", CVPR 2018, arXiv 1706.00384. None is trained before: every
    network is learner and teacher, of any architecture, and all of them end up trained.

    Definition:
        loss = Σ_i [task_weight · hard loss_i + 1 / (n − 1) · Σ_{j ≠ i} Σ_terms weight · term(outputs of i, outputs
        of j)], n networks, where the outputs of j are constants: no network gets a gradient from what another
        learns. Unless told, the only term is KL(p_j ‖ p_i) between the networks' probabilities at T = 1, of weight
        1, as in the paper.

    Differs from the paper:
        All networks take their step on one forward each, where the paper updates them in turn and runs each once
        more after its update. Any term may stand in for the KL, features included.

    When it helps:
        When there is no teacher to be had and training several small networks costs little. They must start apart:
        copies of one network teach each other nothing.

    Args:
        peers: the networks; what :meth:`deployable` gives, and validation judges, is the first.
        terms: what each learns from each other: a list, copied for every ordered pair, so that learnable losses
            and adapters are each pair's own; or, where widths differ, a function of the learner's number and the
            other's that gives such a list (copied likewise).
        task: what the labels mean; classification unless told.
        task_weight: weight of each network's hard loss, at least 0, or a schedule.

    Raises:
        LimbeckError: fewer than two networks; networks that share weights or have none to train; no terms, or two
            of one name; at the first batch, networks whose outputs differ in shape.

    Example:
        >>> import torch
        >>> scheme = Mutual([nn.Linear(4, 3), nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))])
        >>> sorted(scheme(Batch(torch.zeros(2, 4), torch.tensor([0, 1]))))
        ['peer 1 KD', 'peer 1 task', 'student KD', 'student task']
    """

    paper: ClassVar[str] = "Zhang, Xiang, Hospedales, Lu 2018, arXiv 1706.00384"

    def __init__(
        self,
        peers: Sequence[nn.Module],
        terms: Terms | PairTerms | None = None,
        task: Task | None = None,
        task_weight: float | Schedule = 1.0,
    ):
        super().__init__(peers, task, task_weight)
        lessons = [
            (learner, other, term)
            for learner, other in permutations(range(len(self.peers)), 2)
            for term in as_terms("Mutual", _between(learner, other, terms), self.task)
        ]
        self.terms = nn.ModuleList(term for _, _, term in lessons)
        self.learners = [learner for learner, _, _ in lessons]
        self._others = [other for _, other, _ in lessons]
        names: list[list[Any]] = [[] for _ in self.peers]
        for learner, other, term in lessons:
            names[learner].append(term.student)
            names[other].append(term.teacher)
        self._wanted = [layers_to_tap(self.task, each) for each in names]

    def forward(self, batch: Batch, phase: str = "main", group: int = 0) -> dict[str, Tensor]:
        """Return, for each network, its hard loss and one part for each term, the mean over all other networks."""
        outputs = self.run(batch, self._wanted)
        known = [detached(each) for each in outputs]
        context = Context(self.task.labels(batch), batch.index, self.progress)
        parts = self.task_parts(batch, outputs)
        for learner, other, term in zip(self.learners, self._others, self.terms, strict=True):
            part = term(outputs[learner], known[other], context) / (len(self.peers) - 1)
            name = f"{self.roles[learner]} {term.name}"
            parts[name] = parts[name] + part if name in parts else part
        return parts


def detached(value: Any) -> Any:
    """Return outputs without their history, so that nothing learns through them.

    Args:
        value: named outputs, a tensor, or containers of them.

    Example:
        >>> import torch
        >>> detached(Outputs(logits=torch.zeros(2, requires_grad=True)))["logits"].requires_grad
        False
    """
    if isinstance(value, Tensor):
        return value.detach()
    if isinstance(value, Mapping):
        named = {name: detached(each) for name, each in value.items()}
        return Outputs(named) if isinstance(value, Outputs) else named
    if isinstance(value, list | tuple):
        return tuple(detached(each) for each in value)
    return value


def _between(learner: int, other: int, terms: Terms | PairTerms | None) -> Any:
    """Return copies of the terms by which one network learns from another, of no other pair's."""
    if terms is None:
        return [KD(temperature=1)]
    given = terms(learner, other) if callable(terms) and not isinstance(terms, nn.Module) else terms
    return copy.deepcopy(given)
