"""The person's own networks: ``--plugin file.py``, then ``plugin:FUNCTION``.

The file is executed because the person named it on the command line or in their own Python; no config file,
card or run folder ever leads here.
"""

import importlib.util
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from limbeck.errors import LimbeckError, did_you_mean
from limbeck.models.model import Model, Request
from limbeck.models.refusals import refuse_pretrained
from limbeck.models.sizing import first_line
from limbeck.models.small import default_inputs


def open_plugin(name: str, request: Request, plugins: Sequence[str | Path]) -> Model:
    """Open the network that FUNCTION of a plugin file builds.

    Args:
        name: the function; it is called as ``FUNCTION(outputs, shape)`` and returns a module from
            (N, *shape) to (N, outputs).
        request: what the network is for.
        plugins: the files the person passed.

    Raises:
        LimbeckError: no file was passed, the file or the function fails, or it returns something else.
    """
    spec = f"plugin:{name}"
    refuse_pretrained(spec, request)
    shape = request.shape
    if request.is_image and request.size:
        shape = (request.channels, *request.size)
    options = {"shape": shape}
    return Model(
        module=build_plugin(name, request.outputs, options, plugins),
        name=spec,
        inputs=default_inputs(shape),
        outputs=request.outputs,
        shape=request.shape,
        options=options,
    )


def build_plugin(
    name: str, outputs: int, options: dict[str, Any], plugins: Sequence[str | Path]
) -> nn.Module:
    """Build the network by calling the person's function."""
    spec = f"plugin:{name}"
    if not plugins:
        raise LimbeckError(f"{spec} needs the file that defines {name}: pass it with --plugin FILE.py.")
    modules = [load_plugin(each) for each in plugins]
    function = next((found for each in modules if callable(found := getattr(each, name, None))), None)
    if function is None:
        files = ", ".join(str(each) for each in plugins)
        known = [key for each in modules for key, value in vars(each).items() if callable(value)]
        raise LimbeckError(f"No function {name!r} in {files}.{did_you_mean(name, known)}")
    shape = tuple(options["shape"])
    try:
        module = function(outputs, shape)
    except Exception as error:
        raise LimbeckError(
            f"{spec} failed when called as {name}({outputs}, {shape}): {_what(error)}."
        ) from error
    if not isinstance(module, nn.Module):
        raise LimbeckError(
            f"{spec} returned an object of type {type(module).__name__}; it must return a torch.nn.Module."
        )
    _check_answer(spec, module, outputs, shape)
    return module


def load_plugin(path: str | Path) -> ModuleType:
    """Execute a Python file and return it as a module; an unchanged file is executed only once.

    Args:
        path: the file.

    Raises:
        LimbeckError: there is no such file, or an error happens inside it.
    """
    path = Path(path)
    if path.suffix != ".py" or not path.is_file():
        raise LimbeckError(f"--plugin {path} is no Python file: pass the .py file that defines your models.")
    key = f"limbeck_plugin_{path.stem}_{abs(hash((path.resolve(), path.stat().st_mtime_ns))):x}"
    if key in sys.modules:
        return sys.modules[key]
    spec = importlib.util.spec_from_file_location(key, path)
    if spec is None or spec.loader is None:
        raise LimbeckError(f"--plugin {path} is no Python file: pass the .py file that defines your models.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[key] = module  # before it runs, as dataclasses inside it look themselves up
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[key]
        raise LimbeckError(f"The plugin {path} failed{_where(error, path)}: {_what(error)}.") from error
    return module


def _what(error: BaseException) -> str:
    said = error.msg if isinstance(error, SyntaxError) else first_line(error)
    return f"{type(error).__name__}: {said}".rstrip(".")


def _where(error: BaseException, path: Path) -> str:
    if isinstance(error, SyntaxError):
        return f" at line {error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    lines = [each.lineno for each in frames if Path(each.filename).resolve() == path.resolve()]
    return f" at line {lines[-1]}" if lines else ""


def _check_answer(spec: str, module: nn.Module, outputs: int, shape: tuple[int, ...]) -> None:
    """Call the network once on zeros, so that a wrong shape is told now and not by a loss later."""
    was_training = module.training
    module.eval()
    try:
        with torch.no_grad():
            answer = module(torch.zeros(1, *shape))
    except Exception as error:
        raise LimbeckError(f"{spec} fails on one sample of shape {shape}: {_what(error)}.") from error
    finally:
        module.train(was_training)
    found = tuple(answer.shape) if isinstance(answer, torch.Tensor) else type(answer).__name__
    if found != (1, outputs):
        raise LimbeckError(
            f"{spec} returns {found} for one sample of shape {shape}; it must be (1, {outputs})."
        )
