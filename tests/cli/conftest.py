"""The command line in process, and small inputs to spoil."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.utils.benchmark  # says once on stderr where CUDA is, before any test reads stderr
from PIL import Image

from limbeck.cli import main
from limbeck.evaluate import cost
from limbeck.models import open_model

SMALL = ["--data", "digits", "--limit", "100", "--epochs", "1", "--seeds", "1"]
"""The least that can be trained on."""


@contextmanager
def in_a_hurry() -> Iterator[None]:
    """Use one thread, and measure latencies only as often as it takes to have one."""
    threads, measure = torch.get_num_threads(), cost.latency
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cost, "latency", lambda module, example, **_: measure(module, example, seconds=0.01))
        yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch) -> Iterator[None]:
    """Run each test in an empty folder, so that short names are whole paths and strays are seen."""
    monkeypatch.chdir(tmp_path)
    with in_a_hurry():
        yield


@pytest.fixture
def small() -> list[str]:
    return list(SMALL)


@pytest.fixture
def limbeck(capfd) -> Callable[..., SimpleNamespace]:
    """Run a command; return its exit code, what it printed and what it complained of."""

    def run(*words: object) -> SimpleNamespace:
        capfd.readouterr()
        code = main([str(word) for word in words])
        out, err = capfd.readouterr()
        return SimpleNamespace(code=code, out=out, err=err)

    return run


@pytest.fixture
def refused(limbeck) -> Callable[..., str]:
    """Run a command that must be refused before anything is done; return the sentence."""

    def run(*words: object, lines: int = 1) -> str:
        before = files()
        result = limbeck(*words)
        assert result.code == 2, result
        assert result.out == ""
        assert result.err.startswith("limbeck: ")
        assert "Traceback" not in result.err
        assert len(result.err.splitlines()) == lines, result.err
        assert files() == before  # not even a folder is left
        return result.err.removeprefix("limbeck: ").rstrip("\n")

    return run


def files() -> dict[str, tuple[int, int]]:
    """Return everything below the present folder, with size and time of change."""
    paths = [Path(), *Path().rglob("*")]
    facts = {str(path): path.stat() for path in paths}
    return {name: (each.st_size, each.st_mtime_ns) for name, each in facts.items()}


@pytest.fixture(scope="session")
def trained_once(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("cli") / "run"
    with in_a_hurry():
        assert main(["train", "--model", "mlp:4", *SMALL, "--out", str(folder)]) == 0
    return folder


@pytest.fixture(scope="session")
def distilled_once(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("cli") / "run"
    words = ["--teacher", "mlp:8", "--student", "mlp:4?dropout=0.2", *SMALL, "--batch-size", "32"]
    with in_a_hurry():
        assert main(["distill", *words, "--epochs", "2", "--out", str(folder)]) == 0
    return folder


@pytest.fixture
def trained(trained_once, tmp_path) -> Path:
    """A finished ``limbeck train`` run of ten digits, to be named ``run``."""
    return shutil.copytree(trained_once, tmp_path / "run").relative_to(tmp_path)


@pytest.fixture
def distilled(distilled_once, tmp_path) -> Path:
    """A finished ``limbeck distill`` run, to be named ``run``."""
    return shutil.copytree(distilled_once, tmp_path / "run").relative_to(tmp_path)


@pytest.fixture
def photos(tmp_path) -> Callable[..., Path]:
    """Write images of 8×8 pixels into class folders."""

    def write(name: str, classes: str = "ab", count: int = 10) -> Path:
        rng = np.random.default_rng(0)
        for each in classes:
            place = tmp_path / name / each
            place.mkdir(parents=True)
            for number in range(count):
                pixels = rng.integers(0, 256, (8, 8), dtype=np.uint8)
                Image.fromarray(pixels).save(place / f"{number}.png")
        return Path(name)

    return write


@pytest.fixture
def state() -> dict[str, torch.Tensor]:
    """Weights that fit mlp:4 on digits."""
    return dict(open_model("mlp:4", outputs=10, shape=(1, 8, 8)).module.state_dict())
