"""Do two programs compute the same? Measured on random batches of several sizes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

BATCHES = (1, 2, 5)
"""One sample, the size the graph was traced at, and one that neither divides nor equals it."""


@dataclass(frozen=True)
class Parity:
    """How far an exported graph is from the network it was made from.

    Args:
        max_difference: largest absolute difference of any output.
        scale: largest absolute output of the network, so that differences have a measure.
        tolerance: difference allowed, as a share of ``scale``.
        batches: batch sizes compared.

    Example:
        >>> Parity(max_difference=0.002, scale=10.0, tolerance=1e-3, batches=(1, 2, 5)).holds
        True
    """

    max_difference: float
    scale: float
    tolerance: float
    batches: tuple[int, ...]

    @property
    def allowed(self) -> float:
        """Largest difference that is accepted."""
        return self.tolerance * self.scale

    @property
    def holds(self) -> bool:
        """Whether the two agree; never when either gave NaN."""
        return self.max_difference <= self.allowed

    def to_dict(self) -> dict[str, object]:
        """Return the parity as it is recorded in files."""
        return {
            "max_difference": self.max_difference,
            "scale": self.scale,
            "tolerance": self.tolerance,
            "batches": list(self.batches),
        }


def measure_parity(
    reference: Callable[[Array], Array],
    exported: Callable[[Array], Array],
    batches: Sequence[Array],
    tolerance: float,
) -> Parity:
    """Return how far ``exported`` is from ``reference`` over ``batches``.

    Args:
        reference: the network.
        exported: what claims to equal it.
        batches: inputs (N, …) that both are given.
        tolerance: difference allowed, as a share of the largest reference output.

    Returns:
        The parity; its difference is infinite where shapes differ, NaN where an output is.

    Example:
        >>> batch = np.ones((2, 3), np.float32)
        >>> measure_parity(lambda x: x, lambda x: x + 0.25, [batch], 1e-3).max_difference
        0.25
    """
    differences, scales = [], []
    for batch in batches:
        wanted, given = reference(batch), exported(batch)
        same_shape = wanted.shape == given.shape
        differences.append(float(np.abs(wanted - given).max()) if same_shape else float("inf"))
        scales.append(float(np.abs(wanted).max()))
    # np.max, unlike max, lets a NaN through wherever it stands.
    return Parity(
        float(np.max(differences)), float(np.max(scales)), tolerance, tuple(len(each) for each in batches)
    )
