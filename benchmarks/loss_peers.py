"""The same losses by others: torchdistill's own classes, and formulations that are usual in public code.

What is given to torchdistill where it leaves something to the model or to the user: the same networks in front
(factor transfer, CRD's embeddings), its own fusion modules (ReviewKD), normalised rows (CCKD), one variance a channel
(VID), T² where there are no labels (KD, LogitStandardization), and an alias for the attribute that its CRD misspells.
``FitNets`` is the ``MSELoss`` that its configurations name.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from loss_inputs import SAMPLES, SETTINGS, Inputs

Work = Callable[[], Tensor]
"""Computes the loss, with its graph."""


def torchdistill(name: str, ours: nn.Module, inputs: Inputs) -> tuple[Work, list[nn.Module]] | None:
    """Return torchdistill's loss of that name and the modules it trains, or None where it has none."""
    if name not in PEERS:
        return None
    work = PEERS[name](ours, inputs)
    return work if isinstance(work, tuple) else (work, [])


def usual(name: str, inputs: Inputs) -> Work | None:
    """Return the formulation found in most public code, where it differs much from ours."""
    samples = len(inputs.leaves()[0])
    if name not in USUAL or (name in GIBIBYTES and samples > 64):
        return None
    return lambda: USUAL[name](inputs.student, inputs.teacher)


# torchdistill 1.1.5


def _loss(key: str, **settings: Any) -> nn.Module:
    from torchdistill.losses import mid_level

    return getattr(mid_level, key)(**settings)


AT = {"path": "layer", "io": "output"}
PAIR = {"pair": {"student": AT, "teacher": AT, "weight": 1}}
MODULES = {"student_module_path": "layer", "student_module_io": "output"} | {
    "teacher_module_path": "layer",
    "teacher_module_io": "output",
}
PATHS = {"student_output_path": "layer", "teacher_output_path": "layer"}


def _one(key: str, scale: float = 1.0, **settings: Any) -> Callable[[nn.Module, Inputs], Work]:
    """Return a maker of the loss on one layer."""

    def make(ours: nn.Module, inputs: Inputs) -> Work:
        loss = _loss(key, **settings)

        def work() -> Tensor:
            value = loss({"layer": {"output": inputs.student}}, {"layer": {"output": inputs.teacher}})
            return value if scale == 1 else scale * value

        return work

    return make


def _fsp(ours: nn.Module, inputs: Inputs) -> Work:
    pair = {
        f"{whose}_{which}": {"path": which, "io": "output"}
        for whose in ("student", "teacher")
        for which in ("first", "second")
    }
    loss = _loss("FSPLoss", fsp_pairs={"pair": pair})

    def outputs(layers: Any) -> dict[str, Any]:
        return {which: {"output": layer} for which, layer in zip(("first", "second"), layers, strict=True)}

    return lambda: loss(outputs(inputs.student), outputs(inputs.teacher))


def _cckd(ours: nn.Module, inputs: Inputs) -> Work:
    kernel = {"type": "gaussian", "gamma": 0.4, "max_p": 2}
    loss = _loss(
        "CCKDLoss",
        student_linear_path="layer",
        teacher_linear_path="layer",
        kernel_config=kernel,
        reduction="batchmean",
    )
    return lambda: loss(
        {"layer": {"output": F.normalize(inputs.student)}}, {"layer": {"output": F.normalize(inputs.teacher)}}
    )


def _vid(ours: nn.Module, inputs: Inputs) -> tuple[Work, list[nn.Module]]:
    loss = _loss("VIDLoss", feature_pairs=PAIR)
    rho = nn.ParameterList([torch.full((inputs.teacher.shape[1],), 5.0)])

    def work() -> Tensor:
        variance = (torch.log(1.0 + torch.exp(rho[0])) + 1e-5).view(1, -1, 1, 1)  # its Regressor4VID
        student = {"layer": {"output": (inputs.student, variance)}}
        return loss(student, {"layer": {"output": inputs.teacher}})

    return work, [rho]


def _factors(ours: Any, inputs: Inputs) -> tuple[Work, list[nn.Module]]:
    loss = _loss("FTLoss")

    def work() -> Tensor:
        with torch.no_grad():
            taught = ours.encoder(inputs.teacher)
        student = {"translator": {"output": ours.translator(inputs.student)}}
        return loss(student, {"paraphraser": {"output": taught}})

    return work, [ours.translator]


def _review(ours: Any, inputs: Inputs) -> tuple[Work, list[nn.Module]]:
    from torchdistill.models.wrapper import AttentionBasedFusion

    loss = _loss("HierarchicalContextLoss", **MODULES)
    levels = len(inputs.student)
    middle = min(512, inputs.student[-1].shape[1])
    fusions = nn.ModuleList(
        AttentionBasedFusion(each.shape[1], middle, each.shape[1], uses_attention=level < levels - 1)
        for level, each in enumerate(inputs.student)
    )

    def work() -> Tensor:
        total, fused = torch.zeros(()), None
        for level in reversed(range(levels)):
            known = inputs.student[level]
            output = fusions[level](known, fused, known.shape[2])
            fused = output[1]
            taught = inputs.teacher[level]
            total = total + loss({"layer": {"output": output}}, {"layer": {"output": taught}})
        return total

    return work, [fusions]


def _crd(ours: Any, inputs: Inputs) -> tuple[Work, list[nn.Module]]:
    from torchdistill.losses.mid_level import CRDLoss

    CRDLoss.prob = property(lambda loss: loss.probs)
    loss = CRDLoss(
        student_norm_module_path="embedding",
        student_empty_module_path="empty",
        teacher_norm_module_path="embedding",
        input_size=128,
        output_size=SAMPLES,
        num_negative_samples=SETTINGS["CRD"]["negatives"],
        num_samples=SAMPLES,
    )
    embeddings = nn.ModuleList([nn.Linear(512, 128), nn.Linear(512, 128)])

    def work() -> Tensor:
        own = F.normalize(embeddings[0](inputs.student))
        taught = F.normalize(embeddings[1](inputs.teacher))
        student = {"embedding": {"output": own}, "empty": {"input": {"pos_idx": inputs.context.index}}}
        return loss(student, {"embedding": {"output": taught}}).sum()

    return work, [embeddings]


def _mse(ours: nn.Module, inputs: Inputs) -> Work:
    loss = nn.MSELoss()
    return lambda: loss(inputs.student, inputs.teacher)


PEERS: dict[str, Callable[[Any, Inputs], Any]] = {
    "ActivationBoundary": _one("AltActTransferLoss", feature_pairs=PAIR, margin=1.0, reduction="mean"),
    "AttentionTransfer": _one("ATLoss", at_pairs=PAIR, mode="code"),
    "CRD": _crd,
    "CorrelationCongruence": _cckd,
    "DIST": _one("DISTLoss", **MODULES),
    "FSP": _fsp,
    "FactorTransfer": _factors,
    "FitNets": _mse,
    "ICKD": _one("ChSimLoss", feature_pairs=PAIR),
    "KD": _one("KDLoss", 4.0**2, **MODULES, temperature=4.0, alpha=0.0),
    "LogitStandardization": _one("LogitStdKDLoss", 2.0**2, **MODULES, temperature=2.0, alpha=0.0),
    "PKT": _one("PKTLoss", **MODULES),
    "RKDAngle": _one("RKDLoss", **PATHS, dist_factor=0.0, angle_factor=1.0, reduction="mean"),
    "RKDDistance": _one("RKDLoss", **PATHS, dist_factor=1.0, angle_factor=0.0, reduction="mean"),
    "ReviewKD": _review,
    "SimilarityPreserving": _one("SPKDLoss", **PATHS, reduction="batchmean"),
    "VID": _vid,
}


# Formulations of other public code


def _rkd(student: Tensor, teacher: Tensor) -> Tensor:
    """Return distance and angle with all differences (N, N, D) written out."""
    with torch.no_grad():
        taught = _distances(teacher), _angles(teacher)
    return F.smooth_l1_loss(_distances(student), taught[0]) + F.smooth_l1_loss(_angles(student), taught[1])


def _distances(rows: Tensor) -> Tensor:
    squared = rows.square().sum(1)
    apart = (squared[:, None] + squared - 2 * rows @ rows.T).clamp(min=1e-12).sqrt()
    apart = apart * (1 - torch.eye(len(rows)))
    return apart / apart[apart > 0].mean()


def _angles(rows: Tensor) -> Tensor:
    towards = F.normalize(rows[None] - rows[:, None], dim=2)
    return torch.bmm(towards, towards.transpose(1, 2))


def _nst(student: Tensor, teacher: Tensor) -> Tensor:
    """Return the squared MMD with all products of channels (N, C, C, H·W) written out."""
    known, taught = (F.normalize(each.flatten(2), dim=2) for each in (student, teacher))

    def kernel(a: Tensor, b: Tensor) -> Tensor:
        return (a[:, :, None] * b[:, None]).sum(3).square().mean()

    with torch.no_grad():
        constant = kernel(taught, taught)
    return constant + kernel(known, known) - 2 * kernel(known, taught)


def _flow(student: tuple[Tensor, Tensor], teacher: tuple[Tensor, Tensor]) -> Tensor:
    """Return the distance of flow matrices with all products (N, A, B, H·W) written out."""
    flows = [(a.flatten(2)[:, :, None] * b.flatten(2)[:, None]).mean(3) for a, b in (student, teacher)]
    return F.mse_loss(*flows)


USUAL: dict[str, Callable[[Any, Any], Tensor]] = {"RKD": _rkd, "NST": _nst, "FSP": _flow}
GIBIBYTES = {"NST", "FSP"}
"""Whose memory at 256 samples, 8 GiB and more, few machines have."""


def rkd(distance: nn.Module, angle: nn.Module, inputs: Inputs) -> Work:
    """Return our two parts of relational distillation together, as they are usually used."""
    return lambda: distance(inputs.student, inputs.teacher) + angle(inputs.student, inputs.teacher)
