"""Whether batches are large enough for what learns from them."""

import copy
from typing import Any

import torch
from torch import nn

from limbeck.errors import LimbeckError
from limbeck.schemes import Scheme
from limbeck.train.plan import Plan


def normalises(module: nn.Module) -> bool:
    """Return whether a batch of one may fail: BatchNorm has no variance to learn from one value.

    Example:
        >>> normalises(nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)))
        True
    """
    return any(isinstance(each, nn.modules.batchnorm._BatchNorm) for each in module.modules())


def check_batches(scheme: Scheme, plan: Plan, world: int = 1) -> None:
    """Refuse batches that are smaller than the scheme can learn from.

    Args:
        scheme: says how many samples it needs.
        plan: says how many there are, over all processes.
        world: number of processes.

    Raises:
        LimbeckError: too few samples in a batch.
    """
    least = scheme.smallest_batch
    if plan.batch_size >= least * world:
        return
    each = f" in each of {world} processes" if world > 1 else ""
    raise LimbeckError(
        f"{_told(scheme)} needs batches of at least {least} samples{each}, but batch_size is {plan.batch_size}: raise "
        f"it to {least * world} or more."
    )


def check_single(name: str, network: nn.Module, inputs: Any, plan: Plan, world: int = 1) -> None:
    """Refuse batches of one where BatchNorm would have one value for each channel.

    Args:
        name: of the network, for the message.
        network: is not changed.
        inputs: one sample, as it reads them.
        plan: says how many samples are in a batch.
        world: number of processes.

    Raises:
        LimbeckError: the network cannot learn from one sample at a time.
    """
    if plan.batch_size // world > 1 or not normalises(network):
        return
    twin = copy.deepcopy(network).train()
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            twin(inputs)
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        raise LimbeckError(
            f"BatchNorm in {name} cannot learn from one sample at a time, but batch_size is {plan.batch_size}"
            f"{f' for {world} processes' if world > 1 else ''}: raise it to {2 * world} or more."
        ) from error


def _told(scheme: Scheme) -> str:
    terms = [each for each in getattr(scheme, "terms", ()) if getattr(each.loss, "smallest_batch", 1) > 1]
    most = max(terms, key=lambda each: each.loss.smallest_batch, default=None)
    return str(most.name) if most is not None else "Training"
