"""Networks that teach each other."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

from torch import nn

from limbeck.recipes.schemes.peers import Pairs, PeersRecipe
from limbeck.schemes import Mutual, Scheme

if TYPE_CHECKING:
    from limbeck.recipes.job import Job


class MutualRecipe(PeersRecipe):
    """Two networks or more learn from the labels and from each other, all at once."""

    title: ClassVar[str] = "mutual"
    paper: ClassVar[str] = "DML, Zhang 2018, arXiv 1706.00384"
    situation: ClassVar[str] = "no teacher, and training several small networks costs little"

    name: Literal["Mutual"] = "Mutual"

    def together(self, networks: Sequence[nn.Module], pairs: Pairs, job: "Job") -> Scheme:
        """Return mutual learning of the networks."""
        return Mutual(networks, pairs, job.task, job.config.kd.weights()[0])
