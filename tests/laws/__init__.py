"""Assertions that any distillation loss can be held to. Each takes a :class:`cases.Case`.

``ALWAYS`` holds for every loss; a case may exempt itself from one with its reason. Of ``OPTIONAL`` a case declares
what holds for it. What is exempted or not declared is asserted NOT to hold, so that a declaration left out is noticed
as well as one too many.
"""

from laws import always, learnable, written
from laws.optional import OPTIONAL

ALWAYS = always.LAWS | learnable.LAWS | written.LAWS

__all__ = ["ALWAYS", "OPTIONAL"]
