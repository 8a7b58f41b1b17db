"""One explicit loop for every scheme."""

from limbeck.train.feed import Feed
from limbeck.train.loop import Run, fit
from limbeck.train.plan import Plan

__all__ = ["Feed", "Plan", "Run", "fit"]
