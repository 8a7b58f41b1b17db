"""The door to models of earlier runs: ``run:DIR`` or ``run:DIR#ROLE``."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from limbeck.data.transforms import InputTransform
from limbeck.errors import LimbeckError, did_you_mean
from limbeck.models.card import load_model, read_card, roles
from limbeck.models.model import Model, Request

USUAL = ("student", "model")  # what a distill run and a train run are about


def open_run(text: str, request: Request, plugins: Sequence[str | Path]) -> Model:
    """Open the model that an earlier run made.

    Args:
        text: the folder, with ``#teacher`` for another than the run's own result.
        request: what the model is for.
        plugins: the person's files, needed when the model came from one.

    Raises:
        LimbeckError: no such run or model, or its outputs or inputs do not agree with the data's.
    """
    spec = f"run:{text}"
    if request.pretrained:
        raise LimbeckError(f"{spec} has the weights of its run: leave pretrained out.")
    folder, _, role = text.partition("#")
    role = role_in(Path(folder), role)
    card = read_card(folder, role)
    _check(spec, card["outputs"], tuple(card["shape"]), request)
    model = load_model(folder, role, plugins)
    if request.size and isinstance(model.inputs, InputTransform) and model.inputs.size != request.size:
        raise LimbeckError(
            f"{spec} was trained on images of {model.inputs.size} pixels, not {request.size}: "
            "leave the size out."
        )
    return replace(model, weights=f"run:{folder}#{role}")


def role_in(folder: Path, role: str) -> str:
    """Return the role of the model that ``run:FOLDER#ROLE`` names, the run's own result where none is named.

    Args:
        folder: the run folder.
        role: what stands after ``#``, or nothing.

    Raises:
        LimbeckError: no such folder, or no such model in it.
    """
    if not folder.is_dir():
        near = [each.name for each in folder.parent.iterdir()] if folder.parent.is_dir() else []
        raise LimbeckError(f"No run folder {folder}.{did_you_mean(folder.name, near)}")
    found = roles(folder)
    if not found:
        raise LimbeckError(
            f"{folder} holds no saved model: it is no run of limbeck, or one that did not finish."
        )
    role = role or next((each for each in USUAL if each in found), found[0])
    if role not in found:
        raise LimbeckError(
            f"{folder} has no saved model {role!r} (there are: {', '.join(found)})."
            f"{did_you_mean(role, found)}"
        )
    return role


def _check(spec: str, outputs: int, shape: tuple[int, ...], request: Request) -> None:
    if outputs != request.outputs:
        raise LimbeckError(
            f"{spec} has {outputs} outputs and the data needs {request.outputs}: use data with its classes, "
            "or a model trained on this data."
        )
    if len(shape) != len(request.shape) or (len(shape) == 1 and shape != request.shape):
        raise LimbeckError(
            f"{spec} was trained on {_samples(shape)} and the data has {_samples(request.shape)}: "
            "use a model trained on such data."
        )


def _samples(shape: tuple[int, ...]) -> str:
    return f"samples of {shape[0]} features" if len(shape) == 1 else "images"
