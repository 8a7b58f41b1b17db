"""Assertions that any distillation loss can be held to. Each takes a :class:`cases.Case`.

``ALWAYS`` holds for every case; one may exempt itself from a law with its reason. Of ``OPTIONAL`` a case declares what
holds for it. What is exempted or not declared is asserted NOT to hold, so that a declaration left out is noticed as
well as one too many. ``WRITTEN`` is about the class, and asked of its first case only.
"""

from laws import always, learnable, refusing, written
from laws.optional import OPTIONAL

ALWAYS = always.LAWS | learnable.LAWS | refusing.LAWS
WRITTEN = written.LAWS

__all__ = ["ALWAYS", "OPTIONAL", "WRITTEN"]
