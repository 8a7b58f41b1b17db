"""Response-based knowledge: losses on logits."""

import torch
from torch import Tensor

import reference.response as derive
from cases.case import TOKENS, Case
from laws.samples import labels, picked
from limbeck import losses
from limbeck.types import Progress

BATCH = {"mean_over_samples", "unchanged_when_the_batch_is_repeated"}
EACH = {"mean_over_samples"}
SCALED = {"blind_to_the_scale", "blind_to_the_students_scale"}
ROWS = {
    "non_negative",
    "blind_to_the_order_of_channels",
    "reads_positions_as_rows",
    "mean_over_samples",
    "unchanged_when_the_batch_is_repeated",
}
"""What holds for a mean over rows."""
CROSS = ROWS | {"blind_to_a_shift_of_each_sample", "takes_classes_that_the_teacher_rules_out"}
"""For a cross-entropy of softmaxes, which is not zero at identity."""
SOFT = CROSS | {"zero_at_identity"}
"""For a divergence between the two softmaxes of each row."""
REPLICABLE = SOFT | {"unchanged_when_channels_are_replicated"}
"""And whose value is the same for classes split into equal copies (T3)."""
TOKENWISE = REPLICABLE - {"reads_positions_as_rows"} | {"blind_to_the_order_of_positions"}
STANDARD = REPLICABLE - {"takes_classes_that_the_teacher_rules_out"} | SCALED
"""For standardised logits: −inf has no mean."""
CORRELATED = REPLICABLE - {"mean_over_samples", "zero_at_identity"} | {"symmetric"}
"""Not quite zero at identity: 1e-8 beside the norms lets classes fade out that nobody predicts."""
DISTANCE = ROWS - {"reads_positions_as_rows"} | {"zero_at_identity", "symmetric"}
"""For a squared distance of each sample, however long it is."""
CENTRED = DISTANCE | {"blind_to_a_shift_of_each_sample"}
ANNEALED = DISTANCE - {"zero_at_identity", "symmetric"}
BOUNDED = DISTANCE - {"symmetric"}
TWO_COLUMNS = BATCH | {"non_negative"}

CONSTANT = {
    "has_the_gradient_of_finite_differences": "a factor is held constant: see the derivation's gradient"
}
REVERSED = {"parameters_have_the_gradient_of_finite_differences": "the temperature's gradient is reversed"}
OF_CERTAINTY = {"is_finite_under_autocast": "with σ at its bound the gradient is beyond fp16"}
LABELLED = {"says_so_where_samples_count_together": "a mean over the labelled, as the hard loss is"}
OVERFLOWING = dict.fromkeys(
    ("is_finite_where_others_break", "is_finite_under_autocast"),
    "without a clip t² of certain opposites overflows",
)
OF_THE_BOUND = dict.fromkeys(
    ("refuses_to_run_without_what_it_needs", "refuses_a_context_that_does_not_fit"),
    "only the bounded form reads targets",
)
NO_TEACHER = dict.fromkeys(
    (
        "refuses_other_samples",
        "minds_the_sign",
        "is_larger_for_an_independent_tensor_than_for_the_same",
        "grows_along_a_perturbation",
    ),
    "the teacher of the call is ignored",
)

MARGIN = {"margin"}
ONE_LEVEL = {"temperatures": (4.0,), "batch_weight": 0.0, "class_weight": 0.0}
TWO_LEVELS = {"temperatures": (1.0, 4.0), "batch_weight": 2.0, "class_weight": 0.5}
RAMPED = {"lowest": 0.5, "highest": 3.0, "ramp": 0.5}
KNOWN_SPREAD = {"form": "likelihood", "spread": 0.5}
bounded = derive.bounded_regression


def half_labelled(teacher: Tensor) -> Tensor:
    """Return labels, with -100 for about half of the rows."""
    return torch.where(picked(teacher, 2), labels(teacher), -100)


def truth(teacher: Tensor) -> Tensor:
    """Return values near to the teacher's."""
    values = teacher if teacher.dtype == torch.float64 else teacher.float()
    return values + (3 * values).sin()


CASES = [
    Case(losses.KD, {}, REPLICABLE, derive.kd, (4.409879073, 0.6736378631)),
    Case(losses.KD, {"temperature": 1}, REPLICABLE, derive.kd, (1.70012417, 0.4585718134)),
    Case(
        losses.KD,
        {"temperature": 2},
        TOKENWISE,
        derive.kd_of_tokens,
        (3.949281368, 0.2966533472),
        shape=TOKENS,
        note="of tokens",
    ),
    Case(losses.LogitRegression, {}, DISTANCE, derive.logit_regression, (26.84693381, 3.663804976)),
    Case(
        losses.LogitRegression,
        {"centred": True},
        CENTRED,
        derive.logit_regression,
        (26.13163759, 3.614667176),
    ),
    Case(
        losses.LogitStandardization, {}, STANDARD, derive.logit_standardization, (0.792437159, 0.09142375281)
    ),
    Case(
        losses.LogitStandardization,
        {"temperature": 1.0},
        STANDARD,
        derive.logit_standardization,
        (0.6531133462, 0.09341432552),
    ),
    Case(
        losses.DKD,
        {},
        SOFT,
        derive.dkd,
        (47.94989918, 6.889115935),
        zero={"target_weight", "non_target_weight"},
    ),
    Case(
        losses.DKD,
        {"target_weight": 2.0, "non_target_weight": 0.5, "temperature": 1.0},
        SOFT,
        derive.dkd,
        (3.35886612, 0.8675161009),
    ),
    Case(
        losses.DKD,
        {},
        SOFT - EACH,
        derive.dkd,
        (49.01523288, 7.936939736),
        targets=half_labelled,
        note="half labelled",
        exempt=LABELLED,
    ),
    Case(losses.NKD, {}, CROSS, derive.nkd, (7.378428994, 1.044274586), zero={"non_target_weight"}),
    Case(
        losses.NKD,
        {"temperature": 3.0, "non_target_weight": 0.5},
        CROSS,
        derive.nkd,
        (9.062094472, 0.6646632061),
    ),
    Case(
        losses.NKD,
        {},
        CROSS - EACH,
        derive.nkd,
        (6.920729166, 1.124544319),
        targets=half_labelled,
        note="half labelled",
        exempt=LABELLED,
    ),
    Case(
        losses.DIST,
        {},
        CORRELATED,
        derive.dist,
        (1.805426795, 0.344987052),
        scales=(1.0, 5.0),
        zero={"row_weight", "column_weight"},
    ),
    Case(
        losses.DIST,
        {"temperature": 4.0, "row_weight": 2.0, "column_weight": 0.5},
        CORRELATED,
        derive.dist,
        (2.201862922, 0.2691218793),
    ),
    Case(
        losses.MultiLevel,
        {},
        SOFT - BATCH,
        derive.multi_level,
        (4.368706619, 0.6813879651),
        zero={"batch_weight", "class_weight"},
    ),
    Case(losses.MultiLevel, ONE_LEVEL, REPLICABLE, derive.multi_level, (4.409879073, 0.6736378631)),
    Case(losses.MultiLevel, TWO_LEVELS, SOFT - BATCH, derive.multi_level, (3.907473487, 0.6752240546)),
    Case(
        losses.CTKD,
        {},
        REPLICABLE,
        derive.ctkd,
        (5.113463985, 0.7163088064),
        zero={"ramp"},
        beyond={"ramp": [1.1], "highest": [0.5]},
        exempt=REVERSED,
    ),
    Case(
        losses.CTKD,
        RAMPED,
        REPLICABLE,
        derive.ctkd,
        (3.452751233, 0.6121519423),
        progress=Progress(3, 10),
        exempt=REVERSED,
    ),
    Case(losses.WSLD, {}, SOFT, derive.wsld, (3.119658226, 0.5761949362), exempt=CONSTANT),
    Case(losses.WSLD, {"temperature": 4.0}, SOFT, derive.wsld, (4.317372409, 0.6596042391), exempt=CONSTANT),
    Case(
        losses.WSLD,
        {},
        SOFT - EACH,
        derive.wsld,
        (3.124953068, 0.6479643614),
        targets=half_labelled,
        note="half labelled",
        exempt=LABELLED,
    ),
    Case(losses.AnnealingKD, {}, DISTANCE, derive.annealing_kd, (26.84693381, 3.663804976)),
    Case(
        losses.AnnealingKD,
        {},
        ANNEALED,
        derive.annealing_kd,
        (16.01564708, 2.829809806),
        progress=Progress(5, 10),
        note="at half",
    ),
    Case(
        losses.BoundedRegression,
        {},
        BOUNDED,
        bounded,
        (48.66169363, 6.975793405),
        shape=(6, 3),
        targets=truth,
        zero=MARGIN,
        negative=MARGIN,
    ),
    Case(
        losses.BoundedRegression,
        {"margin": 5.0},
        BOUNDED,
        bounded,
        (48.66169363, 6.975793405),
        shape=(6, 3),
        targets=truth,
    ),
    Case(
        losses.BoundedRegression,
        {"form": "value"},
        DISTANCE,
        bounded,
        (53.69386762, 7.327609953),
        shape=(6, 3),
        targets=truth,
        exempt=OF_THE_BOUND,
    ),
    Case(
        losses.BoundedRegression,
        KNOWN_SPREAD,
        DISTANCE,
        bounded,
        (107.3877352, 14.65521991),
        shape=(6, 3),
        targets=truth,
        exempt=OF_THE_BOUND,
    ),
    Case(
        losses.BoundedRegression,
        {"form": "likelihood"},
        TWO_COLUMNS,
        bounded,
        (0.6315416067, 0.3491242866),
        targets=truth,
        exempt=OF_THE_BOUND | OF_CERTAINTY,
        shape=(6, 1),
        teacher_shape=(6, 2),
        small=(4, 1),
        small_teacher=(4, 2),
    ),
    Case(losses.Consistency, {}, SOFT | {"symmetric"}, derive.consistency, (0.1682304864, 0.05308952928)),
    Case(losses.HardDistillation, {}, CROSS, derive.hard_distillation, (1.700608331, 0.5302540207)),
    Case(
        losses.SkewKL,
        {},
        REPLICABLE,
        derive.skew_kl,
        (1.140690517, 0.2754249713),
        zero={"skew"},
        beyond={"skew": [1.0]},
    ),
    Case(
        losses.SkewKL,
        {"skew": 0.3, "reverse": True, "temperature": 2.0},
        REPLICABLE,
        derive.skew_kl,
        (1.387196609, 0.2319442038),
    ),
    Case(losses.SkewKL, {"skew": 0.0}, REPLICABLE, derive.skew_kl, (1.70012417, 0.4585718134)),
    Case(
        losses.JSD,
        {},
        REPLICABLE | {"symmetric"},
        derive.jsd,
        (0.362903218, 0.07965216596),
        zero={"mixture"},
        beyond={"mixture": [1.1]},
    ),
    Case(
        losses.JSD,
        {"mixture": 0.1, "temperature": 2.0},
        REPLICABLE,
        derive.jsd,
        (0.2774966197, 0.04927293174),
    ),
    Case(losses.JSD, {"mixture": 0.0}, REPLICABLE, derive.jsd, (1.70012417, 0.4585718134)),
    Case(losses.JSD, {"mixture": 1.0}, REPLICABLE, derive.jsd, (3.460393406, 0.6826725658)),
    Case(
        losses.AlphaDivergence,
        {},
        REPLICABLE,
        derive.alpha_divergence,
        (1.82605393, 0.5478117495),
        negative={"orders"},
    ),
    Case(
        losses.AlphaDivergence,
        {"orders": (-1.0,), "clip": 2.0},
        REPLICABLE,
        derive.alpha_divergence,
        (0.3168305225, 0.18695383),
        exempt=CONSTANT,
    ),
    Case(
        losses.AlphaDivergence,
        {"orders": (0.5, 2.0), "clip": None},
        REPLICABLE,
        derive.alpha_divergence,
        (8.38483631, 7.889527955),
        scales=(1.0, 5.0),
        exempt=OVERFLOWING,
    ),
    Case(
        losses.LabelSmoothingTeacher,
        {},
        CROSS,
        derive.label_smoothing_teacher,
        (5.289603556, 0.7387933748),
        beyond={"probability": [0.4, 1.0]},
        exempt=NO_TEACHER,
    ),
    Case(
        losses.LabelSmoothingTeacher,
        {"probability": 0.9, "temperature": 1.0},
        CROSS,
        derive.label_smoothing_teacher,
        (2.58777183, 0.5214998736),
        exempt=NO_TEACHER,
    ),
]
