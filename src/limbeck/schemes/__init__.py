"""Who teaches whom, and when."""

from limbeck.schemes.base import Scheme
from limbeck.schemes.mutual import Mutual
from limbeck.schemes.offline import Offline
from limbeck.schemes.preparation import Preparation
from limbeck.schemes.supervised import Supervised
from limbeck.schemes.term import Term

__all__ = ["Mutual", "Offline", "Preparation", "Scheme", "Supervised", "Term"]
