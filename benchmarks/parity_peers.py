"""How torchdistill 1.1.5 and timm are called, and what is changed of them to show why a value differs."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

Loss = Callable[[Any, Any], Tensor]
AT = {"path": "layer", "io": "output"}
PAIR = {"pair": {"student": AT, "teacher": AT, "weight": 1}}
OUTPUTS = {"student_output_path": "layer", "teacher_output_path": "layer"}
INDEX = [3, 17, 0, 9, 12, 5]
MODULES = {f"{whose}_module_{what}": AT[what] for whose in ("student", "teacher") for what in ("path", "io")}


def mid_level(key: str, **settings: Any) -> Any:
    """Return a loss of torchdistill."""
    from torchdistill.losses import mid_level as module

    kind = getattr(module, key)
    asks = "student_module_path" in kind.__init__.__code__.co_varnames
    return kind(**(MODULES if asks else {}), **settings)


def tapped(layer: Any) -> dict[str, dict[str, Any]]:
    return {"layer": {"output": layer}}


def one(key: str, **settings: Any) -> Callable[[Any], Loss]:
    """Return a loss of torchdistill on one layer of each side."""

    def made(ours: Any) -> Loss:
        loss = mid_level(key, **settings)
        return lambda student, teacher: loss(tapped(student), tapped(teacher))

    return made


def kd_beside_labels(ours: Any) -> Loss:
    loss = mid_level("KDLoss", temperature=4.0, alpha=0.5, beta=1.0)

    def value(student: Tensor, teacher: Tensor) -> Tensor:
        labels = teacher.argmin(1)
        return loss(tapped(student), tapped(teacher), labels) - 0.5 * F.cross_entropy(student, labels)

    return value


def mse(ours: Any) -> Loss:
    from torchdistill.losses.mid_level import SimpleLossWrapper

    known = {"is_from_teacher": False, "module_path": "layer", "io": "output"}
    taught = {**known, "is_from_teacher": True, "uses_label": False}
    loss = SimpleLossWrapper(nn.MSELoss(), input=known, target=taught)
    return lambda student, teacher: loss(tapped(student), tapped(teacher), None)


def population_standardised(ours: Any) -> Loss:
    loss = mid_level("LogitStdKDLoss", temperature=2.0, alpha=0.0)
    loss.standardize = lambda z: (
        (z - z.mean(-1, keepdim=True)) / (z.var(-1, correction=0, keepdim=True) + 1e-6).sqrt()
    )
    return lambda student, teacher: loss(tapped(student), tapped(teacher))


def squared_attention(ours: Any) -> Loss:
    attend = mid_level("ATLoss", at_pairs=PAIR, mode="paper").attention_transfer_paper
    return lambda student, teacher: (attend(student) - attend(teacher)).square().sum(1).mean()


def fsp(ours: Any) -> Loss:
    pair = {
        f"{whose}_{which}": {"path": which, "io": "output"}
        for whose in ("student", "teacher")
        for which in ("first", "second")
    }
    loss = mid_level("FSPLoss", fsp_pairs={"pair": pair})

    def outputs(layers: Any) -> dict[str, Any]:
        return {which: {"output": layer} for which, layer in zip(("first", "second"), layers, strict=True)}

    return lambda student, teacher: loss(outputs(student), outputs(teacher))


def squared_flow(ours: Any) -> Loss:
    flow = mid_level("FSPLoss", fsp_pairs={}).compute_fsp_matrix
    return lambda student, teacher: (flow(*student) - flow(*teacher)).square().sum((1, 2)).mean()


def factor_transfer(ours: Any) -> Loss:
    from torchdistill.models.wrapper import Paraphraser4FactorTransfer, Translator4FactorTransfer

    paraphraser = Paraphraser4FactorTransfer(0.5, 6, uses_bn=False)
    translator = Translator4FactorTransfer(3, 3, uses_bn=False)
    loss = mid_level("FTLoss")

    def value(student: Tensor, teacher: Tensor) -> Tensor:
        with torch.no_grad():
            taught = functional_call(paraphraser.encoder, dict(ours.encoder.named_parameters()), (teacher,))
        known = functional_call(translator, dict(ours.translator.named_parameters()), (student,))
        return loss({"translator": {"output": known}}, {"paraphraser": {"output": taught}})

    return value


def vid(ours: Any) -> Loss:
    from torchdistill.models.wrapper import Regressor4VID

    channels = len(ours.rho)
    regressor = Regressor4VID(channels, channels, channels, eps=1e-5, init_pred_var=5.0)
    regressor.regressor = nn.Identity()  # the mean is an adapter's business in limbeck
    loss = mid_level("VIDLoss", feature_pairs=PAIR)

    def value(student: Tensor, teacher: Tensor) -> Tensor:
        predicted = functional_call(regressor, {"soft_plus_param": ours.rho}, (student,))
        return loss(tapped(predicted), tapped(teacher))

    return value


def crd(ours: Any) -> Loss:
    """Return CRD with limbeck's embeddings and memories; every other sample is a negative."""
    from torchdistill.models.wrapper import Normalizer4CRD

    samples, width = ours.memory_student.shape
    loss = mid_level(
        "CRDLoss",
        student_norm_module_path="layer",
        student_empty_module_path="empty",
        teacher_norm_module_path="layer",
        input_size=width,
        output_size=samples,
        num_negative_samples=samples - 1,
        num_samples=samples,
    ).to(ours.memory_student.dtype)
    loss.memory_v1.copy_(ours.memory_student)
    loss.memory_v2.copy_(ours.memory_teacher)
    embed = Normalizer4CRD(ours.embed_student), Normalizer4CRD(ours.embed_teacher)
    negatives = [[own, *(each for each in range(samples) if each != own)] for own in INDEX]
    supplied = {"input": {"pos_idx": torch.tensor(INDEX), "contrast_idx": torch.tensor(negatives)}}
    return lambda student, teacher: loss(
        {**tapped(embed[0](student)), "empty": supplied}, tapped(embed[1](teacher))
    ).sum()


def review(ours: Any) -> Loss:
    from torchdistill.models.wrapper import AttentionBasedFusion

    loss = mid_level("HierarchicalContextLoss")
    names = {"conv1.": "own.", "conv2.": "out.", "attention_conv.0.": "attention."}

    def fuse(level: int, known: Tensor, deeper: Tensor | None) -> tuple[Tensor, Tensor]:
        own = dict(ours.fusions[level].named_parameters())
        middle, out = own["own.0.weight"].shape[0], own["out.0.weight"].shape[0]
        fusion = AttentionBasedFusion(known.shape[1], middle, out, uses_attention=deeper is not None)
        fusion.to(own["own.0.weight"].dtype)
        given = {
            theirs: own[theirs.replace(start, names[start])]
            for theirs, _ in fusion.named_parameters()
            for start in names
            if theirs.startswith(start)
        }
        return functional_call(fusion, given, (known, deeper, known.shape[2]))

    def value(student: Any, teacher: Any) -> Tensor:
        total, deeper = student[0].new_zeros(()), None
        for level in reversed(range(len(student))):
            fused = fuse(level, student[level], deeper)
            deeper = fused[1]
            total = total + loss(tapped(fused), tapped(teacher[level]))
        return total

    return value


def rkd(distance: float, angle: float) -> Callable[[Any], Loss]:
    return one("RKDLoss", **OUTPUTS, dist_factor=distance, angle_factor=angle, reduction="mean")


def similarity_by_l2(ours: Any) -> Loss:
    loss = mid_level("SPKDLoss", **OUTPUTS, reduction="batchmean")
    loss.matmul_and_normalize = lambda z: F.normalize(z.flatten(1) @ z.flatten(1).T, p=2, dim=1)
    return lambda student, teacher: loss(tapped(student), tapped(teacher))


def congruence(rows: Callable[[Tensor], Tensor]) -> Callable[[Any], Loss]:
    def made(ours: Any) -> Loss:
        loss = mid_level(
            "CCKDLoss",
            student_linear_path="layer",
            teacher_linear_path="layer",
            kernel_config={"type": "gaussian", "gamma": 0.4, "max_p": 2},
            reduction="batchmean",
        )
        return lambda student, teacher: loss(tapped(rows(student)), tapped(rows(teacher)))

    return made


def affinities_as_ours(diagonal: bool) -> Callable[[Any], Loss]:
    """Return the peer's formula with limbeck's small number in limbeck's place, and its diagonal or none."""

    def log_shares(rows: Tensor) -> Tensor:
        unit = F.normalize(rows)
        logs = ((unit @ unit.T + 1) / 2 + 1e-6).log()
        return (logs if diagonal else logs.fill_diagonal_(-1e9)).log_softmax(1)

    def value(student: Tensor, teacher: Tensor) -> Tensor:
        taught = log_shares(teacher)
        return (taught.exp() * (taught - log_shares(student))).mean()

    return lambda ours: value


def correlation_as_ours(temperature: float) -> Callable[[Any], Loss]:
    """Return DIST with 1e-8 added to the product of norms."""

    def correlation(a: Tensor, b: Tensor, eps: float) -> Tensor:
        a, b = (each - each.mean(1, keepdim=True) for each in (a, b))
        return (a * b).sum(1) / (a.norm(dim=1) * b.norm(dim=1) + eps)

    def made(ours: Any) -> Loss:
        loss = mid_level("DISTLoss", tau=temperature)
        loss.pearson_correlation = correlation
        return lambda student, teacher: loss(tapped(student), tapped(teacher))

    return made


# timm


class Gives(nn.Module):
    """A network in timm's eyes that gives one tensor, whatever it sees."""

    num_classes, in_chans = 10, 3
    pretrained_cfg = {"mean": (0.0,) * 3, "std": (1.0,) * 3}  # noqa: RUF012 - as timm's models have it

    def __init__(self, given: Tensor, distilled: bool = False) -> None:
        super().__init__()
        self.given, self.distilled, self.num_features = given, distilled, given.shape[1]

    def set_distilled_training(self, enabled: bool) -> None:
        self.distilled = enabled

    def forward(self, images: Tensor) -> Any:
        return (self.given, self.given) if self.distilled else self.given

    def forward_features(self, images: Tensor) -> Tensor:
        return self.given

    def forward_head(self, features: Tensor, pre_logits: bool = False) -> Tensor:
        return features


def timm_task(name: str, part: str, **settings: Any) -> Callable[[Any], Loss]:
    """Return the part of a timm task's result that is its distillation loss."""

    def value(student: Tensor, teacher: Tensor) -> Tensor:
        from timm import task

        made = getattr(task, name)(
            Gives(student), Gives(teacher), criterion=nn.MSELoss(), verbose=False, **settings
        )
        return made(torch.zeros(1, 3, 1, 1), student.detach())[part]

    return lambda ours: value


def timm_logits(temperature: float) -> Callable[[Any], Loss]:
    return timm_task("LogitDistillationTask", "kd_loss", temperature=temperature)


timm_hard = timm_task("TokenDistillationTask", "distill_loss", distill_type="hard")
timm_features = timm_task("FeatureDistillationTask", "kd_loss")
