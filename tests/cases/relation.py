"""Relation-based knowledge: losses on how samples, or channels, relate to one another."""

import reference.relation as derive
from cases.case import Case
from limbeck import losses

WIDER = (6, 11)
SCALELESS = {
    "zero_at_identity",
    "non_negative",
    "symmetric",
    "blind_to_the_sign",
    "blind_to_the_scale",
    "blind_to_the_students_scale",
    "blind_to_the_order_of_channels",
    "unchanged_when_channels_are_replicated",
}
"""What holds for relations that are compared after scaling."""
ROTATABLE = SCALELESS | {"blind_to_a_rotation_of_the_student"}
"""And are read from the Gram matrix of the samples."""
MOVABLE = ROTATABLE | {"blind_to_a_shift_of_each_channel"}
"""And from differences between samples."""
ANGULAR = ROTATABLE | {"blind_to_the_scale_of_each_sample"}
"""And from the angles between samples."""
WITHIN = SCALELESS | {"blind_to_the_scale_of_each_sample"}
"""What is read within each sample."""
SHIFTED = WITHIN | {"blind_to_a_shift_of_each_sample"}
ANYWHERE = ROTATABLE | {"blind_to_the_order_of_positions"}
DIVERGENT = ANGULAR - {"symmetric"}
REPEATED = {"unchanged_when_the_batch_is_repeated"}
UNALIKE = {"zero_at_identity", "symmetric"}
"""What says nothing of sides of two shapes."""
ANY_SHAPE = {"refuses_what_is_no_map": "it flattens whatever a sample holds"}

CASES = [
    Case(losses.RKDDistance, {}, MOVABLE, derive.rkd_distance, (0.1786626253, 0.03711250172)),
    Case(
        losses.RKDDistance,
        {},
        MOVABLE - UNALIKE,
        derive.rkd_distance,
        (0.1754999697, 0.03012149282),
        teacher_shape=WIDER,
        note="wider",
    ),
    Case(losses.RKDAngle, {}, MOVABLE | REPEATED, derive.rkd_angle, (0.1913755383, 0.01747403426)),
    Case(
        losses.RKDAngle,
        {},
        (MOVABLE | REPEATED) - UNALIKE,
        derive.rkd_angle,
        (0.1924766175, 0.01449585279),
        teacher_shape=WIDER,
        note="wider",
    ),
    Case(
        losses.SimilarityPreserving,
        {},
        ANYWHERE,
        derive.similarity_preserving,
        (0.4712023692, 0.00751105154),
        exempt=ANY_SHAPE,
    ),
    Case(
        losses.SimilarityPreserving,
        {},
        ANYWHERE - UNALIKE,
        derive.similarity_preserving,
        (0.4712374522, 0.007513337252),
        teacher_shape=(4, 3, 2, 4),
        note="other maps",
        exempt=ANY_SHAPE,
    ),
    Case(
        losses.CorrelationCongruence,
        {},
        ANGULAR | REPEATED,
        derive.correlation_congruence,
        (0.1804081421, 0.01026875008),
    ),
    Case(
        losses.CorrelationCongruence,
        {"gamma": 1.0, "order": None},
        ANGULAR | REPEATED,
        derive.correlation_congruence,
        (0.2997377346, 0.0303159761),
    ),
    Case(losses.PKT, {}, DIVERGENT, derive.pkt, (0.2483891519, 0.1072876244)),
    Case(
        losses.PKT,
        {"diagonal": True},
        (DIVERGENT | REPEATED) - UNALIKE,
        derive.pkt,
        (0.2422234534, 0.03975115662),
        teacher_shape=WIDER,
    ),
    Case(
        losses.ICKD,
        {},
        WITHIN | REPEATED | {"mean_over_samples", "blind_to_the_order_of_positions"},
        derive.ickd,
        (1.854828678, 0.03312390339),
    ),
    Case(losses.RDM, {}, SHIFTED, derive.rdm, (1.731976037, 0.1285644935)),
    Case(
        losses.RDM,
        {},
        SHIFTED - UNALIKE,
        derive.rdm,
        (1.736150722, 0.1054106709),
        teacher_shape=(4, 5, 3, 2),
        shape=(4, 7),
        note="of maps",
    ),
    Case(losses.CKA, {}, MOVABLE | REPEATED, derive.cka, (0.8475289295, 0.07907777823)),
    Case(
        losses.CKA,
        {},
        (MOVABLE | REPEATED) - UNALIKE,
        derive.cka,
        (0.816477142, 0.07048356971),
        teacher_shape=WIDER,
        note="wider",
    ),
]
