"""Data: sources, splits, views, and what a model wants to be fed."""

from limbeck.data.augment import AUGMENTATIONS, Shift, Standard, augmentation, default_augmentation
from limbeck.data.classes import omitting, only
from limbeck.data.datasets import dataset_data
from limbeck.data.door import DOORS, open_data
from limbeck.data.joined import Joined, joined
from limbeck.data.mix import MIXES, Mix
from limbeck.data.mixture import Mixture, Repeated
from limbeck.data.noise import Noise
from limbeck.data.seeding import role_seed, view_seed
from limbeck.data.shards import shards
from limbeck.data.source import Data, Source, TensorSource
from limbeck.data.transforms import InputTransform, Standardise, fit, transform_from_dict
from limbeck.data.unlabelled import with_unlabelled, without_labels
from limbeck.data.views import Key, Views

__all__ = [
    "AUGMENTATIONS",
    "DOORS",
    "MIXES",
    "Data",
    "InputTransform",
    "Joined",
    "Key",
    "Mix",
    "Mixture",
    "Noise",
    "Repeated",
    "Shift",
    "Source",
    "Standard",
    "Standardise",
    "TensorSource",
    "Views",
    "augmentation",
    "dataset_data",
    "default_augmentation",
    "fit",
    "joined",
    "omitting",
    "only",
    "open_data",
    "role_seed",
    "shards",
    "transform_from_dict",
    "view_seed",
    "with_unlabelled",
    "without_labels",
]
