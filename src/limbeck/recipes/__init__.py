"""Functions with primitive arguments that put the rooms together."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from limbeck.recipes.distillation import distill
    from limbeck.recipes.training import train

__all__ = ["distill", "train"]


def __getattr__(name: str) -> Any:
    if name == "distill":
        from limbeck.recipes.distillation import distill

        return distill
    if name == "train":
        from limbeck.recipes.training import train

        return train
    raise AttributeError(f"module 'limbeck.recipes' has no attribute {name!r}")
