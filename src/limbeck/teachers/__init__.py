"""Who knows: every teacher keeps one protocol, so no scheme can tell which it has."""

from limbeck.teachers.base import Teacher
from limbeck.teachers.frozen import Frozen
from limbeck.teachers.predictor import Predictor

__all__ = ["Frozen", "Predictor", "Teacher"]
