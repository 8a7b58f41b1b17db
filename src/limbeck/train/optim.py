"""Optimizers from a plan."""

from typing import Any

import torch
from torch import nn

from limbeck.schemes import Scheme
from limbeck.train.plan import Plan


def make_optimizers(scheme: Scheme, plan: Plan) -> dict[str, torch.optim.Optimizer]:
    """Return one optimizer for each of the scheme's phases.

    Args:
        scheme: gives the parameter groups.
        plan: gives optimizer, learning rate and weight decay.

    Example:
        >>> from limbeck.schemes import Supervised
        >>> list(make_optimizers(Supervised(nn.Linear(2, 2)), Plan()))
        ['main']
    """
    return {phase: _optimizer(scheme.parameter_groups(phase), plan) for phase in scheme.phases}


def _optimizer(groups: list[dict[str, Any]], plan: Plan) -> torch.optim.Optimizer:
    parts = [
        {**part, "scheme_group": number}
        for number, group in enumerate(groups)
        for part in _without_decay(group, plan.weight_decay)
    ]
    if plan.optimizer == "sgd":
        return torch.optim.SGD(parts, lr=plan.lr, momentum=0.9, nesterov=True)
    # Fused is bit-exact across resume and several times faster on small nets; not every device has it.
    fused = all(each.device.type in ("cpu", "cuda") for part in parts for each in part["params"])
    return torch.optim.AdamW(parts, lr=plan.lr, fused=fused)


def _without_decay(group: dict[str, Any], decay: float) -> list[dict[str, Any]]:
    """Split a group: vectors (biases, normalisation scales) are not decayed."""
    rest = {key: value for key, value in group.items() if key != "params"}
    parameters = list(group["params"])  # may be a generator, which can be read once
    matrices = [each for each in parameters if each.dim() > 1]
    vectors = [each for each in parameters if each.dim() <= 1]
    parts = [
        {"weight_decay": decay, **rest, "params": matrices},
        {**rest, "weight_decay": 0.0, "params": vectors},
    ]
    return [part for part in parts if part["params"]]


def set_lr(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Set the learning rate of every group; a group's own ``lr_scale`` multiplies it."""
    for group in optimizer.param_groups:
        group["lr"] = lr * group.get("lr_scale", 1.0)


def clip(optimizer: torch.optim.Optimizer, limit: float) -> None:
    """Clip the gradient norm of each of the scheme's groups separately, as peers that learn side by side need.

    Args:
        optimizer: holds the groups; those that weight decay split belong together.
        limit: largest norm.
    """
    together: dict[int, list[nn.Parameter]] = {}
    for group in optimizer.param_groups:
        together.setdefault(group["scheme_group"], []).extend(group["params"])
    for parameters in together.values():
        torch.nn.utils.clip_grad_norm_(parameters, limit)
