"""Trainings tried on a few samples, so that nothing is refused after the first step."""

from collections.abc import Sequence

import torch

from limbeck.errors import LimbeckError
from limbeck.schemes import Scheme
from limbeck.train import Plan, Stage
from limbeck.train.batches import check_batches
from limbeck.train.engine import processes
from limbeck.train.sharding import check_sharding
from limbeck.train.stages import shared
from limbeck.types import Batch


def try_stages(stages: Sequence[Stage], batch: Batch, plan: Plan) -> None:
    """Make the scheme of each stage and run it once, in eval mode and without a step.

    Args:
        stages: in their order.
        batch: a few samples, as the networks read them.
        plan: of all stages together.

    Raises:
        LimbeckError: layers that do not fit, or before which nothing learns; fewer epochs than stages; batches
            smaller than a loss needs; a student that cannot be sharded yet.
    """
    if len(stages) > 1:
        shared(stages, plan.epochs)
    for stage in stages:
        scheme = stage.scheme()
        _refuse_frozen(scheme)
        check_batches(scheme, plan, processes()[1])
        check_sharding(scheme, plan, processes()[1])
        scheme.eval()  # a trial must not count: no memory is filled, no statistics move
        for phase in scheme.phases:
            for group in range(scheme.groups(batch)):
                _try(scheme, batch, phase, group)


def _try(scheme: Scheme, batch: Batch, phase: str, group: int) -> None:
    with torch.enable_grad(), torch.random.fork_rng(devices=[]):
        parts = scheme(batch, phase, group)
    idle = [name for name, part in parts.items() if not part.requires_grad]
    if idle:
        raise LimbeckError(
            f"{idle[0]} would teach nothing, as nothing that learns comes before the student's layer: name a "
            "later one."
        )


def _refuse_frozen(scheme: Scheme) -> None:
    student = getattr(scheme, "student", scheme)
    if not any(each.requires_grad for each in student.parameters()):
        raise LimbeckError(
            "No parameter of the student learns (requires_grad is False for all, as Frozen makes them): give "
            "it another network."
        )
