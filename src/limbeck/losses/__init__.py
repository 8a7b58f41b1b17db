"""What is taught: one published idea, one file, named as its paper names it."""

from limbeck.losses.base import DistillationLoss
from limbeck.losses.kd import KD
from limbeck.losses.logit_regression import LogitRegression

__all__ = ["KD", "DistillationLoss", "LogitRegression"]
