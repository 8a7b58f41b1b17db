"""What a teacher says of single samples and of all of them, as its temperature grows."""

import base64
import datetime
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import limbeck
from limbeck.data import Data, Views
from limbeck.errors import LimbeckError
from limbeck.evaluate.softness import softness
from limbeck.functional import entropy, softened
from limbeck.models import Model
from limbeck.recipes.candidates import Candidate, task_for
from limbeck.recipes.config import DataSettings, DistillConfig
from limbeck.recipes.finished import Finished, device_for
from limbeck.recipes.settings import settings_from
from limbeck.recipes.setup import Reader, open_given
from limbeck.report.temperature_record import Example, Softened, TemperatureRecord
from limbeck.tasks import Task
from limbeck.teachers import Frozen

SHOWN = (0.5, 0.8, 0.95, 1.0)
"""Which samples are shown one by one: from the one in the middle, by entropy, to the least certain."""
MOST_CLASSES = 10
SIDE = 112  # pixels of a sample's picture


@dataclass(frozen=True)
class Subject:
    """A teacher to look at, with the data it is looked at on.

    Args:
        model: the teacher.
        data: its validation part is read.
        task: classification.
        frozen: the teacher as it teaches, in its precision.
        device: where it runs.
    """

    model: Model
    data: Data
    task: Task
    frozen: Frozen
    device: torch.device


def subject_for(
    finished: Finished | None,
    other: dict[str, Any] | None,
    data: str | None,
    size: int | None,
    skip_bad: bool,
    plugins: Sequence[str | Path],
) -> Subject:
    """Open data and teacher.

    Args:
        finished: a run, for its data and its teacher.
        other: settings of another teacher.
        data: other data than the run's.
        size: height and width in pixels that images are brought to, without a run.
        skip_bad: leave out images that cannot be read.
        plugins: files of the person's own factories.

    Raises:
        LimbeckError: no classes; no validation part; a teacher without weights.
    """
    if finished is not None:
        opened = finished.data(data, skip_bad=skip_bad)
    else:
        settings = settings_from(DataSettings, {"data": data, "size": size, "skip_bad": skip_bad})
        opened = open_given(settings.data, settings)
    if opened.task not in ("classification", "frames"):
        raise LimbeckError(f"A temperature softens the probabilities of classes, and {opened.name} has none.")
    if not len(opened.validation):
        raise LimbeckError(f"{opened.name} has no validation part, on which a temperature is chosen.")
    task = task_for(opened)
    if other is None:
        assert finished is not None
        model = finished.teacher(opened, task)
    else:
        model = Candidate(
            other["teacher"],
            "teacher",
            opened,
            task,
            other["teacher_weights"],
            other["teacher_pretrained"],
            plugins=[str(each) for each in plugins],
        ).open(0)
    if model.weights is None:
        raise LimbeckError(
            f"The teacher {model.name} has no trained weights, so it says nothing yet: give --teacher run:DIR of a "
            "trained one, --teacher-weights FILE or --teacher-pretrained."
        )
    return _frozen(model, opened, task, finished)


def _frozen(model: Model, data: Data, task: Task, finished: Finished | None) -> Subject:
    config = finished.config if finished is not None else None
    device = device_for(config.train.device if config is not None else "auto")
    precision = config.teacher_precision if isinstance(config, DistillConfig) else "auto"
    frozen = Frozen(model.module.to(device), precision=precision)
    frozen.calibrate(Reader(data, {"teacher": model.inputs}).few(64).to(device), task)
    return Subject(model, data, task, frozen, device)


def look(
    subject: Subject, temperatures: Sequence[float], earlier: TemperatureRecord | None
) -> TemperatureRecord:
    """Return what the teacher says of the validation samples at each temperature.

    Args:
        subject: the teacher and its data.
        temperatures: T > 0, the lowest first.
        earlier: an earlier look; its search is kept where teacher and data are still the same.
    """
    data = subject.data
    logits, targets = _answers(subject)
    fingerprint, data_fingerprint = subject.frozen.fingerprint(), data.fingerprint()
    same = earlier is not None and (earlier.fingerprint, earlier.data_fingerprint) == (
        fingerprint,
        data_fingerprint,
    )
    return TemperatureRecord(
        limbeck=limbeck.__version__,
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        teacher=subject.model.name,
        fingerprint=fingerprint,
        data=data.name,
        data_fingerprint=data_fingerprint,
        samples=len(targets),
        classes=logits.shape[1],
        rows=[Softened(**asdict(softness(logits, targets, each))) for each in temperatures],
        examples=_examples(logits, targets, data, temperatures),
        search=earlier.search if same and earlier is not None else None,
    )


def _answers(subject: Subject) -> tuple[Tensor, Tensor]:
    """Return the teacher's logits (N, C) for the validation samples and their classes (N,)."""
    reader = Reader(subject.data, {"teacher": subject.model.inputs})
    logits, targets = [], []
    for batch in reader.whole(subject.data.validation):
        answer: Tensor = subject.frozen(batch.to(subject.device), subject.task)["logits"]
        logits.append(answer.float().cpu())
        targets.append(batch.targets)
    return torch.cat(logits), torch.cat(targets)


def _examples(logits: Tensor, targets: Tensor, data: Data, temperatures: Sequence[float]) -> list[Example]:
    order = entropy(logits).argsort()
    rows = dict.fromkeys(int(order[round(share * (len(order) - 1))]) for share in SHOWN)
    names = data.classes or ()
    examples = []
    for row in rows:
        classes = logits[row].argsort(descending=True)[:MOST_CLASSES].tolist()
        true = int(targets[row])
        if true not in classes:
            classes[-1] = true
        index = int(data.validation[row])
        examples.append(
            Example(
                index=index,
                true=names[true],
                classes=[names[each] for each in classes],
                shares=[softened(logits[row], each)[classes].tolist() for each in temperatures],
                picture=_picture(data, index),
            )
        )
    return examples


def _picture(data: Data, index: int) -> str | None:
    """Return a sample as a small PNG in a data URI, where it is an image that PNG can hold."""
    if not data.is_image or data.shape[0] not in (1, 3):
        return None
    pixels = Views.plain(data).__getitems__([(index, 0)]).inputs[0]
    if pixels.dtype != torch.uint8:
        return None
    from PIL import Image

    image = Image.fromarray(pixels.permute(1, 2, 0).squeeze(-1).numpy())
    image.thumbnail((SIDE, SIDE))
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
