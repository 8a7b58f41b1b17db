"""Who teaches whom, and when."""

from limbeck.schemes.augmentation_by_teacher import AugmentationByTeacher
from limbeck.schemes.base import Scheme
from limbeck.schemes.be_your_own_teacher import BeYourOwnTeacher
from limbeck.schemes.collaborative import Collaborative
from limbeck.schemes.data_free import DataFree
from limbeck.schemes.last_epochs import LastEpochs
from limbeck.schemes.mean_teacher import MeanTeacher
from limbeck.schemes.mutual import Mutual
from limbeck.schemes.offline import Offline
from limbeck.schemes.preparation import Preparation
from limbeck.schemes.progressive import Progressive
from limbeck.schemes.reverse import Reverse
from limbeck.schemes.semi_supervised import SemiSupervised
from limbeck.schemes.short_lessons import ShortLessons
from limbeck.schemes.supervised import Supervised
from limbeck.schemes.teacher_free import TeacherFree
from limbeck.schemes.term import Term

__all__ = [
    "AugmentationByTeacher",
    "BeYourOwnTeacher",
    "Collaborative",
    "DataFree",
    "LastEpochs",
    "MeanTeacher",
    "Mutual",
    "Offline",
    "Preparation",
    "Progressive",
    "Reverse",
    "Scheme",
    "SemiSupervised",
    "ShortLessons",
    "Supervised",
    "TeacherFree",
    "Term",
]
