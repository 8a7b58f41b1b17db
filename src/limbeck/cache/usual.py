"""What a teacher usually answers: the logits that were not kept, guessed from those that were."""

import base64
import binascii
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from limbeck.errors import LimbeckError
from limbeck.functional import without_autocast

ENTRY, LEVEL = 1 / 32, 256
"""Unit of the table's numbers, and how many units make up 1 of what they are multiplied by: products are exact."""
MOST_LEVEL = 2047
SPARE, ROUNDS = 8, 8
"""Directions beyond those wanted while these are looked for, and how often all are sharpened."""


class Usual(NamedTuple):
    """A teacher's usual answer and the directions in which its answers differ, for standardised rows.

    Args:
        table: (C, 1 + R) of whole numbers from −127 to 127 in units of 1/32, as float32: the mean, then the directions.
        sums: (1 + R,) of its columns, float64.
        gram: (1 + R, 1 + R) tableᵀ · table, float64.
    """

    table: Tensor
    sums: Tensor
    gram: Tensor


def learnt(rows: Tensor, rank: int) -> tuple[str, float]:
    """Return mean and largest principal components of standardised rows as text, and the variance these leave.

    Definition:
        With m the mean of the rows, λ_r and v_r the R largest eigenvalues and their vectors of their covariance, the
        table is [m, v_1 √λ_1, …, v_R √λ_R], in units of 1/32, rounded and held to one byte each; the text is it in
        base64, class by class. The variance left is that of a class in the mean, (trace − Σ λ) / C, at least 0.01.

    Args:
        rows: (N, C).
        rank: R.

    Example:
        >>> text, left = learnt(torch.randn(100, 5), rank=2)
        >>> len(text), 0.01 <= left < 1
        (20, True)
    """
    with without_autocast(rows):
        mean = rows.mean(0)
        centred = rows - mean
        basis = _directions(centred, min(rank + SPARE, *rows.shape))
        seen = centred @ basis
        variances, turned = torch.linalg.eigh((seen.mT @ seen).double() / len(rows))
        kept = variances.clamp_min(0).sqrt().flip(0)[:rank]
        components = basis.double() @ turned.flip(1)[:, :rank] * kept
    left = float((centred.square().mean(0).sum() - kept.square().sum()) / rows.shape[1])
    table = (torch.cat([mean[:, None], components], 1) / ENTRY).round().clamp(-127, 127)
    written = table.to("cpu", torch.int8).contiguous().numpy().tobytes()
    return base64.b64encode(written).decode("ascii"), round(max(left, 0.01), 4)


def _directions(centred: Tensor, count: int) -> Tensor:
    """Return an orthonormal basis (C, count) of where the rows vary most, by subspace iteration."""
    chosen = torch.linspace(0, len(centred) - 1, count, device=centred.device).long()
    basis: Tensor = torch.linalg.qr(centred[chosen].mT).Q
    for _ in range(ROUNDS):
        basis = torch.linalg.qr(centred.mT @ (centred @ basis)).Q
    return basis


@lru_cache(maxsize=8)
def usual(text: str, size: int, device: torch.device) -> Usual:
    """Return what :func:`learnt` wrote.

    Args:
        text: base64.
        size: C.
        device: where to.

    Raises:
        LimbeckError: the text is not such a table for C classes.

    Example:
        >>> usual(learnt(torch.randn(100, 5), 2)[0], 5, torch.device("cpu")).table.shape
        torch.Size([5, 3])
    """
    try:
        written = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        written = b""
    if not written or len(written) % size or len(written) == size:
        raise LimbeckError(
            f"The table of what the teacher usually answers does not suit {size} classes: it was altered."
        )
    whole = torch.frombuffer(bytearray(written), dtype=torch.int8).reshape(size, -1).double()
    exact = _exact_device(device)
    return Usual(whole.float().to(device), whole.sum(0).to(exact), (whole.mT @ whole).to(exact))


def guessed(known: Usual, index: Tensor, values: Tensor, left: float) -> tuple[Tensor, Tensor, Tensor]:
    """Return a guess of each row from some of its values, with mean and standard deviation of its other classes.

    Definition:
        A row is m + Σ_r h_r v_r + noise, h and the noise normal with variances 1 and ``left``. From the values x of
        the classes K that are known follows the likeliest h = V_Kᵀ (V_K V_Kᵀ + left · I)⁻¹ (x − m_K), solved in
        float64 and rounded to units of 1/256. The guess is m + V h: sums of whole numbers below 2²⁴, so exact in
        float32 in any order.

    Args:
        known: m and V.
        index: (N, K) int64, the classes that are known, each of them once; below 0 for none.
        values: (N, K) their values, in the units that the rows were standardised to.
        left: variance of the noise.

    Returns:
        (N, C) float32 in a unit of its own, and (N, 1) each in the same unit, over the classes that are not known.

    Example:
        >>> rows = torch.randn(500, 1) * torch.tensor([[1.0, 2.0, -2.0]])
        >>> text, left = learnt(rows, 1)
        >>> guess = guessed(usual(text, 3, rows.device), torch.tensor([[0]]), torch.tensor([[1.0]]), left)[0]
        >>> (guess * ENTRY / LEVEL).round().tolist()
        [[1.0, 2.0, -2.0]]
    """
    table, device = known.table, index.device
    there = (index >= 0).to(known.sums.device)
    near = table[index.clamp_min(0)].to(known.sums) * there[..., None]  # (N, K, 1 + R)
    with without_autocast(table):
        levels = _levels(near, values.to(known.sums), there, left)
        guess = levels.to(device, torch.float32) @ table.mT
        sums, squares = levels @ known.sums, ((levels @ known.gram) * levels).sum(1)
        taken = torch.einsum("nkr,nr->nk", near, levels)
    count = (len(table) - there.sum(1)).clamp_min(1)
    mean = (sums - taken.sum(1)) / count
    variance = (squares - taken.square().sum(1)) / count - mean.square()
    deviation = variance.clamp_min(0).sqrt()
    return guess, mean.to(device, torch.float32)[:, None], deviation.to(device, torch.float32)[:, None]


def _levels(near: Tensor, values: Tensor, there: Tensor, left: float) -> Tensor:
    """Return 1 and h of each row in whole units, (N, 1 + R) float64."""
    mean, directions = ENTRY * near[..., 0], ENTRY * near[..., 1:]
    noise = torch.where(there, left, 1.0).diag_embed()
    missed = torch.where(there, values - mean, 0.0)[..., None]
    solved = torch.linalg.solve_ex(directions @ directions.mT + noise, missed).result
    likeliest = (directions.mT @ solved).squeeze(2)
    levels = (LEVEL * likeliest).round_().clamp_(-MOST_LEVEL, MOST_LEVEL)
    return torch.nn.functional.pad(levels, (1, 0), value=float(LEVEL))


def _exact_device(device: torch.device) -> torch.device:
    """Return the device, or the CPU where it has no float64."""
    return torch.device("cpu") if device.type == "mps" else device
