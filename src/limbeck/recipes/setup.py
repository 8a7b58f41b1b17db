"""Data, task and views of a run, whatever way the person gave the data."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from torch import Tensor

from limbeck.data import Data, Views, augmentation, dataset_data, default_augmentation, open_data
from limbeck.data.loader import Loader
from limbeck.data.mix import Mix, mix_named
from limbeck.data.mixture import Mixture, Repeated
from limbeck.data.part import Part
from limbeck.data.unlabelled import with_unlabelled, without_labels
from limbeck.errors import LimbeckError, did_you_mean
from limbeck.models.model import Inputs
from limbeck.train import Feed
from limbeck.train.engine import processes
from limbeck.types import Batch

if TYPE_CHECKING:
    from limbeck.recipes.config import DataSettings, DistillConfig

GivenData: TypeAlias = str | Data | Sequence[Any] | Mapping[str, Any]
"""A door, opened data, or the person's own (train, validation[, test]) datasets or loaders, or a dict of them."""

EVALUATION_BATCH = 256
MOST_UNLABELLED = 7.0
"""Samples without labels for each with one, unless told otherwise; FixMatch's number."""
PARTS = ("train", "validation", "test")


def open_given(given: GivenData, settings: "DataSettings") -> Data:
    """Open the data as the person gave it.

    Args:
        given: see :data:`GivenData`.
        settings: split, limit and size, for a door.

    Raises:
        LimbeckError: no such data; datasets without the parts that are needed.
    """
    if isinstance(given, Data):
        return given
    if isinstance(given, str):
        return open_data(
            given,
            seed=settings.split_seed,
            limit=settings.limit,
            size=settings.size,
            skip_bad=settings.skip_bad,
        )
    parts = _named_parts(given)
    return dataset_data(
        parts["train"],
        parts.get("validation"),
        parts.get("test"),
        name=settings.data,
        seed=settings.split_seed,
        size=settings.size,
        limit=settings.limit,
    )


def open_transfer_set(given: GivenData, settings: "DistillConfig") -> Data:
    """Open the data of a distillation, with the samples that have no labels.

    Args:
        given: see :data:`GivenData`.
        settings: besides those of :func:`open_given`, how many labels are kept and where other samples are.

    Raises:
        LimbeckError: as :func:`open_given`; nothing left with or without labels.
    """
    data = open_given(given, settings)
    if settings.labels is not None:
        kept = settings.labels
        data = without_labels(data, int(kept) if kept == int(kept) else kept, settings.split_seed)
    if settings.unlabelled is not None:
        data = with_unlabelled(
            data, settings.unlabelled, seed=settings.split_seed, skip_bad=settings.skip_bad
        )
    return data


def _named_parts(given: Any) -> Mapping[str, Any]:
    """Return a person's own data by part: a mapping, a sequence of parts, or one dataset to be split."""
    if isinstance(given, Mapping):
        unknown = [str(name) for name in given if name not in PARTS]
        if unknown or "train" not in given:
            wrong = (
                f"{unknown[0]!r} is no part.{did_you_mean(unknown[0], PARTS)}"
                if unknown
                else "train is missing."
            )
            raise LimbeckError(
                f"Own data is given as {{'train': …, 'validation': …, 'test': …}}, but {wrong}"
            )
        return given
    if isinstance(given, list | tuple) and 1 <= len(given) <= len(PARTS):
        return dict(zip(PARTS, given, strict=False))
    return {"train": given}


def told_data(data: Data) -> str:
    """Return in a line what will be read.

    Example:
        >>> told_data(open_data("digits"))
        'digits: 1,150 training, 288 validation and 359 test samples of 1×8×8, 10 classes.'
    """
    more = f" and {len(data.unlabelled):,} unlabelled" if len(data.unlabelled) else ""
    held = f"{len(data.validation):,} validation and {len(data.test):,} test samples"
    parts = f"{len(data.train):,} training{more}, {held}"
    kind = f"{len(data.classes)} classes" if data.classes else data.task
    return f"{data.name}: {parts} of {'×'.join(map(str, data.shape)) or 'any shape'}, {kind}."


@dataclass(frozen=True)
class Reader:
    """Makes the parts that are read, for one or two models that look at the same views.

    Args:
        data: the samples.
        inputs: what each role's model wants to be fed; each gets its own transform of the same view.
        mix: how training samples are mixed, ``mixup-0.2`` say; ``None`` leaves them.
        views_per_decode: how many views of a training sample stand in a batch together.
    """

    data: Data
    inputs: Mapping[str, Inputs]
    mix: str | None = None
    views_per_decode: int = 1

    @property
    def _inputs(self) -> Any:
        return next(iter(self.inputs.values())) if len(self.inputs) == 1 else dict(self.inputs)

    def feed(
        self,
        augment: str | Mapping[str, str] | None,
        seed: int,
        ratio: float | None = None,
        *,
        cycle: int | None = None,
        spared: Sequence[str] = (),
        spared_from: int = 0,
    ) -> Feed:
        """Return the augmented training part, samples without labels mixed in, and the plain validation part.

        Args:
            augment: name of the augmentation; one for each role gives each a draw of its own.
            seed: of the views.
            ratio: samples without labels for each with one; in proportion to their numbers, 7 at most, unless told.
            cycle: how many views of a sample there are; in every epoch a new one unless told.
            spared: roles whose own inputs are not made for training, a teacher's whose answers are kept, say.
            spared_from: the first epoch in which they are not.
        """
        part = self._mixed(self._views(augment, seed), ratio, cycle)
        return Feed(replace(part, spared=tuple(spared), spared_from=spared_from), self._validation())

    def labelled_feed(
        self,
        augment: str | Mapping[str, str] | None,
        seed: int,
        ratio: float | None,
        *,
        cycle: int | None = None,
    ) -> Feed:
        """Return what a student without a teacher reads: labelled samples alone, in as many steps as with the rest."""
        views = self._views(augment, seed)
        mixed = self._mixed(views, ratio, cycle)
        whole = isinstance(mixed, Part)
        return Feed(mixed if whole else Repeated(views, self.data.train, mixed, cycle), self._validation())

    def _mixed(self, views: Views, ratio: float | None, cycle: int | None) -> Part | Mixture:
        labelled, unlabelled = self.data.train, self.data.unlabelled
        if not len(unlabelled):
            return Part(views, labelled, cycle, views_per_decode=self.views_per_decode)
        if self.views_per_decode > 1:
            raise LimbeckError(
                "Several views of each decoded image are for labelled samples alone: batches that hold labelled and "
                "unlabelled ones in a ratio repeat one of them at their own pace. Leave --views-per-decode out."
            )
        usual = min(MOST_UNLABELLED, len(unlabelled) / len(labelled))
        return Mixture(views, labelled, unlabelled, usual if ratio is None else ratio, cycle)

    def _validation(self) -> Part | None:
        return self.part(self.data.validation) if len(self.data.validation) else None

    def _views(self, augment: str | Mapping[str, str] | None, seed: int) -> Views:
        data = self.data
        if isinstance(augment, Mapping):
            drawn: Any = {role: self._drawn(augment.get(role)) for role in self.inputs}
            return Views(data.source, drawn, dict(self.inputs), seed, data.canvas, self._mix())
        return Views(data.source, self._drawn(augment), self._inputs, seed, data.canvas, self._mix())

    def _mix(self) -> Mix | None:
        data = self.data
        if self.mix is None:
            return None
        if data.task not in ("classification", "regression"):
            raise LimbeckError(
                f"Samples are mixed where each has a class or a value, and {data.name} is for {data.task}: leave --mix "
                "out."
            )
        if mix_named(self.mix)[0] == "cutmix" and not data.is_image:
            raise LimbeckError(
                f"CutMix cuts boxes out of images, and {data.name} has none: mix by mixup, as in --mix mixup-0.2."
            )
        classes = len(data.classes or ()) if data.task == "classification" else None
        return Mix(self.mix, data.transfer_set, classes)

    def _drawn(self, augment: str | None) -> Any:
        name = augment if augment is not None else default_augmentation(self.data)
        return augmentation(name, self.data.canvas) if name != "none" else None

    def part(self, indices: Tensor) -> Part:
        """Return a part as it is, for evaluation."""
        return Part(Views.plain(self.data, self._inputs), indices)

    def few(self, count: int = 2) -> Batch:
        """Return the first training samples as they are, to try a model on."""
        keys = [(int(index), 0) for index in self.data.train[:count]]
        return self.part(self.data.train).views.__getitems__(keys)

    def whole(self, indices: Tensor) -> Iterator[Batch]:
        """Yield the batches of a part in full, whichever process this is."""
        yield from Loader(self.part(indices), EVALUATION_BATCH)

    def batches(self, indices: Tensor, batch_size: int = EVALUATION_BATCH) -> Loader:
        """Return the batches of a part, for evaluation."""
        rank, world = processes()
        return Loader(self.part(indices), batch_size, rank=rank, world=world)
