"""Feature-based knowledge: losses with networks of their own, or with a memory."""

from functools import partial

import torch

import reference.contrastive as derive_contrast
import reference.feature as derive
import reference.levels as derive_levels
from cases.case import Case
from limbeck import losses

EACH = {"non_negative", "mean_over_samples", "unchanged_when_the_batch_is_repeated"}
"""What holds where every sample is compared by itself."""
BATCH = {"non_negative", "unchanged_when_the_batch_is_repeated"}
"""What holds where batch norm has seen the other samples, or a memory is filled by the batch."""
PROJECTED = BATCH | {"blind_to_the_students_scale", "blind_to_a_shift_of_each_channel"}
"""And where a convolution without bias and batch norm come first."""
COPIED = EACH | {
    "zero_at_identity",
    "symmetric",
    "blind_to_the_order_of_channels",
    "blind_to_the_order_of_positions",
}
"""What holds for a generator that gives back what it sees, when it sees everything."""

NORMED = {"says_so_where_samples_count_together": "batch norm, as in any network"}
PLACED = {"is_the_same_in_any_order_of_samples": "what is drawn belongs to a place in the batch"}
MASKED = PLACED | {"says_so_where_samples_count_together": "what is drawn belongs to a place in the batch"}
UNTAUGHT = {
    "minds_the_sign": "its generator has learnt nothing yet",
    "grows_along_a_perturbation": "its generator has learnt nothing yet",
}
PARAPHRASER = {"every_parameter_learns": "the paraphraser learns in a stage of its own"}
MEMORY = {
    "gives_the_same_value_again": "it remembers the batch",
    "has_the_gradient_of_finite_differences": "Z is a constant, which the first batch sets",
    "parameters_have_the_gradient_of_finite_differences": "Z is a constant, which the first batch sets",
}
EMBEDDINGS = {"student_channels": 5, "teacher_channels": 7, "samples": 12, "width": 4}


def mgd(student, teacher, parameters, mask_ratio=0.5):
    torch.manual_seed(1)
    draw = torch.rand(len(student), 1, len(student[0][0]), len(student[0][0][0]))
    return derive.mgd(student, teacher, parameters, draw.tolist(), mask_ratio)


def mgd_unmasked(student, teacher, parameters):
    return mgd(student, teacher, parameters, mask_ratio=0.0)


def crd(
    student, teacher, index, parameters, samples, negatives=16384, width=128, temperature=0.07, held=None
):
    assert len(parameters["memory_student"][0]) == width
    if negatives >= samples - 1:
        others = [[each for each in range(samples) if each != own] for own in index]
    else:
        torch.manual_seed(1)
        drawn = torch.randint(0, samples - 1, (len(index), negatives)).tolist()
        others = [[r + (r >= own) for r in row] for row, own in zip(drawn, index, strict=True)]
    return derive_contrast.crd(student, teacher, index, parameters, others, temperature, held)


def copying(loss):
    """Make the generator give back what it sees: up by 16, through its ReLU, and down again."""
    for place, shift in ((0, 16.0), (2, -16.0)):
        torch.nn.init.dirac_(loss.generator[place].weight)
        loss.generator[place].bias.fill_(shift)


def filled(loss):
    """Remember samples, as after an epoch."""
    for number, memory in enumerate((loss.memory_student, loss.memory_teacher)):
        wave = torch.arange(memory.numel()).view_as(memory).mul(1.3 + number).sin()
        memory.copy_(torch.nn.functional.normalize(wave, dim=1))
    loss.log_z.copy_(torch.tensor([3.0, 2.5]))
    loss.batches.fill_(1)


def paraphrased(loss):
    """Freeze the paraphraser, as after its stage."""
    loss.encoder.requires_grad_(False)
    loss.decoder.requires_grad_(False)


def trained(loss):
    """Move running statistics away from where they start."""
    for name, each in loss.named_buffers():
        if name.endswith("running_mean"):
            each.copy_(torch.linspace(-0.5, 0.5, len(each)))
        if name.endswith("running_var"):
            each.copy_(torch.linspace(0.05, 0.2, len(each)))


CASES = [
    Case(
        losses.FactorTransfer,
        {"student_channels": 3, "teacher_channels": 4},
        EACH,
        derive.factor_transfer,
        shape=(4, 3, 4, 3),
        teacher_shape=(4, 4, 3, 4),
        small=(3, 3, 3, 2),
        small_teacher=(3, 4, 2, 2),
        prepare=paraphrased,
        exempt=PARAPHRASER,
        frozen=(0.03698708345, 0.004586356515),
    ),
    Case(
        losses.FactorTransfer,
        {"student_channels": 3, "teacher_channels": 2, "rate": 1},
        EACH,
        derive.factor_transfer,
        shape=(4, 3, 4, 3),
        teacher_shape=(4, 2, 4, 3),
        small=(3, 3, 2, 2),
        small_teacher=(3, 2, 2, 2),
        prepare=paraphrased,
        exempt=PARAPHRASER,
        frozen=(0.02592491176, 0.001384903493),
    ),
    Case(
        losses.CRD,
        EMBEDDINGS,
        BATCH,
        crd,
        shape=(6, 5),
        teacher_shape=(6, 7),
        exempt=MEMORY,
        zero={"momentum"},
        beyond={"momentum": [1.1]},
        note="first batch of training",
        frozen=(41.81999998, 1.476405623),
    ),
    Case(
        losses.CRD,
        {**EMBEDDINGS, "temperature": 0.5},
        EACH,
        crd,
        shape=(6, 5),
        teacher_shape=(6, 7),
        prepare=filled,
        evaluating=True,
        frozen=(7.650874581, 0.1360199266),
    ),
    Case(
        losses.CRD,
        {**EMBEDDINGS, "negatives": 4, "temperature": 0.5},
        {"non_negative"},
        crd,
        shape=(6, 5),
        teacher_shape=(6, 7),
        prepare=filled,
        evaluating=True,
        exempt=PLACED,
        frozen=(6.026885002, 0.1067981247),
    ),
    Case(
        losses.ReviewKD,
        {"student_channels": [2, 3], "teacher_channels": [4, 5]},
        PROJECTED,
        derive_levels.review_kd,
        shape=((4, 2, 6, 4), (4, 3, 3, 2)),
        teacher_shape=((4, 4, 5, 3), (4, 5, 2, 2)),
        small=((3, 2, 4, 2), (3, 3, 2, 1)),
        small_teacher=((3, 4, 3, 2), (3, 5, 2, 2)),
        exempt=NORMED,
        frozen=(12.03158731, 0.07096345559),
    ),
    Case(
        losses.ReviewKD,
        {"student_channels": [2, 3], "teacher_channels": [4, 5]},
        EACH,
        partial(derive_levels.review_kd, running=True),
        shape=((4, 2, 6, 4), (4, 3, 3, 2)),
        teacher_shape=((4, 4, 6, 4), (4, 5, 3, 2)),
        small=((3, 2, 4, 2), (3, 3, 2, 1)),
        small_teacher=((3, 4, 4, 2), (3, 5, 2, 1)),
        prepare=trained,
        evaluating=True,
        loudest=30.0,
        note="evaluated",
        frozen=(26.2172318, 3.952164967),
    ),
    Case(
        losses.SimKD,
        {"student_channels": 3, "teacher_channels": 4},
        PROJECTED,
        derive.sim_kd,
        shape=(4, 3, 4, 3),
        teacher_shape=(4, 4, 3, 4),
        exempt=NORMED,
        frozen=(8.375745244, 0.2573000514),
    ),
    Case(
        losses.SimKD,
        {"student_channels": 3, "teacher_channels": 4, "factor": 4, "rectified": False},
        EACH,
        partial(derive.sim_kd, running=True),
        shape=(4, 3, 3, 2),
        teacher_shape=(4, 4, 3, 2),
        prepare=trained,
        evaluating=True,
        note="evaluated",
        frozen=(32.14468849, 21.67695452),
    ),
    Case(
        losses.MGD,
        {"teacher_channels": 3},
        {"non_negative"},
        mgd,
        shape=(4, 3, 4, 3),
        exempt=MASKED | UNTAUGHT,
        zero={"mask_ratio"},
        beyond={"mask_ratio": [1.1]},
        frozen=(9.093573583, 0.07167824505),
    ),
    Case(
        losses.MGD,
        {"teacher_channels": 3, "mask_ratio": 0.25},
        {"non_negative", "blind_to_the_order_of_channels"},
        mgd,
        shape=(4, 3, 4, 3),
        exempt=MASKED,
        prepare=copying,
        note="of a generator that copies",
        frozen=(9.04180842, 0.08059533892),
    ),
    Case(
        losses.MGD,
        {"teacher_channels": 3},
        COPIED,
        mgd_unmasked,
        shape=(4, 3, 4, 3),
        prepare=copying,
        evaluating=True,
        note="evaluated, of a generator that copies",
        frozen=(8.907883352, 0.07493076081),
    ),
    Case(
        losses.SemCKD,
        {"student_channels": [2, 3], "teacher_channels": [3, 2, 4], "width": 2},
        BATCH,
        derive_levels.sem_ckd,
        shape=((4, 2, 4, 3), (4, 3, 2, 2)),
        teacher_shape=((4, 3, 3, 4), (4, 2, 3, 2), (4, 4, 2, 1)),
        small=((3, 2, 3, 2), (3, 3, 2, 1)),
        small_teacher=((3, 3, 2, 2), (3, 2, 2, 2), (3, 4, 2, 1)),
        exempt=NORMED,
        frozen=(7.451469396, 0.09787110698),
    ),
    Case(
        losses.SemCKD,
        {"student_channels": [2, 3], "teacher_channels": [3, 2], "width": 2, "temperature": 0.5},
        EACH,
        partial(derive_levels.sem_ckd, running=True),
        shape=((4, 2, 4, 3), (4, 3, 2, 2)),
        teacher_shape=((4, 3, 3, 4), (4, 2, 3, 2)),
        small=((3, 2, 3, 2), (3, 3, 2, 1)),
        small_teacher=((3, 3, 2, 2), (3, 2, 2, 2)),
        prepare=trained,
        evaluating=True,
        note="evaluated",
        frozen=(7.098811607, 0.1999483875),
    ),
]
