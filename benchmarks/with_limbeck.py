"""The same work as in ``by_hand``, done by limbeck's own loop."""

import torch
from torch import Tensor, nn

from by_hand import KD_WEIGHT, LR, TASK_WEIGHT, TEMPERATURE, WEIGHT_DECAY, Case
from limbeck import Frozen, Offline, Plan, Term, fit, losses
from limbeck.data import TensorSource, Views
from limbeck.data.loader import Part, steps_of_epoch
from limbeck.train import Feed


def distil(
    student: nn.Module,
    teacher: Frozen,
    inputs: Tensor,
    targets: Tensor,
    case: Case,
    precision: str = "fp32",
    channels_last: bool = False,
) -> float:
    """Train ``student`` by :func:`limbeck.fit` and return the mean loss of the last epoch."""
    scheme = Offline(
        student, teacher, [Term(losses.KD(TEMPERATURE), weight=KD_WEIGHT)], task_weight=TASK_WEIGHT
    )
    feed = Feed(Part(Views(TensorSource(inputs, targets)), torch.arange(len(targets))))
    plan = Plan(
        epochs=case.epochs,
        batch_size=case.batch_size,
        lr=LR,
        weight_decay=WEIGHT_DECAY,
        schedule="constant",
        warmup=0,
        precision=precision,
        channels_last=channels_last,
        device="cpu",
    )
    return fit(scheme, feed, plan).history[-1]["loss"]


def orders(case: Case) -> list[Tensor]:
    """Return the orders in which :func:`distil` goes through the samples, so that others can go the same way."""
    everything = torch.arange(case.samples)
    planned = [steps_of_epoch(everything, epoch, 0, case.batch_size) for epoch in range(case.epochs)]
    return [torch.cat([batch for step in steps for batch in step]) for steps in planned]
