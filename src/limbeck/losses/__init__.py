"""What is taught: one published idea, one file, named as its paper names it."""

from limbeck.losses.base import DistillationLoss
from limbeck.losses.cka import CKA
from limbeck.losses.correlation_congruence import CorrelationCongruence
from limbeck.losses.ctkd import CTKD
from limbeck.losses.dist import DIST
from limbeck.losses.dkd import DKD
from limbeck.losses.ickd import ICKD
from limbeck.losses.kd import KD
from limbeck.losses.logit_regression import LogitRegression
from limbeck.losses.logit_standardization import LogitStandardization
from limbeck.losses.multi_level import MultiLevel
from limbeck.losses.nkd import NKD
from limbeck.losses.pkt import PKT
from limbeck.losses.rdm import RDM
from limbeck.losses.rkd_angle import RKDAngle
from limbeck.losses.rkd_distance import RKDDistance
from limbeck.losses.similarity_preserving import SimilarityPreserving
from limbeck.losses.wsld import WSLD

__all__ = [
    "CKA",
    "CTKD",
    "DIST",
    "DKD",
    "ICKD",
    "KD",
    "NKD",
    "PKT",
    "RDM",
    "WSLD",
    "CorrelationCongruence",
    "DistillationLoss",
    "LogitRegression",
    "LogitStandardization",
    "MultiLevel",
    "RKDAngle",
    "RKDDistance",
    "SimilarityPreserving",
]
