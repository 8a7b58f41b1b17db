"""A finished run's model as files to deploy."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from rich.console import Console
from torch import Tensor

from limbeck.errors import LimbeckError, did_you_mean
from limbeck.export import Exported, export_onnx, write_package
from limbeck.models import Model, load_model
from limbeck.models.card import roles
from limbeck.recipes.telling import say
from limbeck.report import formats, read_run, write_report
from limbeck.report.record import Exported as ExportedFacts
from limbeck.report.record import RunRecord


def export_run(
    run: Path,
    role: str | None = None,
    console: Console | None = None,
    *,
    plugins: Sequence[str | Path] = (),
) -> Exported:
    """Write a run's model as ONNX and as a package, with proof that it computes the same.

    The run's own result goes to ``RUN/student.onnx`` (or ``model.onnx``) and ``RUN/package/``, and its parity into
    ``run.json``. Another role, the teacher say, goes beside it, to ``teacher.onnx`` and ``package-teacher/``.

    Args:
        run: the run folder.
        role: whose model; the run's own result unless told.
        console: where it is told; nowhere unless told.
        plugins: files of the person's own factories, for a model that came from one.

    Returns:
        The file and its parity.

    Raises:
        LimbeckError: no finished run or no such model; the model was a Python object; the extra is not installed;
            the file does not compute the same.

    Example:
        >>> export_run(Path("no/such/run"))
        Traceback (most recent call last):
        limbeck.errors.LimbeckError: No finished run in no/such/run: the folder does not exist. ...
    """
    run = Path(run)
    record = read_run(run)
    result = "student" if record.kind == "distill" else "model"
    role = role or result
    model = _model(run, role, record, plugins)
    exported = export_onnx(model, run / f"{role}.onnx", example=_example(model), task=record.data.task)
    package = write_package(exported.path, run / ("package" if role == result else f"package-{role}"))
    if role == result:
        facts = ExportedFacts(file=exported.path.name, max_difference=exported.parity.max_difference)
        record.model_copy(update={"exported": facts}).write(run)
        write_report(run)  # the page tells of the exported file
    if console is not None:
        _print(exported, package, console)
    return exported


def _model(run: Path, role: str, record: RunRecord, plugins: Sequence[str | Path]) -> Model:
    found = roles(run)
    if role not in found:
        raise LimbeckError(
            f"{run} has no saved model {role!r} (there are: {', '.join(found) or 'none'}).{did_you_mean(role, found)}"
        )
    model = load_model(run, role, [Path(each) for each in plugins])
    classes = tuple(record.data.classes) if record.data.classes else None
    return replace(model, classes=model.classes or classes)


def _example(model: Model) -> Tensor:
    """Return one sample as the data gives it; only its shape counts."""
    kind = torch.uint8 if len(model.shape) == 3 else torch.float32
    return torch.zeros((1, *model.shape), dtype=kind)


def _print(exported: Exported, package: Path, console: Console) -> None:
    parity = exported.parity
    say(console, f"Wrote {exported.path} ({formats.size(exported.bytes)}) and {package}/")
    say(
        console,
        f"It computes the same as PyTorch: outputs differ by at most {formats.significant(parity.max_difference, 2)}, "
        f"where {formats.significant(parity.allowed, 2)} is allowed (batches of "
        f"{', '.join(str(each) for each in parity.batches)}).",
    )
