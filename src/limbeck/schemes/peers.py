"""What schemes of several networks that learn together have in common."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

from torch import Tensor, nn

from limbeck.errors import LimbeckError
from limbeck.schemes.base import Scheme
from limbeck.schemes.schedule import Schedule, told, value_at
from limbeck.schemes.term import checked_weight
from limbeck.schemes.wired import share_weights, smallest_batch
from limbeck.tasks import Classification, Task, observe
from limbeck.types import Batch, Outputs


class Peers(Scheme):
    """Networks of equal standing, each with the labels' loss and with terms of its own; the first is the student.

    The first reads the batch's inputs as ``"student"``, the others as ``"peer 1"``, ``"peer 2"``, …; parts of the
    loss bear these names too. Each network runs once for a batch. A subclass says what is taught: it fills ``terms``
    and ``learners``, which go side by side, and writes ``forward``.

    Args:
        peers: two networks or more, trained side by side.
        task: what the labels mean; classification unless told.
        task_weight: weight of each network's hard loss, at least 0, or a schedule.

    Raises:
        LimbeckError: fewer than two networks; not networks; networks that share weights or have none to train.

    Example:
        >>> from limbeck.schemes import Mutual
        >>> Mutual([nn.Linear(4, 3), nn.Linear(4, 3), nn.Linear(4, 3)]).roles
        ('student', 'peer 1', 'peer 2')
    """

    terms: nn.ModuleList
    learners: list[int]
    """Number of the network that learns by each of the terms."""

    def __init__(self, peers: Sequence[nn.Module], task: Task | None, task_weight: float | Schedule):
        super().__init__(task or Classification())
        self.roles = _roles(type(self).__name__, peers)
        self.peers = nn.ModuleList(peers)
        self.task_weight = checked_weight("task_weight", task_weight)
        self.terms, self.learners = nn.ModuleList(), []

    def run(self, batch: Batch, wanted: Sequence[Sequence[str]]) -> list[Outputs]:
        """Run every network once.

        Args:
            batch: the samples.
            wanted: layers to tap, of each network.

        Raises:
            LimbeckError: networks whose outputs have different shapes.
        """
        outputs = [
            observe(self.task, peer, batch, role, names)
            for role, peer, names in zip(self.roles, self.peers, wanted, strict=True)
        ]
        self._refuse_different(outputs)
        return outputs

    def task_parts(self, batch: Batch, outputs: Sequence[Outputs]) -> dict[str, Tensor]:
        """Return every network's hard loss, weighted; none for a batch without targets."""
        if batch.targets is None:
            return {}
        weight = value_at(self.task_weight, self.progress)
        return {
            f"{role} task": weight * self.hard_loss(found, batch)
            for role, found in zip(self.roles, outputs, strict=True)
        }

    def parameter_groups(self, phase: str = "main") -> list[dict[str, Any]]:
        """Return one group for each network with its own terms, since peers must be clipped separately."""
        groups = []
        for number, peer in enumerate(self.peers):
            taught = zip(self.learners, self.terms, strict=True)
            own = nn.ModuleList([peer, *(term for learner, term in taught if learner == number)])
            groups.append({"params": [each for each in own.parameters() if each.requires_grad]})
        return groups

    @property
    def forwards(self) -> Mapping[str, int]:
        """Return one forward of each network."""
        return dict.fromkeys(self.roles, 1)

    @property
    def smallest_batch(self) -> int:
        """Fewest samples that every term accepts."""
        return smallest_batch(self.terms)

    def deployable(self) -> nn.Module:
        """Return the first network."""
        return self.peers[0]

    def identity(self) -> dict[str, str]:
        """Return task, weights, terms and how many networks there are."""
        return {
            **super().identity(),
            "peers": str(len(self.peers)),
            "task_weight": told(self.task_weight),
            "terms": repr(self.terms),
        }

    def _refuse_different(self, outputs: Sequence[Outputs]) -> None:
        for name in self.task.outputs:
            given = [found.get(name) for found in outputs]
            shapes = [tuple(each.shape[1:]) for each in given if isinstance(each, Tensor)]
            for role, shape in zip(self.roles[1:], shapes[1:], strict=False):
                if shape != shapes[0]:
                    raise LimbeckError(
                        f"Peers learn one task, but for each sample the student's {name!r} are {shapes[0]} and "
                        f"{role}'s {shape}: give all of them the same classes."
                    )


def _roles(scheme: str, peers: Sequence[nn.Module]) -> tuple[str, ...]:
    """Return the peers' names, or refuse what cannot learn side by side."""
    given: Any = peers
    if isinstance(given, nn.Module) and not isinstance(given, nn.ModuleList):
        raise LimbeckError(f"{scheme} takes a list of networks: [student, peer], not one module.")
    if len(peers) < 2:
        raise LimbeckError(f"{scheme} needs at least two networks, not {len(peers)}: [student, peer].")
    roles = ("student", *(f"peer {number}" for number in range(1, len(peers))))
    for role, peer in zip(roles, peers, strict=True):
        if not isinstance(peer, nn.Module):
            raise LimbeckError(f"{scheme}'s {role} must be a torch module, not {type(peer).__name__}.")
        if not any(each.requires_grad for each in peer.parameters()):
            raise LimbeckError(
                f"{scheme}'s {role} has no parameter to train: a network that only teaches is a teacher of Offline."
            )
    for (role, one), (other, its) in combinations(zip(roles, peers, strict=True), 2):
        if share_weights(one, its):
            raise LimbeckError(
                f"{scheme}'s {role} and {other} share weights: build each anew, so that they start apart."
            )
    return roles
