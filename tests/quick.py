"""What takes most of the time of a small run, left out where a test is not about it."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from limbeck.evaluate import cost
from limbeck.report import class_figures, figures, pareto


@contextmanager
def quick_clocks() -> Iterator[None]:
    """Measure latencies only as often as it takes to have one."""
    measure = cost.latency
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cost, "latency", lambda module, example, **_: measure(module, example, seconds=0.01))
        yield


@contextmanager
def undrawn() -> Iterator[None]:
    """Write pages without their figures."""
    with pytest.MonkeyPatch.context() as patch:
        for room in (class_figures, figures, pareto):
            patch.setattr(room, "draw", lambda *_: "<svg></svg>")
        yield
