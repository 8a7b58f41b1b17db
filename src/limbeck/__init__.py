"""Distil neural networks into smaller ones, with proof of what it gained and cost."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from limbeck import adapters, functional, losses, schemes, tasks, teachers, types
    from limbeck.errors import LimbeckError
    from limbeck.recipes import distill
    from limbeck.schemes import Offline, Scheme, Supervised, Term
    from limbeck.tasks import Classification, Regression
    from limbeck.teachers import Frozen, Predictor
    from limbeck.train import Plan, fit
    from limbeck.types import Batch, Outputs

__version__ = "0.1.0"

_HOMES = {
    "Batch": "types",
    "Classification": "tasks",
    "Frozen": "teachers",
    "LimbeckError": "errors",
    "Offline": "schemes",
    "Outputs": "types",
    "Plan": "train",
    "Predictor": "teachers",
    "Regression": "tasks",
    "Scheme": "schemes",
    "Supervised": "schemes",
    "Term": "schemes",
    "distill": "recipes",
    "fit": "train",
}
_ROOMS = ("adapters", "functional", "losses", "schemes", "tasks", "teachers", "types")

__all__ = [
    "Batch",
    "Classification",
    "Frozen",
    "LimbeckError",
    "Offline",
    "Outputs",
    "Plan",
    "Predictor",
    "Regression",
    "Scheme",
    "Supervised",
    "Term",
    "adapters",
    "distill",
    "fit",
    "functional",
    "losses",
    "schemes",
    "tasks",
    "teachers",
    "types",
]


def __getattr__(name: str) -> Any:
    # Rooms load when first touched, so that `limbeck --help` never waits for torch.
    if name in _HOMES:
        return getattr(importlib.import_module(f"limbeck.{_HOMES[name]}"), name)
    if name in _ROOMS:
        return importlib.import_module(f"limbeck.{name}")
    raise AttributeError(f"module 'limbeck' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
