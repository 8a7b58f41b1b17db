"""One explicit loop for every scheme."""

from limbeck.train.feed import Feed
from limbeck.train.loop import Run, fit
from limbeck.train.plan import Plan
from limbeck.train.stages import Stage, fit_stages

__all__ = ["Feed", "Plan", "Run", "Stage", "fit", "fit_stages"]
