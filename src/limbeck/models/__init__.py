"""Models: thin doors to the zoos, to earlier runs and to a person's own networks, and a few small nets."""

from limbeck.models.card import load_model, save_model
from limbeck.models.door import DOORS, open_model
from limbeck.models.generator import Generator
from limbeck.models.model import Model
from limbeck.models.shifted import Shifted, shifted
from limbeck.models.weights import load_weights

__all__ = [
    "DOORS",
    "Generator",
    "Model",
    "Shifted",
    "load_model",
    "load_weights",
    "open_model",
    "save_model",
    "shifted",
]
