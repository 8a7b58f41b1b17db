"""Networks that learn from what they say together."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from torch import nn

from limbeck.recipes.schemes.peers import Pairs, PeersRecipe
from limbeck.schemes import Collaborative, Scheme

if TYPE_CHECKING:
    from limbeck.recipes.job import Job


class CollaborativeRecipe(PeersRecipe):
    """Two networks or more learn from the labels and from their combined logits, the best of what they know."""

    title: ClassVar[str] = "collaborative"
    paper: ClassVar[str] = "KDCL, Guo 2020"
    situation: ClassVar[str] = "as mutual, with networks of unequal strength"
    mixes: ClassVar[bool] = False
    usual: ClassVar[dict[str, Any]] = {
        "loss": "KD",
        "temperature": 2.0,
        "task_weight": 1.0,
        "kd_weight": 1.0,
    }

    name: Literal["Collaborative"] = "Collaborative"
    combine: Literal["naive", "linear", "minimum"] = "linear"
    """How logits are combined: the best network's, the best weighted mean, or the least of each class."""

    def together(self, networks: Sequence[nn.Module], pairs: Pairs, job: "Job") -> Scheme:
        """Return collaborative learning of the networks."""
        return Collaborative(networks, self.combine, pairs(0, 1), job.task, job.config.kd.weights()[0])
