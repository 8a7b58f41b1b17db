"""Who knows: every teacher keeps one protocol, so no scheme can tell which it has."""

from limbeck.teachers.base import Teacher
from limbeck.teachers.class_names import renamed
from limbeck.teachers.ema import Ema
from limbeck.teachers.ensemble import Ensemble
from limbeck.teachers.frozen import Frozen
from limbeck.teachers.merged import Merged
from limbeck.teachers.predictor import Predictor
from limbeck.teachers.snapshot import Snapshot
from limbeck.teachers.transformed import Transformed

__all__ = [
    "Ema",
    "Ensemble",
    "Frozen",
    "Merged",
    "Predictor",
    "Snapshot",
    "Teacher",
    "Transformed",
    "renamed",
]
