"""Teachers and students really trained, whose logits a cache is measured on; each is trained once and kept."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from limbeck import Plan, Supervised, fit
from limbeck.data import Data, InputTransform, Views, augmentation, open_data
from limbeck.data import fit as fit_inputs
from limbeck.data.loader import Loader, Part
from limbeck.models import open_model
from limbeck.train import Feed
from remembered import logits_of
from specialists import opened

WORK = Path(tempfile.gettempdir()) / "limbeck-cache-error"
PLAN = {"batch_size": 64, "precision": "bf16", "channels_last": True, "weight_decay": 0.05, "select": "last"}
NETS = {
    "fashion-mnist": {"teacher": ("cnn:16-32-64", 5), "student": ("cnn:8-16", 1)},
    "tiny-imagenet-100": {"teacher": ("cnn:16-32-64-128", 12), "student": ("cnn:16-32-64", 2)},
}


@dataclass(frozen=True)
class Answers:
    """What two networks answer to test images, and what those show.

    Args:
        teacher: (N, C) logits of a trained network.
        student: (N, C) logits of a smaller one at the beginning of its training.
        labels: (N,) the truth.
        features: (N, D) pooled features of the teacher.
        taught: (M, C) logits of the teacher for training images, augmented as it learnt them.
    """

    teacher: Tensor
    student: Tensor
    labels: Tensor
    features: Tensor
    taught: Tensor


def answers_of(name: str, root: Path, work: Path = WORK) -> Answers:
    """Return the answers of a teacher and a student on a data set's test part, training both where they are not kept.

    Args:
        name: ``"fashion-mnist"`` (10 classes, 28 pixels) or ``"tiny-imagenet-100"`` (100 classes, 32 pixels).
        root: the folder that holds the data sets.
        work: where trainings are kept.
    """
    kept = work / f"{name}.pt"
    if not kept.exists():
        torch.save(measured(name, root, work), kept)
    return Answers(**torch.load(kept, weights_only=True))


def measured(name: str, root: Path, work: Path) -> dict[str, Tensor]:
    work.mkdir(parents=True, exist_ok=True)
    data, inputs = setting_of(name, root, work)
    augment = "none" if name == "fashion-mnist" else "crop-flip"
    part = Part(Views(data.source, augmentation("none", data.canvas), inputs, 0, data.canvas), data.test)
    found = {}
    for role, (net, epochs) in NETS[name].items():
        torch.manual_seed(0)
        model = open_model(net, outputs=len(data.classes), shape=data.shape).module
        views = Views(data.source, augmentation(augment, data.canvas), inputs, 0, data.canvas)
        plan = Plan(**PLAN, epochs=epochs, lr=3e-3)
        feed = Feed(Part(views, data.train))
        model = fit(Supervised(model), feed, plan, folder=work / f"{name}-{role}", resume=True).model
        found[role] = logits_of(model, part)
        if role == "teacher":
            found["features"] = pooled(model, part)
            found["taught"] = logits_of(model, Part(views, data.train[:2048]))
    return {**found, "labels": data.source.targets[data.test]}


def setting_of(name: str, root: Path, work: Path) -> tuple[Data, InputTransform]:
    if name == "tiny-imagenet-100":
        setting = opened(root / name, work)
        return setting.data, setting.inputs
    data = open_data(f"idx:{root / name}", limit=10_000)
    return data, fit_inputs(data.source, data.train, data.shape)


def pooled(model: torch.nn.Module, part: Part) -> Tensor:
    """Return what the last layer reads."""
    last = [each for each in model.modules() if isinstance(each, torch.nn.Linear)][-1]
    seen: list[Tensor] = []
    handle = last.register_forward_hook(lambda _, given, __: seen.append(given[0].detach().float()))
    with torch.no_grad():
        for batch in Loader(part, 500):
            model(batch.inputs)
    handle.remove()
    return torch.cat(seen)
