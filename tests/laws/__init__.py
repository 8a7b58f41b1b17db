"""Assertions that any distillation loss can be held to.

``ALWAYS`` holds for every loss. Of ``OPTIONAL`` a loss declares what holds for it in ``tests/losses/test_laws.py``,
and the rest is asserted not to hold, so that a declaration left out is noticed as well as one too many.
"""

from laws.always import ALWAYS
from laws.optional import OPTIONAL

__all__ = ["ALWAYS", "OPTIONAL"]
