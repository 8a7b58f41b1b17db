"""How good, how faithful, how costly: one code path for every kind of model."""

from limbeck.evaluate.bias import BiasShift, bias_shift
from limbeck.evaluate.fidelity import Fidelity, fidelity
from limbeck.evaluate.gain import Gain, paired_gain
from limbeck.evaluate.mistakes import Mistakes, mistakes
from limbeck.evaluate.quality import Evaluation, evaluate

__all__ = [
    "BiasShift",
    "Evaluation",
    "Fidelity",
    "Gain",
    "Mistakes",
    "bias_shift",
    "evaluate",
    "fidelity",
    "mistakes",
    "paired_gain",
]
