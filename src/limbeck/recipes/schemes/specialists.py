"""Specialists for the classes that a generalist confuses, and all of them distilled into one student."""

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from limbeck.adapters import match_layers
from limbeck.data import Data
from limbeck.data.relabelled import Relabelled
from limbeck.errors import LimbeckError
from limbeck.losses import KD
from limbeck.models import Model
from limbeck.recipes.course import Course
from limbeck.recipes.measuring import device_of
from limbeck.recipes.schemes.base import SchemeRecipe
from limbeck.recipes.setup import Reader
from limbeck.recipes.tutor import Tutor
from limbeck.schemes import Offline, Term
from limbeck.taps import find_layer
from limbeck.teachers import (
    Dustbin,
    Specialist,
    Specialists,
    SpecialistSet,
    confused_classes,
    own_targets,
    specialist_set,
)
from limbeck.train import Stage

if TYPE_CHECKING:
    from limbeck.recipes.config import DistillConfig
    from limbeck.recipes.job import Job

DUSTBIN = "any other"
"""What a specialist's last class is called."""


class SpecialistsRecipe(SchemeRecipe):
    """Specialists, begun from the generalist, learn the classes it confuses; together they teach the student."""

    title: ClassVar[str] = "specialists"
    paper: ClassVar[str] = "Hinton 2015, section 5, arXiv 1503.02531"
    situation: ClassVar[str] = "many classes in families, and errors within them"
    one_teacher: ClassVar[bool] = False

    name: Literal["Specialists"] = "Specialists"
    specialists: int = Field(default=3, ge=2)
    """Groups into which the classes are clustered; a group of one class gets no specialist."""
    classes_each: int | None = Field(default=None, ge=2)
    """Classes of each specialist, so that groups overlap; as the clustering has it unless told."""
    top: int = Field(default=1, ge=1)
    """How many of the generalist's first classes call specialists."""
    epochs: int | None = Field(default=None, ge=1)
    """Of each specialist, over its own classes and as many others; the run's unless told."""
    temperature: float = Field(default=4.0, gt=0)
    """Of the generalist's soft targets, which keep specialists from overfitting."""
    kd_weight: float = Field(default=0.5, ge=0, le=1)
    """Weight of these; the hard targets get the rest."""

    def refuse_data(self, data: Data) -> None:
        """Refuse samples that are not each of one class, and more groups or larger ones than there are classes."""
        super().refuse_data(data)
        if data.task != "classification":
            raise LimbeckError(
                f"Specialists divide classes of samples among them, and {data.name} is for {data.task}: choose another "
                "scheme."
            )
        classes = len(data.classes or ())
        if self.specialists >= classes:
            raise LimbeckError(
                f"{self.specialists} groups of the {classes} classes of {data.name} leave none to confuse: lower "
                "scheme.specialists."
            )
        if self.classes_each is not None and self.classes_each >= classes:
            raise LimbeckError(
                f"A specialist of {self.classes_each} of the {classes} classes of {data.name} has no other left for "
                "its dustbin: lower scheme.classes_each."
            )

    def reunites(self, config: "DistillConfig") -> bool:
        """Return whether generalist and specialists can be put together again: always."""
        return True

    def tutor(self, job: "Job") -> Tutor:
        """Return generalist and specialists as one teacher, all trained and measured."""
        generalist = job.teacher(job.teachers[0], "generalist")
        groups = self._groups(job, generalist)
        plan = job.config.teacher_train or job.config.train
        made = [self._specialist(job, generalist, group, number) for number, group in enumerate(groups)]
        classes = len(job.data.classes or ())
        whole = Tutor(
            Specialists(generalist.teacher, made, self.top, classes),
            generalist.inputs,
            generalist.trained_here,
        )
        keys = ["generalist", *(f"specialist-{number + 1}" for number in range(len(made)))]
        job.measure_together("teacher", "teacher", whole, keys, 1)
        job.notes.append(f"Specialists were trained for {self._plan_epochs(plan.epochs)} epochs each.")
        return whole

    def _plan_epochs(self, usual: int) -> int:
        return self.epochs if self.epochs is not None else usual

    def _groups(self, job: "Job", generalist: Tutor) -> Sequence[Sequence[int]]:
        """Return the classes of each specialist: those the generalist confuses on the transfer set."""
        names = job.data.classes or ()
        if job.rehearsal:  # nobody is trained yet, so nobody confuses anything
            each = max(2, len(names) // self.specialists)
            return [range(each)]
        reader = job.reader(generalist.inputs)
        batches = reader.whole(job.data.train)
        logits = torch.cat([generalist.teacher(each, job.task)["logits"].float().cpu() for each in batches])
        found = confused_classes(logits, self.specialists, self.classes_each, seed=job.config.train.seed)
        for number, group in enumerate(found.groups, start=1):
            job.notes.append(f"Specialist {number}: {', '.join(names[each] for each in group)}.")
        if found.alone:
            job.notes.append(f"Without a specialist: {', '.join(names[each] for each in found.alone)}.")
        return found.groups

    def _specialist(self, job: "Job", generalist: Tutor, group: Sequence[int], number: int) -> Specialist:
        """Train one specialist: the generalist with another head, on its classes and as many others."""
        seed, key = job.config.train.seed + number, f"specialist-{number + 1}"
        chosen = specialist_set(job.data.source.targets[job.data.train], group, seed)
        data = _data_of(job.data, group, chosen)
        model = replace(self._begun(job, group), classes=data.classes)
        dustbin = Dustbin(generalist.teacher, group, chosen.correction)
        term = Term(KD(self.temperature), weight=self.kd_weight)
        module, inputs = model.module, {"student": model.inputs, **generalist.inputs}
        plan = job.config.teacher_train or job.config.train
        augment = job.config.teacher_augment if job.config.teacher_augment is not None else job.config.augment
        course = Course(
            [Stage(key, lambda: Offline(module, dustbin, [term], job.task, 1 - self.kd_weight))],
            model,
            inputs,
            feed=lambda: Reader(data, inputs).feed(augment, seed),
            plan=plan.model_copy(update={"epochs": self._plan_epochs(plan.epochs), "seed": seed}),
        )
        run = job.fit(key, course)
        told = ", ".join((data.classes or ())[:-1])
        job.measure(key, "specialist", model, run, "student", stage=number, part=told, data=data)
        job.keep(key, model)
        return Specialist(job.frozen(model), tuple(group), chosen.correction)

    def _begun(self, job: "Job", group: Sequence[int]) -> Model:
        """Return the generalist with a head of its own for some classes and the dustbin."""
        trained = job.trained.get("generalist")
        model = trained if trained is not None else job.teachers[0].open(job.config.train.seed)
        network = copy.deepcopy(model.module).requires_grad_(True)
        example = job.reader({"teacher": model.inputs}).few().to(device_of(network)).inputs
        return replace(
            model,
            module=with_head(network, example, group),
            outputs=len(group) + 1,
        )


def with_head(network: nn.Module, example: Tensor, group: Sequence[int]) -> nn.Module:
    """Replace a network's last layer by one for some of its classes and, last, all others.

    The rows of these classes are kept, and the last begins as the mean of the others' rows.

    Args:
        network: is changed.
        example: a few samples, to find the layer.
        group: the classes.

    Returns:
        The network.

    Raises:
        LimbeckError: its outputs do not come from a linear layer.

    Example:
        >>> net = nn.Sequential(nn.Flatten(), nn.Linear(4, 5))
        >>> with_head(net, torch.zeros(2, 4), [0, 3])(torch.zeros(2, 4)).shape
        torch.Size([2, 3])
    """
    path = match_layers(network, network, (example, example)).classifiers[0]
    head = find_layer(network, path) if path else None
    if path is None or not isinstance(head, nn.Linear):
        raise LimbeckError(
            f"A specialist begins from its generalist with another head, but {type(network).__name__} does not end in "
            "a linear layer: give a generalist that does."
        )
    own = torch.tensor(list(group), device=head.weight.device)
    rest = torch.ones(head.out_features, dtype=torch.bool, device=own.device)
    rest[own] = False
    fresh = nn.Linear(head.in_features, len(group) + 1, bias=head.bias is not None).to(head.weight)
    with torch.no_grad():
        fresh.weight.copy_(torch.cat([head.weight[own], head.weight[rest].mean(0, keepdim=True)]))
        if head.bias is not None:
            fresh.bias.copy_(torch.cat([head.bias[own], head.bias[rest].mean(0, keepdim=True)]))
    parent, _, name = path.rpartition(".")
    setattr(network.get_submodule(parent), name, fresh)
    return network


def _data_of(data: Data, group: Sequence[int], chosen: SpecialistSet) -> Data:
    """Return the data as one specialist knows it: its classes, the others as one, its training set."""
    names = data.classes or ()
    return replace(
        data,
        source=Relabelled(data.source, own_targets(data.source.targets, group)),
        train=data.train[chosen.indices],
        unlabelled=data.unlabelled[:0],
        classes=(*(names[each] for each in group), DUSTBIN),
    )
