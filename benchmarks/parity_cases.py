"""The same methods by others: which class, after which factor, and why values differ where they do.

A peer is given limbeck's own loss: where both have learnable parts, it computes with limbeck's parameters.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import parity_peers as peers
from limbeck import losses
from limbeck.types import Context

Loss = Callable[[Any, Any], Tensor]
N, C, D = 6, 10, 8
MAP = (4, 4)
LOGITS, ROWS, MAPS = ((N, C),), ((N, D),), ((N, 5, *MAP),)
LEVELS = ((N, 4, 8, 8), (N, 6, 4, 4), (N, 8, 2, 2))
PLACES, ELEMENTS = MAP[0] * MAP[1], 5 * MAP[0] * MAP[1]
SAMPLES = 20


@dataclass(frozen=True)
class Comparison:
    """One method of limbeck and of a peer.

    Args:
        method: the class in ``limbeck.losses``.
        settings: of limbeck's loss.
        peer: whose class, with the settings that matter.
        theirs: limbeck's loss -> the peer's value for a student and a teacher.
        shapes: of the student's layers.
        teacher_shapes: of the teacher's, where they are others.
        factor: limbeck's value over the peer's.
        factor_is: the factor in words.
        whose: whose doing a difference is: "bug of the peer", "choice of limbeck", "choice of the peer".
        because: why the values differ, when they do.
        put_right: the peer with just that changed.
        context: what comes with the batch.
    """

    method: str
    peer: str
    theirs: Callable[[Any], Loss]
    shapes: tuple[tuple[int, ...], ...]
    settings: dict[str, Any] = field(default_factory=dict)
    teacher_shapes: tuple[tuple[int, ...], ...] | None = None
    factor: float = 1.0
    factor_is: str = "1"
    whose: str = ""
    because: str = ""
    put_right: Callable[[Any], Loss] | None = None
    context: Context | None = None

    def ours(self, dtype: torch.dtype) -> nn.Module:
        torch.manual_seed(0)
        return getattr(losses, self.method)(**self.settings).to(dtype)

    def inputs(self, seed: int, dtype: torch.dtype) -> tuple[list[Tensor], Any]:
        generator = torch.Generator().manual_seed(seed)
        student = [2 * torch.randn(shape, generator=generator).to(dtype) for shape in self.shapes]
        wanted = self.teacher_shapes or self.shapes
        teacher = [2 * torch.randn(shape, generator=generator).to(dtype) for shape in wanted]
        return student, tuple(teacher) if len(teacher) > 1 else teacher[0]

    def awkward(self) -> dict[str, tuple[list[Tensor], Any]]:
        """Return inputs at which losses have been seen to break."""
        student, teacher = self.inputs(0, torch.float32)
        layers = list(teacher) if isinstance(teacher, tuple) else [teacher]

        def changed(change: Callable[[Tensor], Tensor]) -> tuple[list[Tensor], Any]:
            given = [change(each) for each in layers]
            return [change(each) for each in student], tuple(given) if len(given) > 1 else given[0]

        found = {
            "both zero": changed(torch.zeros_like),
            "two equal samples": changed(lambda each: torch.cat([each[:-1], each[:1]])),
            "all samples equal": changed(lambda each: each[:1].expand_as(each).clone()),
            "±1000": changed(lambda each: 1e3 * each.sign()),
            "1000 + 0.01 x": changed(lambda each: 1e3 + 0.01 * each),
            "float16": changed(lambda each: each.half()),
            "two equal samples in float16": changed(lambda each: torch.cat([each[:-1], each[:1]]).half()),
        }
        if [each.shape for each in student] == [each.shape for each in layers]:
            found["student = teacher"] = [each.clone() for each in layers], teacher
        return found


def times(loss: Callable[[Any], Loss], change: Callable[[Tensor], Tensor]) -> Callable[[Any], Loss]:
    """Return the peer with its value changed."""
    return lambda ours: lambda student, teacher: change(loss(ours)(student, teacher))


CASES = [
    Comparison(
        "KD",
        "torchdistill `KDLoss(alpha=0.5, beta=1)`, less its hard loss",
        peers.kd_beside_labels,
        LOGITS,
    ),
    Comparison(
        "KD",
        "torchdistill `KDLoss(alpha=0)`",
        peers.one("KDLoss", temperature=4.0, alpha=0.0),
        LOGITS,
        whose="bug of the peer",
        because="`KDLoss.forward` returns before T² (and beta) are applied where alpha is 0 or there are no labels, "
        "so the weight of soft targets falls by T² there",
        put_right=times(peers.one("KDLoss", temperature=4.0, alpha=0.0), lambda value: 16 * value),
    ),
    Comparison("KD", "timm `LogitDistillationTask`", peers.timm_logits(4.0), LOGITS),
    Comparison(
        "LogitRegression",
        "torchdistill `SimpleLossWrapper(MSELoss)`",
        peers.mse,
        LOGITS,
        factor=C / 2,
        factor_is="C/2",
    ),
    Comparison(
        "LogitStandardization",
        "torchdistill `LogitStdKDLoss(alpha=0)`",
        peers.one("LogitStdKDLoss", temperature=2.0, alpha=0.0),
        LOGITS,
        factor=4.0,
        factor_is="T²",
        whose="choice of limbeck",
        because="the standard deviation is that of the C logits, as in the paper; the peer's is a sample's (C − 1)",
        put_right=peers.population_standardised,
    ),
    Comparison(
        "DIST",
        "torchdistill `DISTLoss(tau=1)`",
        peers.one("DISTLoss"),
        LOGITS,
        whose="choice of the peer",
        because="limbeck adds 1e-8 to the product of norms, as the authors' code does; the peer raises each norm to at "
        "least 1e-8",
        put_right=peers.correlation_as_ours(1.0),
    ),
    Comparison(
        "DIST",
        "torchdistill `DISTLoss(tau=4)`",
        peers.one("DISTLoss", tau=4.0),
        LOGITS,
        {"temperature": 4.0},
        factor=1 / 16,
        factor_is="1/T²",
        whose="choice of the peer",
        because="limbeck adds 1e-8 to the product of norms, as the authors' code does; the peer raises each norm to at "
        "least 1e-8",
        put_right=peers.correlation_as_ours(4.0),
    ),
    Comparison("HardDistillation", 'timm `TokenDistillationTask("hard")`', peers.timm_hard, LOGITS),
    Comparison("FitNets", "torchdistill `SimpleLossWrapper(MSELoss)`", peers.mse, MAPS),
    Comparison("FitNets", "timm `FeatureDistillationTask`", peers.timm_features, ROWS),
    Comparison(
        "AttentionTransfer",
        'torchdistill `ATLoss(mode="code")`',
        peers.one("ATLoss", at_pairs=peers.PAIR, mode="code"),
        MAPS,
        factor=PLACES,
        factor_is="H·W",
    ),
    Comparison(
        "AttentionTransfer",
        'torchdistill `ATLoss(mode="paper")`',
        peers.one("ATLoss", at_pairs=peers.PAIR, mode="paper"),
        MAPS,
        whose="choice of limbeck",
        because="the square of the norm, as in the authors' code; the peer's mode takes equation 2's norm",
        put_right=peers.squared_attention,
    ),
    Comparison(
        "FSP",
        "torchdistill `FSPLoss`",
        peers.fsp,
        ((N, 4, 8, 8), (N, 6, 4, 4)),
        factor=1 / 24,
        factor_is="1/(A·B)",
        whose="bug of the peer",
        because="`norm(dim=1).sum()` adds the lengths of the columns of G_s − G_t; the paper and limbeck "
        "square its elements",
        put_right=peers.squared_flow,
    ),
    Comparison(
        "FactorTransfer",
        "torchdistill `FTLoss` with its `Translator4FactorTransfer`",
        peers.factor_transfer,
        ((N, 3, *MAP),),
        {"student_channels": 3, "teacher_channels": 6},
        teacher_shapes=((N, 6, *MAP),),
    ),
    Comparison(
        "ActivationBoundary",
        "torchdistill `AltActTransferLoss`",
        peers.one("AltActTransferLoss", feature_pairs=peers.PAIR, margin=1.0, reduction="mean"),
        MAPS,
        factor=1 / ELEMENTS,
        factor_is="1/(C·H·W)",
    ),
    Comparison("VID", "torchdistill `VIDLoss`", peers.vid, MAPS, {"teacher_channels": 5}),
    Comparison(
        "CRD",
        "torchdistill `CRDLoss`, given its negatives",
        peers.crd,
        ROWS,
        {"student_channels": D, "teacher_channels": D, "samples": SAMPLES, "width": 4},
        because="negatives are given because the peer's own draw fails: `CRDLoss.draw` reads `self.prob`, which is "
        "named `probs`. The 1e-7 that it adds to denominators does not show",
        context=Context(index=torch.tensor(peers.INDEX)),
    ),
    Comparison(
        "ReviewKD",
        "torchdistill `HierarchicalContextLoss` over `AttentionBasedFusion`",
        peers.review,
        LEVELS,
        {"student_channels": (4, 6, 8), "teacher_channels": (5, 7, 9)},
        teacher_shapes=((N, 5, 8, 8), (N, 7, 4, 4), (N, 9, 2, 2)),
    ),
    Comparison("RKDDistance", "torchdistill `RKDLoss(1, 0)`", peers.rkd(1.0, 0.0), ROWS),
    Comparison("RKDAngle", "torchdistill `RKDLoss(0, 1)`", peers.rkd(0.0, 1.0), ROWS),
    Comparison(
        "SimilarityPreserving",
        "torchdistill `SPKDLoss`",
        peers.one("SPKDLoss", **peers.OUTPUTS, reduction="batchmean"),
        MAPS,
        whose="bug of the peer",
        because="`normalize(…, 1)` in `SPKDLoss.matmul_and_normalize` passes 1 as p and so divides rows by their L1 "
        "norm; the paper by their L2 norm",
        put_right=peers.similarity_by_l2,
    ),
    Comparison(
        "CorrelationCongruence",
        "torchdistill `CCKDLoss(gaussian)` on unit rows",
        peers.congruence(F.normalize),
        ROWS,
        whose="bug of the peer",
        because="`torch.dist` is the norm of the difference; the paper squares it before the mean over N². (The peer "
        "leaves unit rows to the model)",
        put_right=times(peers.congruence(F.normalize), lambda value: (N**2 * value) ** 2 / N**2),
    ),
    Comparison(
        "PKT",
        "torchdistill `PKTLoss`",
        peers.one("PKTLoss"),
        ROWS,
        {"diagonal": True},
        factor=N,
        factor_is="N",
        whose="choice of limbeck",
        because="1e-6 is added to affinities, where the peer adds 1e-7 inside the logarithm",
        put_right=peers.affinities_as_ours(diagonal=True),
    ),
    Comparison(
        "PKT",
        "torchdistill `PKTLoss`",
        peers.one("PKTLoss"),
        ROWS,
        factor=N,
        factor_is="N",
        whose="choice of limbeck",
        because="a sample's affinity with itself does not count, as in the paper's formula (and 1e-6 as above)",
        put_right=peers.affinities_as_ours(diagonal=False),
    ),
    Comparison(
        "ICKD",
        "torchdistill `ChSimLoss`",
        peers.one("ChSimLoss", feature_pairs=peers.PAIR),
        MAPS,
        factor=N,
        factor_is="N",
    ),
]
