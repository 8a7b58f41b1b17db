"""Settings of what is taught: losses by name, their weights, schedules and layers."""

import inspect
from typing import Any, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from limbeck import losses
from limbeck.errors import LimbeckError, did_you_mean
from limbeck.recipes.amounts import Amount, LayerPair, Temperature, as_amount, ends
from limbeck.schemes.schedule import Schedule, parse_schedule

LOSSES = tuple(sorted((name for name in losses.__all__ if name != "DistillationLoss"), key=str.lower))
MEASURED = ("student_channels", "teacher_channels", "samples")
"""Constructor arguments that are read off the networks and the data, and so are no settings."""
MANY = 50
"""Number of classes from which KD is taught unless told, rather than DIST."""


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)


class Taught(_Settings):
    """One loss with its settings, and the layers it is put between.

    Example:
        >>> Taught(loss="KD", temperature=2).build()
        KD(temperature=2)
    """

    loss: str
    """Name of a loss, as `limbeck losses` lists it."""
    weight: Amount | None = None
    """A number, or a schedule such as `linear(1, 0)`; the paper's unless told."""
    temperature: Temperature | None = None
    """For the losses that have one; the loss's default unless told."""
    pairs: list[LayerPair] = Field(default_factory=list)
    """Layers as `STUDENT=TEACHER`; where the loss's paper puts it unless told (see `limbeck layers`)."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Further settings of the loss, by their names in its constructor."""

    @field_validator("loss")
    @classmethod
    def _known(cls, name: str) -> str:
        return known_loss(name)

    @model_validator(mode="after")
    def _fits(self) -> "Taught":
        try:
            self.build()
        except LimbeckError as error:
            raise ValueError(str(error)) from error
        return self

    @property
    def kind(self) -> type[losses.DistillationLoss]:
        """The loss's class."""
        found: type[losses.DistillationLoss] = getattr(losses, self.loss)
        return found

    def settings(self) -> dict[str, Any]:
        """Return the settings for the constructor: a scheduled temperature starts where its schedule does."""
        settings = dict(self.options)
        if self.temperature is not None and "temperature" in settings:
            raise LimbeckError("The temperature is given twice, as temperature and in options: keep one.")
        if self.temperature is not None:
            settings["temperature"] = ends(self.temperature)[0]
        return settings

    def schedules(self) -> dict[str, Schedule]:
        """Return the loss's settings that change in training."""
        return {"temperature": parse_schedule(self.temperature)} if isinstance(self.temperature, str) else {}

    def build(self, **measured: Any) -> losses.DistillationLoss:
        """Return the loss with its settings.

        Args:
            **measured: channels and samples, as the networks and the data have them; small ones unless told.

        Raises:
            LimbeckError: a setting that the loss does not have, or out of range.
        """
        known = list(inspect.signature(self.kind).parameters)
        settings = self.settings()
        own = [name for name in known if name not in MEASURED]
        unknown = [name for name in settings if name not in own]
        if unknown:
            raise LimbeckError(
                f"{self.loss} has no setting {unknown[0]!r}; it has {', '.join(own) or 'none'}."
                f"{did_you_mean(unknown[0], own)}"
            )
        stand_in = {"student_channels": 8, "teacher_channels": 8, "samples": 64}
        if self.kind.several:
            stand_in |= {"student_channels": (8, 8), "teacher_channels": (8, 8)}  # type: ignore[dict-item]
        sizes = {name: measured.get(name, stand_in[name]) for name in MEASURED if name in known}
        loss: losses.DistillationLoss = self.kind(**settings, **sizes)
        return loss

    def amount(self) -> float | Schedule:
        """Return the weight, or its schedule."""
        if self.weight is None:
            return self.kind.usual_weights[1]
        return as_amount(self.weight)


Weighted: TypeAlias = tuple[Taught, float | Schedule]


class Knowledge(_Settings):
    """What is taught, and how much it weighs beside the labels.

    Example:
        >>> Knowledge(loss="KD", kd_weight=0.7).weights()
        (0.30000000000000004, 0.7)
        >>> Knowledge(kd_weight=2.0, task_weight=1.0).weights()
        (1.0, 2.0)
    """

    loss: str | None = None
    """Name of a loss, as `limbeck losses` lists it. Unless told: DIST for 3 to 49 classes, KD for two (at T = 1), for
    more (at T = 2) and where a temperature is given, LogitRegression for values."""
    temperature: Temperature | None = None
    """Temperature of the soft targets, for the losses that have one: a number, or a schedule such as
    `linear(8, 1)`; the loss's default unless told."""
    task_weight: Amount | None = None
    """Weight of the hard loss, a number or a schedule; the paper's unless told, or one minus `kd_weight` where the
    paper's weights sum to one."""
    kd_weight: Amount | None = None
    """Weight of what the teacher says, a number or a schedule; the paper's unless told, or one minus `task_weight`
    where the paper's weights sum to one."""
    pairs: list[LayerPair] = Field(default_factory=list)
    """Layers as `STUDENT=TEACHER`; where the loss's paper puts it unless told (see `limbeck layers`)."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Further settings of the loss, by their names in its constructor."""
    also: list[Taught] = Field(default_factory=list)
    """Further losses beside this one; for FitNets, what follows the hints in place of KD."""
    first_stage: float | None = Field(default=None, ge=0, lt=1)
    """Share of the epochs that the first stage takes, for the losses that have one (see `limbeck losses`); the
    loss's own unless told, and 0 puts such a loss beside the labels from the start."""

    @field_validator("loss")
    @classmethod
    def _known(cls, name: str | None) -> str | None:
        return name if name is None else known_loss(name)

    @model_validator(mode="after")
    def _fits(self) -> "Knowledge":
        try:
            if self.loss is not None:
                self.taught().build()
            self._refuse_stage()
            weights = self.weights()
        except LimbeckError as error:
            raise ValueError(str(error)) from error
        given = [self.task_weight, self.kd_weight]
        idle = all(each is not None and max(ends(each)) == 0 for each in given)
        if (idle or not any(callable(each) or each > 0 for each in weights)) and not self.also:
            raise ValueError(
                "task_weight and kd_weight are both 0, so there is nothing to learn from: raise one"
            )
        return self

    def _refuse_stage(self) -> None:
        kind = self.taught().kind
        preparing = [each.loss for each in (self.taught(), *self.also) if each.kind.prepares]
        if self.first_stage and not (kind.first_stage or preparing):
            staged = ", ".join(name for name in LOSSES if getattr(losses, name).first_stage)
            raise LimbeckError(
                f"{kind.__name__} is taught from beginning to end and has no first_stage; {staged} have one."
            )
        if self.first_stage == 0 and preparing:
            raise LimbeckError(f"{preparing[0]} must learn from the teacher first: give first_stage above 0.")
        if kind.first_stage and not kind.prepares and self.first_stage != 0:
            self._refuse_idle(kind)

    def _refuse_idle(self, kind: type[losses.DistillationLoss]) -> None:
        """Refuse weights that nothing is multiplied by."""
        follows = self.also[0].loss if self.also else "KD" if kind.kind == "feature" else "the labels alone"
        idle = ["kd_weight"] if self.kd_weight is not None and (self.also or follows != "KD") else []
        idle += ["task_weight"] if self.task_weight is not None and follows == "the labels alone" else []
        if idle:
            raise LimbeckError(
                f"{kind.__name__} is taught by itself first, then {follows}, so {idle[0]} weighs nothing: leave it out."
            )
        try:
            self.after()
        except LimbeckError as error:
            raise LimbeckError(f"After {kind.__name__}'s first stage comes {follows}, but {error}") from error

    def for_task(self, task: str, classes: int | None = None) -> "Knowledge":
        """Return these settings with the loss named: the task's own where none was.

        Args:
            task: ``"classification"`` or another.
            classes: how many, where known.

        Raises:
            LimbeckError: a setting that the task's loss does not have.

        Example:
            >>> Knowledge().for_task("classification", 10).loss, Knowledge().for_task("regression").loss
            ('DIST', 'LogitRegression')
        """
        told = self.options.get("temperature", self.temperature)
        named = self.model_copy(update={} if self.loss else usual(task, classes, told))
        named.weights()
        for each in (named.taught(), *named.also):
            each.build()
            if each.kind.task not in (None, task):
                raise LimbeckError(f"{each.loss} is for {each.kind.task}, and this data's task is {task}.")
        return named

    def taught(self) -> Taught:
        """Return the first loss as one of several."""
        return Taught.model_construct(
            loss=self.loss
            or usual("classification", None, self.options.get("temperature", self.temperature))["loss"],
            weight=self.kd_weight,
            temperature=self.temperature,
            pairs=self.pairs,
            options=self.options,
        )

    def everything(self) -> list[Weighted]:
        """Return every loss with its weight, the first one first."""
        return [(self.taught(), self.weights()[1]), *((each, each.amount()) for each in self.also)]

    def staged(self) -> list[str]:
        """Return the losses that are taught in a stage of their own, before the rest."""
        if self.first_stage == 0:
            return []
        first = self.taught()
        waiting = [first.loss] if first.kind.first_stage else []
        return waiting + [each.loss for each in self.also if each.kind.prepares]

    def build(self) -> losses.DistillationLoss:
        """Return the first loss with its settings."""
        return self.taught().build()

    def weights(self) -> tuple[float | Schedule, float | Schedule]:
        """Return the weights of the hard loss and of the first loss."""
        return _weights(self.taught().kind.usual_weights, self.task_weight, self.kd_weight)

    def after(self) -> tuple[float | Schedule, float | Schedule]:
        """Return the weights of the hard loss and of the first loss that follows a first stage: of `also`, or KD."""
        first = self.also[0] if self.also else Taught(loss="KD", weight=self.kd_weight)
        return _weights(first.kind.usual_weights, self.task_weight, first.weight)


def _weights(
    usual: tuple[float, float], task: Amount | None, kd: Amount | None
) -> tuple[float | Schedule, float | Schedule]:
    """Return two weights, of which those not given are the usual ones, or one minus the other."""
    whole = abs(sum(usual) - 1) < 1e-9
    if whole and (task is None) != (kd is None):
        given = as_amount(task if task is not None else kd)  # type: ignore[arg-type]
        name = "task_weight" if kd is None else "kd_weight"
        if callable(given) or given > 1:
            raise LimbeckError(
                f"{name} is {task if kd is None else kd}, so the other weight cannot be one minus it: give "
                "both weights"
            )
        return (given, 1 - given) if kd is None else (1 - given, given)
    return (usual[0] if task is None else as_amount(task), usual[1] if kd is None else as_amount(kd))


def usual(task: str, classes: int | None, temperature: float | str | None) -> dict[str, Any]:
    """Return what is taught when nobody names a loss, chosen by docs/decisions/0013.

    Args:
        task: ``"classification"`` or another.
        classes: how many, where known.
        temperature: what the person told, by which KD is meant.

    Example:
        >>> usual("classification", 10, None), usual("classification", 100, None)
        ({'loss': 'DIST'}, {'loss': 'KD', 'temperature': 2.0})
    """
    if task != "classification":
        return {"loss": "LogitRegression"}
    if temperature is not None:
        return {"loss": "KD"}
    if classes == 2:  # the correlation of two probabilities is 1 or -1: DIST's rows would teach nothing
        return {"loss": "KD", "temperature": 1.0}
    return {"loss": "KD", "temperature": 2.0} if classes and classes >= MANY else {"loss": "DIST"}


def known_loss(name: str) -> str:
    """Return the name of a loss that exists.

    Raises:
        ValueError: no such loss; near names are given.
    """
    if name not in LOSSES:
        raise ValueError(f"no loss {name!r}: `limbeck losses` lists them.{did_you_mean(name, LOSSES)}")
    return name
