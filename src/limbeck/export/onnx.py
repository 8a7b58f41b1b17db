"""One network as one ONNX file, with all that is needed to use it, and proof that it computes the same."""

import contextlib
import importlib
import io
import json
import logging
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from limbeck.errors import LimbeckError
from limbeck.export.parity import Parity, measure_parity
from limbeck.export.reader import KEY, answers, session_of
from limbeck.files import replacing

if TYPE_CHECKING:
    from torch import Tensor

    from limbeck.export.graph import Deployed, Exportable, Subject

FORMAT = 1
"""Version of the card inside the file; goes up when a reader must change."""

LARGEST = 2**31 - 1
"""Bytes that fit into one protobuf message, and so into one ONNX file."""


@dataclass(frozen=True)
class Exported:
    """An ONNX file and the proof made of it.

    Args:
        path: the file.
        bytes: its size.
        parity: how far it is from the network in PyTorch.
        card: what the file says of itself: task, classes, inputs, normalisation.
    """

    path: Path
    bytes: int
    parity: Parity
    card: dict[str, Any]


def export_onnx(
    model: "Exportable",
    path: Path | str,
    *,
    example: "Tensor",
    task: str = "classification",
    tolerance: float = 1e-3,
) -> Exported:
    """Write ``model`` as one ONNX file with a dynamic batch, its normalisation inside the graph.

    Whoever uses the file decodes an image, resizes it to the size on the card and divides by 255: the mean
    and standard deviation are applied by the graph. Features are given raw. The card (class names, input
    shape, task) is in the file's metadata under ``limbeck``, as JSON.

    Args:
        model: what to export; has ``module``, ``name``, ``inputs`` and ``classes`` as `limbeck.models.Model`.
        path: the file to write or replace; it is untouched unless all goes well.
        example: a batch as the data gives it, uint8 images (N, C, H, W) or float32 features (N, D), before
            the model's own input transform. Only its shape counts.
        task: name of the task the model was trained for; with ``"regression"`` the file answers (N,).
        tolerance: largest difference from PyTorch that is accepted, as a share of the largest output.
            Measured on random batches of 1, 2 and 5.

    Returns:
        The file, its parity and its card.

    Raises:
        LimbeckError: the extra is not installed, PyTorch cannot export the network, or the file's answers
            differ from the network's by more than ``tolerance``.

    Example:
        >>> import tempfile, torch
        >>> from types import SimpleNamespace
        >>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 3))
        >>> model = SimpleNamespace(module=net, name="linear", inputs=None, classes=("a", "b", "c"))
        >>> file = Path(tempfile.mkdtemp()) / "linear.onnx"
        >>> exported = export_onnx(model, file, example=torch.zeros(1, 1, 2, 2))
        >>> exported.card["classes"], exported.parity.holds
        (['a', 'b', 'c'], True)
    """
    require("onnx", "onnxscript", "onnxruntime")
    import onnx

    from limbeck.export.graph import Subject

    path = Path(path)
    subject = Subject(model, example, task)
    batches = subject.batches()
    subject.reference(batches[0])  # a network that cannot be exported says so before the exporter's long work
    proto = _graph(subject.deployed(), subject)
    _strip(proto)
    if proto.ByteSize() > LARGEST:
        raise LimbeckError(
            f"{model.name} takes {proto.ByteSize() / 1e9:.1f} GB, and one ONNX file holds 2: "
            "export a smaller student."
        )
    onnx.checker.check_model(proto, full_check=True)
    session = session_of(proto.SerializeToString())
    parity = measure_parity(subject.reference, lambda inputs: answers(session, inputs), batches, tolerance)
    if not parity.holds:
        raise LimbeckError(
            f"The exported {model.name} differs from PyTorch by up to {parity.max_difference:.3g}, where "
            f"{parity.allowed:.3g} is allowed ({tolerance:g} of its largest output): no file was written. "
            "Try other versions of torch and onnxruntime, or a larger tolerance if it is harmless."
        )
    card = _card(subject, parity)
    entry = proto.metadata_props.add()
    entry.key, entry.value = KEY, json.dumps(card, ensure_ascii=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        temporary.write_bytes(proto.SerializeToString(deterministic=True))
    return Exported(path, path.stat().st_size, parity, card)


def require(*modules: str) -> None:
    """Check that optional modules are there.

    Raises:
        LimbeckError: one is not, with the command that installs it.
    """
    for name in modules:
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise LimbeckError(
                f"Export needs {name}, which is not installed: run pip install 'limbeck[export]'."
            ) from error


def _graph(deployed: "Deployed", subject: "Subject") -> Any:
    """Trace the network with a batch of any size; the exporter's chatter is kept to itself."""
    import torch

    example = torch.from_numpy(subject.batches()[1])  # two samples: torch.export takes a size of one as fixed
    hint = "change the layer it names, or deploy the network with PyTorch"
    try:
        with _quiet():
            program = torch.onnx.export(
                deployed,
                (example,),
                dynamo=True,
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                input_names=["image" if subject.kind == "image" else "inputs"],
                output_names=["value" if subject.regression else "logits"],
                verbose=False,
            )
    except Exception as error:  # the exporter raises its own errors and whatever the network raises
        raise LimbeckError(
            f"PyTorch cannot turn {subject.model.name} into an ONNX graph with a batch of any size "
            f"({_first_line(error)}): {hint}."
        ) from error
    assert program is not None  # the type allows for the older exporter, which returns nothing
    proto = program.model_proto
    if not proto.graph.input[0].type.tensor_type.shape.dim[0].dim_param:
        # PyTorch does not always refuse such a network: it may fix the batch at the example's size instead.
        raise LimbeckError(
            f"PyTorch cannot turn {subject.model.name} into an ONNX graph with a batch of any size "
            f"(one of its layers works for {len(example)} samples only): {hint}."
        )
    return proto


def _first_line(error: BaseException) -> str:
    """Return the innermost cause in one line, which is where the exporter names the layer."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [each.strip() for each in str(error).splitlines() if each.strip()]
    return lines[0].rstrip(".:")[:200] if lines else type(error).__name__


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep torch's exporter from printing, logging and warning."""
    level = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            with contextlib.redirect_stderr(io.StringIO()):
                yield
    finally:
        logging.disable(level)


def _strip(proto: Any) -> None:
    """Drop the exporter's traces: they tell the paths of the machine that exported."""
    parts = [*proto.graph.node, *proto.graph.input, *proto.graph.output, *proto.graph.value_info]
    parts += [*proto.graph.initializer, proto.graph, proto]
    for function in proto.functions:
        parts += [*function.node, *function.value_info, function]
    for part in parts:
        part.ClearField("metadata_props")
        part.ClearField("doc_string")


def _card(subject: "Subject", parity: Parity) -> dict[str, Any]:
    """Return what the file says of itself."""
    from limbeck import __version__

    model = subject.model
    inputs: dict[str, Any] = {
        "kind": subject.kind,
        "name": "image" if subject.kind == "image" else "inputs",
        "dtype": "float32",
        "shape": list(subject.shape),
    }
    if subject.kind == "image":
        inputs |= {"channels": subject.shape[0], "size": list(subject.shape[1:]), "range": [0.0, 1.0]}
        inputs["resize"] = "bilinear, antialiased"
    if subject.kind != "tensor":
        inputs["normalisation"] = {
            "applied": "by the graph",
            "mean": [float(each) for each in model.inputs.mean],
            "std": [float(each) for each in model.inputs.std],
        }
    return {
        "format": FORMAT,
        "limbeck": __version__,
        "model": model.name,
        "task": subject.task,
        "classes": list(model.classes) if model.classes else None,
        "input": inputs,
        "output": {"name": "value" if subject.regression else "logits"},
        "parity": parity.to_dict(),
    }
