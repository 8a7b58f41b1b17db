"""Use an exported file: onnxruntime and numpy, nothing else of limbeck's weight. A pattern to copy."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from limbeck.errors import LimbeckError

KEY = "limbeck"
"""Name of the card in the file's metadata."""


def predict_onnx(path: Path | str, inputs: ArrayLike) -> NDArray[np.float32]:
    """Return the outputs of an exported file, or of the model in an exported package.

    Args:
        path: a ``.onnx`` file that limbeck wrote, or the package around it.
        inputs: (N, C, H, W) images at the card's size, uint8 or floats in [0, 1]; or (N, D) raw features.

    Returns:
        Logits (N, classes), or values (N,) for regression.

    Raises:
        LimbeckError: the file is not limbeck's, or the inputs do not have the card's shape.
    """
    path = Path(path)
    session = session_of(_model(path))
    shape = tuple(_card_of(session, path)["input"]["shape"])
    given = np.asarray(inputs)
    if given.ndim != len(shape) + 1 or given.shape[1:] != shape:
        wanted = ", ".join(str(each) for each in ("N", *shape))
        raise LimbeckError(
            f"{path} reads inputs of shape ({wanted}), not {given.shape}: resize or convert them."
        )
    if given.dtype == np.uint8:
        given = given / np.float32(255)
    return answers(session, given.astype(np.float32))


def read_card(path: Path | str) -> dict[str, Any]:
    """Return what an exported file says of itself: task, class names, input shape and normalisation.

    Args:
        path: a ``.onnx`` file that limbeck wrote, or the package around it.

    Raises:
        LimbeckError: there is no such file, or it is not limbeck's.
    """
    path = Path(path)
    return _card_of(session_of(_model(path)), path)


def session_of(model: Path | bytes) -> Any:
    """Return an onnxruntime session on the processor for a file, or for a model in memory.

    Raises:
        LimbeckError: onnxruntime is not installed, or cannot read the file.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise LimbeckError(
            "Reading ONNX needs onnxruntime, which is not installed: run pip install 'limbeck[export]'."
        ) from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors only
    if isinstance(model, Path) and not model.is_file():
        raise LimbeckError(f"There is no file {model}: limbeck export RUN writes one.")
    source = str(model) if isinstance(model, Path) else model
    try:
        return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors share no base class of their own
        name = model if isinstance(model, Path) else "the exported graph"
        raise LimbeckError(
            f"onnxruntime cannot load {name} ({str(error).splitlines()[0][:200]}): export it again."
        ) from error


def answers(session: Any, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the first output of a session for its only input."""
    output: NDArray[np.float32] = session.run(None, {session.get_inputs()[0].name: inputs})[0]
    return output


def _model(path: Path) -> Path:
    return path / "model.onnx" if path.is_dir() else path


def _card_of(session: Any, path: Path) -> dict[str, Any]:
    text = session.get_modelmeta().custom_metadata_map.get(KEY)
    if text is None:
        raise LimbeckError(f"{path} was not written by limbeck export: it carries no card.")
    card: dict[str, Any] = json.loads(text)
    return card
