"""The models of a run, opened and checked before the first step of training."""

import copy
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from limbeck.data import Data, InputTransform, Standardise, fit
from limbeck.errors import LimbeckError
from limbeck.models import Model, load_weights, open_model
from limbeck.models.rescaled import Rescaled
from limbeck.tasks import Classification, Frames, Regression, Task
from limbeck.teachers import Teacher
from limbeck.train import Plan
from limbeck.train.batches import check_single
from limbeck.train.engine import processes

Given: TypeAlias = str | nn.Module | Model | Callable[[], nn.Module]
"""How a person may give a model: a spec, a network, an opened model, or a function that makes a network."""


@dataclass(frozen=True)
class Candidate:
    """A model of the run, which can be made afresh for every seed.

    Args:
        given: what the person gave.
        role: ``"teacher"``, ``"student"`` or ``"model"``.
        data: says how many outputs there are and what an input looks like.
        task: what the labels mean.
        weights: file of weights to start from.
        pretrained: start from the zoo's weights.
        size: image size in pixels the model is to read.
        plugins: files of the person's own factories.
    """

    given: Given | Teacher
    role: str
    data: Data
    task: Task
    weights: str | None = None
    pretrained: bool = False
    size: int | None = None
    plugins: Sequence[str] = ()

    def open(self, seed: int) -> Model:
        """Return the model with the initial weights of ``seed``.

        Raises:
            LimbeckError: no such model; weights that do not fit; classes that disagree.
        """
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = self._from_spec(self.given) if isinstance(self.given, str) else self._from_object()
        if model.classes and self.data.classes and tuple(model.classes) != tuple(self.data.classes):
            raise LimbeckError(
                f"The {self.role} {model.name} knows the classes {_few(model.classes)}, but {self.data.name} has "
                f"{_few(self.data.classes)}: give data with the same classes in the same order."
            )
        # Saved with the weights, so that nobody teaches other classes with this model.
        return replace(model, classes=model.classes or self.data.classes)

    def _from_spec(self, spec: str) -> Model:
        data = self.data
        outputs = len(data.classes) if data.classes else 1
        model = open_model(
            spec,
            outputs=outputs,
            shape=data.shape,
            pretrained=self.pretrained,
            weights=Path(self.weights) if self.weights else None,
            size=self.size,
            plugins=[Path(each) for each in self.plugins],
            role=self.role,
        )
        return self._fresh(model) if model.weights is None else model

    def _fresh(self, model: Model) -> Model:
        """Return a model without weights, fed by the statistics of this data and on the scale of its targets."""
        measured = measured_inputs(self.data)
        if isinstance(measured, InputTransform) and isinstance(model.inputs, InputTransform):
            if measured.channels == model.inputs.channels:
                measured = replace(measured, size=model.inputs.size)
                model = replace(model, inputs=measured)
        elif measured is not None:
            model = replace(model, inputs=measured)
        if isinstance(self.task, Regression):
            scale = (self.task.mean, self.task.std)
            model = replace(
                model,
                module=Rescaled(model.module, *scale),
                options={**model.options, "rescale": list(scale)},
            )
        return model

    def _from_object(self) -> Model:
        given = self.given
        if isinstance(given, Model):
            return replace(given, module=copy.deepcopy(given.module))
        made = copy.deepcopy(given) if isinstance(given, nn.Module) else given()  # type: ignore[operator, call-arg]
        if not isinstance(made, nn.Module):
            raise LimbeckError(
                f"The {self.role} must be a torch module, or a function that makes one, not {type(made).__name__}."
            )
        if self.weights is not None:
            load_weights(made, Path(self.weights))
        trained = isinstance(given, nn.Module) and self.role == "teacher"
        return Model(
            module=made,
            name=f"python:{type(made).__name__}",
            inputs=as_they_are(self.data),
            weights=str(self.weights) if self.weights else ("as given" if trained else None),
            outputs=len(self.data.classes) if self.data.classes else 1,
            shape=self.data.shape,
        )


def name_of(given: Any) -> str:
    """Return what the configuration calls something that may be a Python object.

    Example:
        >>> name_of("digits"), name_of(nn.ReLU())
        ('digits', 'python:ReLU')
    """
    if isinstance(given, str):
        return given
    if isinstance(given, Data | Model):
        return given.name
    return f"python:{getattr(given, '__name__', type(given).__name__)}"


def measured_inputs(data: Data) -> InputTransform | Standardise | None:
    """Return the transform that standardises the training part, or ``None`` where samples are not tensors."""
    if not _latest or _latest[0][0]() is not data:
        _latest[:] = [(weakref.ref(data), fit(data.source, data.train, data.shape) if data.shape else None)]
    return _latest[0][1]


_latest: list[tuple[weakref.ref[Data], InputTransform | Standardise | None]] = []
"""What was measured last, and on which data: a run opens many models for one."""


def as_they_are(data: Data) -> InputTransform | Standardise:
    """Return the transform that only turns bytes into 0..1, for a person's own network.

    Example:
        >>> from limbeck.data import open_data
        >>> as_they_are(open_data("digits")).mean
        (0.0,)
    """
    if data.is_image:
        channels = data.shape[0]
        return InputTransform(None, channels, (0.0,) * channels, (1.0,) * channels)
    width = data.shape[0] if data.shape else 0
    return Standardise((0.0,) * width, (1.0,) * width)


def task_for(data: Data) -> Task:
    """Return the task of the data.

    Raises:
        LimbeckError: the targets are neither classes nor values.
    """
    if data.task == "classification":
        return Classification(classes=len(data.classes or ()) or None, shape=data.shape)
    if data.task == "frames":
        return Frames.of(data)
    if data.task == "regression":
        targets: Tensor = data.source.targets[data.train].float()
        return Regression(float(targets.mean()), float(targets.std(correction=0)), shape=data.shape)
    raise LimbeckError(f"{data.name} has targets that are neither classes nor values: give its task.")


def check_outputs(
    model: Model, inputs: Any, task: Task, classes: int | None, role: str, plan: Plan | None = None
) -> None:
    """Run the model once on a few samples, so that one that does not fit is refused before training.

    Args:
        model: the candidate.
        inputs: a batch that its role reads.
        task: names its outputs.
        classes: number of classes of the data, or ``None``.
        role: for the message.
        plan: how it will be trained, if it will.

    Raises:
        LimbeckError: the model does not run on the data, gives another number of classes, or cannot learn from such
            batches.
    """
    mode = model.module.training
    model.module.eval()
    try:
        with torch.no_grad():
            outputs = task.named(model.module(inputs))
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        shape = tuple(inputs.shape) if isinstance(inputs, Tensor) else type(inputs).__name__
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise LimbeckError(
            f"The {role} {model.name} does not run on inputs of shape {shape}: {first}"
        ) from error
    finally:
        model.module.train(mode)
    if classes is not None:
        given = outputs[task.outputs[0]].shape
        if len(given) != 2 or given[1] != classes:
            raise LimbeckError(
                f"The {role} {model.name} gives {given[-1]} outputs, but the data has {classes} classes: "
                "they must agree."
            )
    if plan is not None and isinstance(inputs, Tensor):
        check_single(f"the {role} {model.name}", model.module, inputs[:1], plan, processes()[1])


def _few(names: Sequence[str]) -> str:
    shown = ", ".join(names[:4]) + (", …" if len(names) > 4 else "")
    return f"{len(names)} ({shown})"
