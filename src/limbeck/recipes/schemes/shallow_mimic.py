"""A shallow student regresses the teacher's logits."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from limbeck.recipes.schemes.base import MANY, SchemeRecipe


class ShallowMimicRecipe(SchemeRecipe):
    """A shallow, wide student regresses the teacher's logits and reads no labels.

    A linear bottleneck makes the wide layer learn faster with fewer weights: `mlp:2000?bottleneck=50`.
    """

    title: ClassVar[str] = "shallow mimic"
    paper: ClassVar[str] = "Ba & Caruana 2014, arXiv 1312.6184"
    situation: ClassVar[str] = "few layers are wanted, for latency"
    teachers: ClassVar[tuple[int, int]] = (1, MANY)
    usual: ClassVar[Mapping[str, Any]] = {"loss": "LogitRegression", "task_weight": 0.0, "kd_weight": 1.0}

    name: Literal["ShallowMimic"] = "ShallowMimic"
