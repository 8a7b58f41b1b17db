"""The one distribution that several models, some of which know only groups of classes, agree on most."""

import torch
from torch import Tensor

from limbeck.errors import LimbeckError

LEAST = 1e-12
"""Mass below which a class counts as this much, so that there is one answer; a pool with less is left out."""

MOST_STEPS = 100
"""Newton takes 5 to 25 in practice, however sure the models are."""


def consensus(mass: Tensor, pooled: Tensor, pools: Tensor, tolerance: float = 1e-9) -> Tensor:
    """Return, for each row, the distribution over classes nearest to several models that each see some classes as one.

    Nearest in the sum of KL(p ‖ q) over the models p. Each adds its probabilities of single classes to a common mass n,
    and its probability of a pool of classes that it cannot tell apart to d; what does not depend on q falls away, and q
    maximises L(q) = Σ_c n_c log q_c + Σ_m d_m log Σ_{c ∈ D_m} q_c.

    Definition:
        A logarithm of a sum is concave in q, so the problem in q is convex and a local optimum is the optimum. In the
        logits z of q = softmax(z) it is not: −L = λ log Σ_c e^z_c − Σ_m d_m log Σ_{c ∈ D_m} e^z_c − Σ_c n_c z_c, a
        difference of convex functions; but softmax maps onto the whole interior of the simplex, so that there too every
        stationary point is the optimum. With λ = Σ n + Σ d, q is optimal when for some r::

            q_c · (λ − Σ_{m: c ∈ D_m} r_m) = n_c    for each class
            r_m · Σ_{c ∈ D_m} q_c          = d_m    for each pool, all factors positive

        Newton's method on these equations, kept within the positive by shortening steps (a primal–dual interior-point
        method whose central path is the problem itself), needs one system of M unknowns for each row and step. It ends
        when L(q*) − L(q) ≤ max_c g_c − λ, g the gradient of L, says that the optimum is no further than ``tolerance``.

    Args:
        mass: n, (N, C), at least 0, not all 0 in a row; below :data:`LEAST` counts as that.
        pooled: d, (N, M), at least 0; 0 where the pool plays no part in this row.
        pools: D, (M, C) bool, which classes each pool holds.
        tolerance: largest distance from the optimum, in nats, of any row; the sum of divergences is exact to it.

    Returns:
        (N, C), each row of which sums to one.

    Raises:
        LimbeckError: a mass that is negative or not finite; a pool of no class that was given mass.

    Example:
        >>> general = torch.tensor([[0.5, 0.3, 0.2]])
        >>> special = torch.tensor([[0.4]])  # on the last two classes together; 0.6 on the first
        >>> consensus(general + torch.tensor([[0.6, 0.0, 0.0]]), special, torch.tensor([[False, True, True]]))
        tensor([[0.5500, 0.2700, 0.1800]])
    """
    n, d, D = (_exact(each) for each in (mass, pooled, pools))
    _check(n, d, D)
    n, d = n.clamp_min(LEAST), torch.where(d < LEAST, 0.0, d)
    d, held = _active(d, D)
    total = n.sum(1) + d.sum(1)
    q = n / total[:, None] if d.shape[1] == 0 else _solved(n, d, held, total, tolerance)
    return (q / q.sum(1, keepdim=True)).to(mass)


def _solved(n: Tensor, d: Tensor, held: Tensor, total: Tensor, tolerance: float) -> Tensor:
    """Return q (N, C); ``held`` (N, A, C) says which classes each of a row's pools holds, none where it is idle."""
    idle = d == 0
    # An idle pool becomes an equation of its own, 1 · r = 1, that holds from the start and touches nothing.
    d = torch.where(idle, 1.0, d)
    q = torch.full_like(n, 1 / n.shape[1])
    r = torch.where(idle, 1.0, total[:, None] / (2 * d.shape[1]))
    for _ in range(MOST_STEPS):
        slack = total[:, None] - _spread(r, held)
        reach = torch.where(idle, 1.0, _gathered(q, held))
        if _distance(q, n, d, held, total) <= tolerance:
            return q
        dq, dr = _direction(q, r, slack, reach, n, d, held)
        step = _longest((q, dq), (r, dr), (slack, -_spread(dr, held)), (reach, _gathered(dq, held)))
        q, r = q + step * dq, r + step * dr
    raise LimbeckError(
        f"No distribution within {tolerance:g} nats of the optimum was found in {MOST_STEPS} steps: raise the "
        "tolerance."
    )


def _direction(
    q: Tensor, r: Tensor, slack: Tensor, reach: Tensor, n: Tensor, d: Tensor, held: Tensor
) -> tuple[Tensor, Tensor]:
    """Return Newton's step for q · slack = n and r · reach = d; q is eliminated, which leaves one row for each pool."""
    error, pool_error = n - q * slack, d - r * reach
    matrix = (held * (q / slack)[:, None]) @ held.mT + torch.diag_embed(reach / r)
    dr = torch.linalg.solve(matrix, pool_error / r - _gathered(error / slack, held))
    return (error + q * _spread(dr, held)) / slack, dr


def _longest(*pairs: tuple[Tensor, Tensor]) -> Tensor:
    """Return (N, 1), the longest step up to a whole one that keeps each value above 0."""
    limits = [torch.where(step < 0, -value / step, torch.inf).amin(1) for value, step in pairs]
    return (0.995 * torch.stack(limits).amin(0)).clamp(max=1.0)[:, None]


def _distance(q: Tensor, n: Tensor, d: Tensor, held: Tensor, total: Tensor) -> float:
    """Return an upper bound on how far, in nats, the row furthest from its optimum is from it."""
    q = q / q.sum(1, keepdim=True)
    reach = _gathered(q, held)
    gradient = n / q + _spread(torch.where(reach > 0, d / reach, 0.0), held)
    return float((gradient.amax(1) - total).max())


def _gathered(values: Tensor, held: Tensor) -> Tensor:
    """Return for each pool the sum of ``values`` (N, C) over its classes: (N, A)."""
    return (held @ values[:, :, None]).squeeze(2)


def _spread(values: Tensor, held: Tensor) -> Tensor:
    """Return for each class the sum of ``values`` (N, A) over the pools that hold it: (N, C)."""
    return (values[:, None] @ held).squeeze(1)


def _active(d: Tensor, pools: Tensor) -> tuple[Tensor, Tensor]:
    """Return each row's pools that have mass, (N, A), first, and the classes they hold, (N, A, C): few of many."""
    most = int((d > 0).sum(1).max()) if d.numel() else 0
    d, order = d.sort(dim=1, descending=True)
    d = d[:, :most]
    return d, pools[order[:, :most]] * (d > 0)[:, :, None]


def _check(n: Tensor, d: Tensor, pools: Tensor) -> None:
    if not (torch.isfinite(n).all() and torch.isfinite(d).all() and (n >= 0).all() and (d >= 0).all()):
        raise LimbeckError("consensus takes masses that are finite and at least 0: a model's answer is not.")
    if not n.sum(1).all():
        raise LimbeckError("consensus needs mass on some class in every row, but one has none.")
    if (d[:, ~pools.any(1)] > 0).any():
        raise LimbeckError("consensus was given mass on a pool of no class: leave that pool out.")


def _exact(value: Tensor) -> Tensor:
    """Return ``value`` in float64, on the CPU where the device has none: masses span twelve orders of magnitude."""
    return value.detach().to("cpu" if value.device.type == "mps" else value.device, torch.float64)
