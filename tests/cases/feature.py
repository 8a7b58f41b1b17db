"""Feature-based knowledge: losses on maps, tokens or embeddings of one or several layers."""

import torch

import reference.feature as derive
import reference.levels as derive_levels
from cases import learnable
from cases.case import EMBEDDING, MAPS, TOKENS, Case
from limbeck import losses

OTHER_MAPS = (4, 5, 3, 4)
DEEP = ((4, 3, 6, 4), (4, 5, 3, 2))
LEVEL = ((4, 3, 4, 3), (4, 5, 4, 3))

ELEMENTS = {
    "non_negative",
    "blind_to_the_order_of_channels",
    "mean_over_samples",
    "unchanged_when_the_batch_is_repeated",
    "unchanged_when_channels_are_replicated",
}
"""What holds for a mean over elements."""
DISTANCE = ELEMENTS | {"zero_at_identity", "symmetric"}
"""And of a squared distance."""
PLACES = {"blind_to_the_order_of_positions"}
ROWS = {"reads_positions_as_rows"}
STRENGTH = ELEMENTS | {
    "blind_to_the_sign",
    "blind_to_the_scale",
    "blind_to_the_students_scale",
    "blind_to_the_scale_of_each_sample",
}
"""What holds for maps that are normalised and have no sign."""
SELECTIVITY = STRENGTH | {"blind_to_the_scale_of_each_channel"}
"""And whose every channel is normalised by itself."""
GAUSSIAN = DISTANCE - {"zero_at_identity", "unchanged_when_channels_are_replicated"}
"""What holds for a likelihood with a variance for each channel, as long as all variances are the same and large."""
STANDARDISED = {
    "blind_to_the_scale",
    "blind_to_the_students_scale",
    "blind_to_the_scale_of_each_channel",
    "blind_to_a_shift_of_each_channel",
}
ANY_SHAPE = {"refuses_what_is_no_map": "it takes tokens and vectors too"}


def varied(loss):
    """Give each channel a variance of its own, some below one."""
    loss.rho.copy_(torch.linspace(-3, 2, len(loss.rho)))


CASES = [
    Case(
        losses.FitNets,
        {},
        DISTANCE | PLACES,
        derive.fitnets,
        exempt=ANY_SHAPE,
        frozen=(12.28123887, 0.5840766424),
    ),
    Case(
        losses.FitNets,
        {},
        DISTANCE | PLACES,
        derive.fitnets,
        shape=TOKENS,
        note="of tokens",
        frozen=(12.20564833, 0.7623787438),
    ),
    Case(
        losses.FitNets,
        {},
        DISTANCE | ROWS,
        derive.fitnets,
        shape=EMBEDDING,
        note="of vectors",
        frozen=(10.73877352, 1.465521991),
    ),
    Case(
        losses.AttentionTransfer,
        {},
        STRENGTH | PLACES | {"zero_at_identity", "symmetric", "blind_to_a_rotation_of_the_student"},
        derive.attention_transfer,
        shape=MAPS,
        frozen=(0.0304690942, 0.02610646944),
    ),
    Case(
        losses.AttentionTransfer,
        {"power": 4},
        STRENGTH,
        derive.attention_transfer,
        shape=MAPS,
        teacher_shape=OTHER_MAPS,
        small=(3, 4, 4, 2),
        small_teacher=(3, 5, 2, 3),
        frozen=(0.1218894342, 0.1384361087),
    ),
    Case(
        losses.AttentionTransfer,
        {"power": 1},
        STRENGTH | PLACES | {"zero_at_identity", "symmetric"},
        derive.attention_transfer,
        shape=MAPS,
        frozen=(0.02390922883, 0.01340360597),
    ),
    Case(
        losses.NST,
        {},
        SELECTIVITY | PLACES | {"zero_at_identity", "symmetric"},
        derive.nst,
        shape=MAPS,
        frozen=(0.4174661984, 0.04155187295),
    ),
    Case(
        losses.NST,
        {},
        SELECTIVITY,
        derive.nst,
        shape=MAPS,
        teacher_shape=OTHER_MAPS,
        small=(3, 4, 4, 2),
        small_teacher=(3, 5, 2, 3),
        note="of other maps",
        frozen=(1.039330151, 0.1527070964),
    ),
    Case(
        losses.NST,
        {},
        SELECTIVITY | PLACES | {"zero_at_identity", "symmetric"},
        derive.nst,
        shape=(4, 3, 4, 2),
        note="of few channels",
        frozen=(0.4918204265, 0.06838402749),
    ),
    Case(
        losses.FSP,
        {},
        DISTANCE,
        derive_levels.fsp,
        shape=DEEP,
        small=((3, 2, 4, 2), (3, 3, 2, 2)),
        loudest=30.0,
        frozen=(2.513607933, 1.166772781),
    ),
    Case(
        losses.FSP,
        {},
        DISTANCE | PLACES | {"blind_to_the_sign"},
        derive_levels.fsp,
        shape=(*LEVEL, (4, 2, 4, 3)),
        small=((3, 2, 2, 2), (3, 3, 2, 2), (3, 1, 2, 2)),
        loudest=30.0,
        note="of three layers of one size",
        frozen=(85.7790548, 8.92407622),
    ),
    Case(
        losses.ActivationBoundary,
        {},
        ELEMENTS | PLACES,
        derive.activation_boundary,
        shape=MAPS,
        exempt=ANY_SHAPE,
        frozen=(4.629243419, 0.3585946109),
    ),
    Case(
        losses.ActivationBoundary,
        {"margin": 0.5},
        ELEMENTS | ROWS,
        derive.activation_boundary,
        shape=EMBEDDING,
        frozen=(3.269437198, 0.8086330686),
    ),
    Case(
        losses.OverhaulFeature,
        {},
        ELEMENTS - {"mean_over_samples"} | PLACES | {"zero_at_identity"},
        derive_levels.overhaul_feature,
        shape=DEEP,
        small=((3, 2, 4, 2), (3, 3, 2, 2)),
        frozen=(17.74422004, 1.252609522),
    ),
    Case(
        losses.OverhaulFeature,
        {"margins": [[-0.5, -1.5, 0.0], [-0.25, -0.5, -1.0, -1.5, -3.0]]},
        {"zero_at_identity", "non_negative", "mean_over_samples", "unchanged_when_the_batch_is_repeated"}
        | PLACES,
        derive_levels.overhaul_feature,
        shape=DEEP,
        small=((3, 3, 4, 2), (3, 5, 2, 2)),
        frozen=(14.34596328, 0.8955827265),
    ),
    Case(
        losses.VID,
        {"teacher_channels": 6},
        GAUSSIAN | PLACES,
        derive.vid,
        shape=MAPS,
        exempt=ANY_SHAPE,
        frozen=(9.543739939, 0.5011145199),
    ),
    Case(
        losses.VID,
        {"teacher_channels": 7},
        GAUSSIAN | PLACES,
        derive.vid,
        shape=TOKENS,
        note="of tokens",
        frozen=(8.47553507, 0.5900999707),
    ),
    Case(
        losses.VID,
        {"teacher_channels": 8, "eps": 0.01},
        GAUSSIAN - {"non_negative", "blind_to_the_order_of_channels"} | ROWS,
        derive.vid,
        shape=EMBEDDING,
        prepare=varied,
        frozen=(9.430648714, 1.095421445),
    ),
    Case(
        losses.CWD,
        {},
        ELEMENTS
        | PLACES
        | {"zero_at_identity", "blind_to_a_shift_of_each_sample", "blind_to_a_shift_of_each_channel"},
        derive.cwd,
        frozen=(5.133171419, 0.2644735874),
    ),
    Case(
        losses.CWD,
        {"temperature": 1},
        ELEMENTS
        | PLACES
        | {"zero_at_identity", "blind_to_a_shift_of_each_sample", "blind_to_a_shift_of_each_channel"},
        derive.cwd,
        frozen=(2.432131429, 0.1651359301),
    ),
    Case(
        losses.PKD,
        {},
        DISTANCE - {"mean_over_samples"} | PLACES | STANDARDISED,
        derive.pkd,
        frozen=(0.9792019168, 0.03898630563),
    ),
    Case(losses.VkD, {}, ELEMENTS | ROWS, derive.vkd, frozen=(5.022872472, 1.002284637)),
    Case(
        losses.VkD,
        {},
        ELEMENTS | PLACES,
        derive.vkd,
        shape=TOKENS,
        note="of tokens",
        frozen=(5.337152247, 0.5041330251),
    ),
    Case(
        losses.VkD,
        {},
        ELEMENTS | PLACES,
        derive.vkd,
        shape=MAPS,
        note="of maps",
        frozen=(5.4265826, 0.3882504418),
    ),
    *learnable.CASES,
]
