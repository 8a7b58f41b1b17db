"""What is taught: one published idea, one file, named as its paper names it."""

from limbeck.losses.activation_boundary import ActivationBoundary
from limbeck.losses.alpha_divergence import AlphaDivergence
from limbeck.losses.annealing_kd import AnnealingKD
from limbeck.losses.attention_transfer import AttentionTransfer
from limbeck.losses.base import DistillationLoss
from limbeck.losses.bounded_regression import BoundedRegression
from limbeck.losses.cka import CKA
from limbeck.losses.consistency import Consistency
from limbeck.losses.correlation_congruence import CorrelationCongruence
from limbeck.losses.crd import CRD
from limbeck.losses.ctkd import CTKD
from limbeck.losses.cwd import CWD
from limbeck.losses.dist import DIST
from limbeck.losses.dkd import DKD
from limbeck.losses.factor_transfer import FactorTransfer
from limbeck.losses.fitnets import FitNets
from limbeck.losses.fsp import FSP
from limbeck.losses.hard_distillation import HardDistillation
from limbeck.losses.ickd import ICKD
from limbeck.losses.jsd import JSD
from limbeck.losses.kd import KD
from limbeck.losses.label_smoothing_teacher import LabelSmoothingTeacher
from limbeck.losses.logit_regression import LogitRegression
from limbeck.losses.logit_standardization import LogitStandardization
from limbeck.losses.mgd import MGD
from limbeck.losses.multi_level import MultiLevel
from limbeck.losses.nkd import NKD
from limbeck.losses.nst import NST
from limbeck.losses.overhaul_feature import OverhaulFeature
from limbeck.losses.pkd import PKD
from limbeck.losses.pkt import PKT
from limbeck.losses.rdm import RDM
from limbeck.losses.review_kd import ReviewKD
from limbeck.losses.rkd_angle import RKDAngle
from limbeck.losses.rkd_distance import RKDDistance
from limbeck.losses.sem_ckd import SemCKD
from limbeck.losses.sim_kd import SimKD
from limbeck.losses.similarity_preserving import SimilarityPreserving
from limbeck.losses.skew_kl import SkewKL
from limbeck.losses.vid import VID
from limbeck.losses.vkd import VkD
from limbeck.losses.wsld import WSLD

__all__ = [
    "CKA",
    "CRD",
    "CTKD",
    "CWD",
    "DIST",
    "DKD",
    "FSP",
    "ICKD",
    "JSD",
    "KD",
    "MGD",
    "NKD",
    "NST",
    "PKD",
    "PKT",
    "RDM",
    "VID",
    "WSLD",
    "ActivationBoundary",
    "AlphaDivergence",
    "AnnealingKD",
    "AttentionTransfer",
    "BoundedRegression",
    "Consistency",
    "CorrelationCongruence",
    "DistillationLoss",
    "FactorTransfer",
    "FitNets",
    "HardDistillation",
    "LabelSmoothingTeacher",
    "LogitRegression",
    "LogitStandardization",
    "MultiLevel",
    "OverhaulFeature",
    "RKDAngle",
    "RKDDistance",
    "ReviewKD",
    "SemCKD",
    "SimKD",
    "SimilarityPreserving",
    "SkewKL",
    "VkD",
]
