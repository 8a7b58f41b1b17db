"""Small data sets written to a temporary folder."""

import gzip
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def write_idx(tmp_path) -> Callable[..., Path]:
    """Write a pair of idx files: random images and labels that run through the classes."""

    def write(prefix="train", count=100, side=8, zipped=False, classes=10, seed=0) -> Path:
        images = np.random.default_rng(seed).integers(0, 256, (count, side, side), dtype=np.uint8)
        labels = (np.arange(count) % classes).astype(np.uint8)
        for kind, values in (("images", images), ("labels", labels)):
            content = (
                struct.pack(f">4B{values.ndim}I", 0, 0, 8, values.ndim, *values.shape) + values.tobytes()
            )
            name = f"{prefix}-{kind}-idx{values.ndim}-ubyte"
            if zipped:
                (tmp_path / f"{name}.gz").write_bytes(gzip.compress(content))
            else:
                (tmp_path / name).write_bytes(content)
        return tmp_path

    return write


@pytest.fixture
def write_photos(tmp_path) -> Callable[..., Path]:
    """Write images into class folders below a folder, in sizes that vary."""

    def write(below="", classes=("cat", "dog"), count=10, mode="RGB", suffix="png", size=None) -> Path:
        rng = np.random.default_rng(len(below))
        for each in classes:
            place = tmp_path / "photos" / below / each
            place.mkdir(parents=True)
            for number in range(count):
                height, width = size or (20 + number, 32 - number)
                channels = () if mode == "L" else (3,)
                pixels = rng.integers(0, 256, (height, width, *channels), dtype=np.uint8)
                Image.fromarray(pixels).save(place / f"{number:03d}.{suffix}")
        return tmp_path / "photos"

    return write
