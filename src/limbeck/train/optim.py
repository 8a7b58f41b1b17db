"""Optimizers from a plan."""

from typing import Any

import torch
from torch import nn

from limbeck.schemes import Scheme
from limbeck.train.plan import Plan
from limbeck.train.sharding import own_part
from limbeck.train.sharding import whole as whole_tensor


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
    return [{**part, "params": alike} for part in parts for alike in _by_sharding(part["params"]) if alike]


def _by_sharding(parameters: list[nn.Parameter]) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Split off what is not sharded, such as adapters: one kernel cannot update both."""
    whole = [each for each in parameters if own_part(each) is each]
    return [each for each in parameters if own_part(each) is not each], whole


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
        _clip_together(parameters, limit)


def _clip_together(parameters: list[nn.Parameter], limit: float) -> None:
    sharded, whole = _by_sharding(parameters)
    if not sharded:
        torch.nn.utils.clip_grad_norm_(whole, limit)
        return
    kinds = [kind for kind in (sharded, whole) if kind]
    norms = [
        torch.nn.utils.get_total_norm([each.grad for each in kind if each.grad is not None]) for kind in kinds
    ]
    total = torch.stack([whole_tensor(each) for each in norms]).norm()
    for kind in kinds:
        torch.nn.utils.clip_grads_with_norm_(kind, limit, total)
