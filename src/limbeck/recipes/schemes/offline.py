"""A frozen teacher, any terms."""

from typing import ClassVar, Literal

from limbeck.recipes.schemes.base import SchemeRecipe


class OfflineRecipe(SchemeRecipe):
    """The student learns from a teacher that no longer changes, and from the labels."""

    title: ClassVar[str] = "offline"
    paper: ClassVar[str] = "Hinton 2015, arXiv 1503.02531"
    situation: ClassVar[str] = "a good model is there, and a smaller or faster one is wanted"

    name: Literal["Offline"] = "Offline"
