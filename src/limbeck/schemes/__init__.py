"""Who teaches whom, and when."""

from limbeck.schemes.base import Scheme
from limbeck.schemes.offline import Offline
from limbeck.schemes.supervised import Supervised
from limbeck.schemes.term import Term

__all__ = ["Offline", "Scheme", "Supervised", "Term"]
