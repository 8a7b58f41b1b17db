"""Each loss derived a second time from its paper's formula: plain Python loops over float64 numbers.

Nothing here may import limbeck, and nothing here may be fast.
"""

from reference.response import kd, logit_regression

__all__ = ["kd", "logit_regression"]
