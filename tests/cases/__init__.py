"""The table of losses under test. A new loss adds ONE entry to ``response.py``, ``feature.py`` or ``relation.py``.

An entry is a :class:`Case`: the class with its settings, the optional laws that hold for it, its independent
derivation from ``tests/reference``, and its frozen value::

    Case(
        losses.DKD, {"temperature": 4.0}, laws=SOFT, derived=response.dkd, frozen=(1.23, 0.45),
        zero={"target_weight"},  # numbers that may be 0; for all other settings 0 must be refused
    ),

From it the loss gets all laws of ``tests/laws`` (``ALWAYS``, and each of ``OPTIONAL`` holds where it is declared and
is asserted not to hold elsewhere), its value and gradient against the derivation, and its golden value. Nothing else
needs to be told: targets, sample numbers and progress are supplied where the class names them in ``needs``, several
layers are split from one tensor, learnable and random losses are seeded. See :class:`Case` for the rest.

To fill in ``frozen`` run ``python tests/golden/freeze.py DKD``: it computes the value from the derivation alone.
"""

from cases import feature, relation, response
from cases.case import Case

CASES: list[Case] = [*response.CASES, *feature.CASES, *relation.CASES]

__all__ = ["CASES", "Case"]
