"""The yardstick: the distillation loop that a good PyTorch programmer writes, and the nets it is run on.

It imports nothing of limbeck, so that its memory can be measured without it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

TEMPERATURE = 4.0
KD_WEIGHT = 0.9
TASK_WEIGHT = 0.1
LR = 1e-3
WEIGHT_DECAY = 1e-2


@dataclass(frozen=True)
class Case:
    """A pair of models and the data they meet.

    Args:
        name: what the records call it.
        models: names of teacher and student, as limbeck spells them.
        shape: (C, H, W) of an image.
        classes: number of classes.
        batch_size: samples in a batch.
        samples: samples in an epoch.
        epochs: passes over them that are timed at once.
    """

    name: str
    models: tuple[str, str]
    shape: tuple[int, int, int]
    classes: int
    batch_size: int
    samples: int
    epochs: int

    @property
    def steps(self) -> int:
        return self.epochs * -(-self.samples // self.batch_size)

    def teacher(self) -> nn.Module:
        return NETS[self.models[0]]()

    def student(self) -> nn.Module:
        return NETS[self.models[1]]()

    def data(self) -> tuple[Tensor, Tensor]:
        """Return images, already normalised, and labels, in memory."""
        generator = torch.Generator().manual_seed(0)
        inputs = torch.randn(self.samples, *self.shape, generator=generator)
        return inputs, torch.randint(self.classes, (self.samples,), generator=generator)


def resnet(name: str) -> nn.Module:
    import timm

    return timm.create_model(name, num_classes=100)


def cnn(widths: Sequence[int], depth: int) -> nn.Module:
    """Return the net for 8×8 grey digits that limbeck calls ``cnn:W-W?depth=D``, written out."""
    layers: list[nn.Module] = []
    channels = 1
    for number, width in enumerate(widths):
        for layer in range(depth):
            stride = 2 if number and not layer else 1
            layers += [nn.Conv2d(channels, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
            channels = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 10))


def mlp(width: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(64, width), nn.ReLU(), nn.Linear(width, 10))


NETS = {
    "timm:resnet34": lambda: resnet("resnet34"),
    "timm:resnet18": lambda: resnet("resnet18"),
    "cnn:32-64-128?depth=2": lambda: cnn((32, 64, 128), 2),
    "mlp:64": lambda: mlp(64),
    "cnn:32-64": lambda: cnn((32, 64), 1),
    "cnn:8-16": lambda: cnn((8, 16), 1),
}

RESNET = Case(
    "resnet", ("timm:resnet34", "timm:resnet18"), (3, 64, 64), 100, batch_size=32, samples=640, epochs=3
)
DEMO = Case(
    "demo", ("cnn:32-64-128?depth=2", "mlp:64"), (1, 8, 8), 10, batch_size=32, samples=1152, epochs=40
)
SMALL = Case("small", ("cnn:32-64", "cnn:8-16"), (1, 8, 8), 10, batch_size=64, samples=1152, epochs=40)
CASES = {case.name: case for case in (RESNET, DEMO, SMALL)}


def adamw(model: nn.Module) -> torch.optim.Optimizer:
    """Return fused AdamW that spares biases and normalisation from decay, as limbeck's does."""
    matrices = [each for each in model.parameters() if each.dim() > 1]
    vectors = [each for each in model.parameters() if each.dim() <= 1]
    groups = [{"params": matrices, "weight_decay": WEIGHT_DECAY}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=LR, fused=True)


def distil(
    student: nn.Module,
    teacher: nn.Module,
    inputs: Tensor,
    targets: Tensor,
    batch_size: int,
    orders: Sequence[Tensor],
) -> float:
    """Train ``student`` and return the mean loss of the last epoch.

    Args:
        student: is trained.
        teacher: is not.
        inputs: (N, C, H, W) all images.
        targets: (N,) all labels.
        batch_size: samples in a batch.
        orders: for each epoch, the order (N,) in which to go through them.
    """
    teacher.eval().requires_grad_(False)
    student.train()
    optimizer = adamw(student)
    mean = 0.0
    for order in orders:
        total, steps = 0.0, 0
        for index in order.split(batch_size):
            images, labels = inputs[index], targets[index]
            with torch.no_grad():
                known = teacher(images)
            logits = student(images)
            loss = TASK_WEIGHT * F.cross_entropy(logits, labels) + KD_WEIGHT * TEMPERATURE**2 * F.kl_div(
                F.log_softmax(logits / TEMPERATURE, -1),
                F.log_softmax(known / TEMPERATURE, -1),
                reduction="batchmean",
                log_target=True,
            )
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            total, steps = total + loss.item(), steps + 1
        mean = total / steps
    return mean
