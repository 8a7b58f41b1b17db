"""How good, how faithful, how costly: one code path for every kind of model."""

from limbeck.evaluate.fidelity import Fidelity, fidelity
from limbeck.evaluate.gain import Gain, paired_gain
from limbeck.evaluate.mistakes import Mistakes, mistakes
from limbeck.evaluate.quality import Evaluation, evaluate

__all__ = ["Evaluation", "Fidelity", "Gain", "Mistakes", "evaluate", "fidelity", "mistakes", "paired_gain"]
