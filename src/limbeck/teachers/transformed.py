"""A teacher asked about several transforms of each sample (Radosavovic et al. 2018)."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from limbeck.data.source import digest
from limbeck.errors import LimbeckError
from limbeck.functional import log_mean
from limbeck.tasks import Classification, Task
from limbeck.teachers.base import Teacher
from limbeck.teachers.geometry import Transform, transforms_named
from limbeck.teachers.panel import asked, checked_teachers, known_by
from limbeck.types import Batch, Outputs


class Transformed:
    """A teacher whose answer is the average of its answers to several transforms of the sample.

    Radosavovic, Dollár, Girshick, Gkioxari, He, "Data Distillation: Towards Omni-Supervised Learning", CVPR 2018, arXiv
    1712.04440: one model becomes an ensemble of its views, better than itself, and can teach a student of its own size
    on unlabelled data.

    Definition:
        With transforms f_1 … f_M and z(x) the teacher's logits, the logits given are log 1/M · Σ_m softmax(z(f_m(x))),
        averaged at T = 1. In regression the values are averaged.

    Differs from the paper:
        The paper makes hard labels of the average, since boxes and keypoints cannot be averaged plainly; here the
        answer stays soft, and ``HardDistillation`` hardens it. The images keep their size: a scale shrinks or enlarges
        what is in them.

    When it helps:
        When unlabelled data is plenty and labels are few, and the classes are the same after each transform: a flipped
        digit is no digit. Every transform is a forward of the teacher, so keep its answers if they are needed again.

    Args:
        teacher: any teacher.
        transforms: names (``"identity"``, ``"flip"``, ``"shift-1"`` for four shifts by a pixel, ``"scale-0.9"``) or
            functions of what the teacher reads of the batch, which give the same for each sample transformed.

    Attributes:
        transforms: every transform by its name; each costs a forward.

    Raises:
        LimbeckError: no teacher; no transform, an unknown one or one that stands twice; at a batch, inputs that are no
            images where a named transform is used, a transform that loses samples, layers asked for without
            ``"identity"``.

    Example:
        >>> from limbeck import Frozen
        >>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 3))
        >>> teacher = Transformed(Frozen(net), ["identity", "flip", "shift-1"])
        >>> teacher(Batch(torch.zeros(2, 1, 4, 4)))["logits"].shape, teacher.forwards
        (torch.Size([2, 3]), 12)
    """

    def __init__(self, teacher: Teacher, transforms: Sequence[str | Transform]):
        self.teacher = checked_teachers("Transformed", [teacher])[0]
        given: Any = transforms
        if isinstance(given, str) or callable(given) or not given:
            raise LimbeckError("Transformed takes a list of transforms, such as ['identity', 'flip'].")
        self.transforms = _named(transforms)
        self.forwards = 0

    def __call__(self, batch: Batch, task: Task | None = None, names: Sequence[str] = ()) -> Outputs:
        """Return the average answer for ``batch`` (see :class:`limbeck.teachers.Teacher`)."""
        task = task or Classification()
        first, layers = task.outputs[0], [name for name in names if name not in task.outputs]
        if layers and "identity" not in self.transforms:
            raise LimbeckError(
                f"Transformed gives layers of the sample as it is, such as {layers[0]!r}, and never sees it: add "
                "'identity' to its transforms."
            )
        if first != "logits" and len(task.outputs) > 1:
            raise LimbeckError(
                f"Transformed averages class probabilities or values, and {task.name} gives neither."
            )
        answers: list[Tensor] = []
        known: dict[str, Any] = {}
        for name, transform in self.transforms.items():
            wanted = layers if name == "identity" else []
            outputs = asked(self, self.teacher, self._batch(batch, name, transform), task, wanted)
            answers.append(outputs[first])
            known |= {layer: outputs[layer] for layer in wanted}
        mean = log_mean(answers) if first == "logits" else torch.stack(answers).mean(0)
        return Outputs({first: mean, **known})

    def fingerprint(self) -> str:
        """Return a SHA-256 of the teacher and the transforms, functions by their names."""
        return digest(["Transformed", *self.transforms, known_by(self.teacher)])

    def _batch(self, batch: Batch, name: str, transform: Transform) -> Batch:
        """Return the batch with the teacher's inputs transformed."""
        if name == "identity":
            return batch
        inputs, role = batch.inputs, getattr(self.teacher, "role", None)
        if not isinstance(inputs, Mapping):
            changed = transform(inputs)
        elif role in inputs:
            changed = {**inputs, role: transform(inputs[role])}
        else:  # fields of one sample, or several teachers with inputs of their own
            changed = {key: transform(value) for key, value in inputs.items()}
        # Without index and view: what was kept of the sample as it is must not be taken for what it has become.
        made = replace(batch, inputs=changed, index=None, view=None)
        if len(made) != len(batch):
            raise LimbeckError(
                f"The transform {name!r} made {len(made)} samples of {len(batch)}: it must keep each."
            )
        return made


def _named(transforms: Sequence[str | Transform]) -> dict[str, Transform]:
    """Return every transform by a name that is the same in every process."""
    found: dict[str, Transform] = {}
    for each in transforms:
        if isinstance(each, str):
            new = transforms_named(each)
            twice = [name for name in new if name in found]
            if twice:
                raise LimbeckError(f"The transform {twice[0]!r} stands twice: it would count double.")
            found |= new
        elif callable(each):
            found[f"{len(found) + 1}: {_described(each)}"] = each
        else:
            raise LimbeckError(f"A transform is a name such as 'flip' or a function, not {each!r}.")
    return found


def _described(function: Transform) -> str:
    text = getattr(function, "__qualname__", None) or repr(function)
    return type(function).__qualname__ if " at 0x" in text else text
