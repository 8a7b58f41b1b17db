"""Who knows: every teacher keeps one protocol, so no scheme can tell which it has."""

from limbeck.teachers.ballot import collect_votes
from limbeck.teachers.base import Teacher
from limbeck.teachers.cached import Cached
from limbeck.teachers.class_names import renamed
from limbeck.teachers.clusters import Clusters, confused_classes
from limbeck.teachers.dustbin import Dustbin, SpecialistSet, own_targets, specialist_set
from limbeck.teachers.ema import Ema
from limbeck.teachers.ensemble import Ensemble
from limbeck.teachers.frozen import Frozen
from limbeck.teachers.merged import Merged
from limbeck.teachers.predictor import Predictor
from limbeck.teachers.privacy import NoisyMax
from limbeck.teachers.snapshot import Snapshot
from limbeck.teachers.specialists import Specialist, Specialists
from limbeck.teachers.transformed import Transformed
from limbeck.teachers.votes import Voted, Votes

__all__ = [
    "Cached",
    "Clusters",
    "Dustbin",
    "Ema",
    "Ensemble",
    "Frozen",
    "Merged",
    "NoisyMax",
    "Predictor",
    "Snapshot",
    "Specialist",
    "SpecialistSet",
    "Specialists",
    "Teacher",
    "Transformed",
    "Voted",
    "Votes",
    "collect_votes",
    "confused_classes",
    "own_targets",
    "renamed",
    "specialist_set",
]
