"""What a teacher tells a generator of inputs, besides its answers: how classes are shared, what its layers remember."""

import math
from typing import Any

from torch import Tensor, nn

from limbeck.errors import LimbeckError
from limbeck.processes import joined


def last_read(teacher: object) -> str:
    """Return where to tap what the teacher's last linear layer reads.

    Args:
        teacher: one that says which network it runs, by ``model``.

    Raises:
        LimbeckError: it has no linear layer.

    Example:
        >>> from limbeck.teachers import Frozen
        >>> last_read(Frozen(nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.ReLU())))
        '1@in'
    """
    linear = [name for name, module in _layers(teacher) if isinstance(module, nn.Linear)]
    if not linear:
        raise LimbeckError(
            f"DataFree found no linear layer in {_name(teacher)} whose input it could take for the features: name the "
            "layer by features=, or leave them out with activation_weight=0."
        )
    return f"{linear[-1]}@in"


def norms_of(teacher: object) -> dict[str, nn.Module]:
    """Return the teacher's BatchNorm layers that remember their data, by where to tap what they read.

    Args:
        teacher: one that says which network it runs, by ``model``.

    Raises:
        LimbeckError: it has none.

    Example:
        >>> from limbeck.teachers import Frozen
        >>> norms_of(Frozen(nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)))).keys()
        dict_keys(['1@in'])
    """
    kind = nn.modules.batchnorm._BatchNorm
    found: dict[str, nn.Module] = {
        f"{name}@in": module
        for name, module in _layers(teacher)
        if isinstance(module, kind) and module.running_mean is not None
    }
    if not found:
        raise LimbeckError(
            f"statistics_weight needs BatchNorm layers, of which {_name(teacher)} has none: leave it at 0."
        )
    return found


def negative_entropy(logits: Tensor) -> Tensor:
    """Return Σ p̄ log10 p̄ of the mean prediction p̄, over the batch of all processes.

    From logarithms, so that a class which the teacher gives to nobody has a gradient and no NaN.

    Args:
        logits: (N, C).

    Example:
        >>> import torch
        >>> round(negative_entropy(torch.zeros(5, 10)).item(), 4)
        -1.0
    """
    rows = joined(logits.log_softmax(1))
    mean = rows.logsumexp(0) - math.log(len(rows))
    negative: Tensor = (mean.exp() * mean).sum() / math.log(10)
    return negative


def statistics_gap(read: Tensor, norm: Any) -> Tensor:
    """Return how far what a BatchNorm layer reads is from what it remembers, over the batch of all processes.

    Args:
        read: (N, C) or (N, C, …).
        norm: the layer.

    Returns:
        The mean over channels of the squared differences of means and of variances.

    Example:
        >>> import torch
        >>> statistics_gap(torch.tensor([[-1.0], [1.0]]), nn.BatchNorm1d(1)).item()
        0.0
    """
    values = read.flatten(2) if read.dim() > 2 else read.unsqueeze(2)
    mean = joined(values.mean(2)).mean(0)
    spread = joined((values - mean.view(1, -1, 1)).square().mean(2)).mean(0)
    off: Tensor = (mean - norm.running_mean).square() + (spread - norm.running_var).square()
    return off.mean()


def _layers(teacher: object) -> list[tuple[str, nn.Module]]:
    model = getattr(teacher, "model", None)
    return list(model.named_modules()) if isinstance(model, nn.Module) else []


def _name(teacher: object) -> str:
    return type(getattr(teacher, "model", teacher)).__name__
