"""Images in the MNIST file format: four ``idx`` files in a folder, gzipped or not."""

import gzip
import struct
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from limbeck.data.source import Data, TensorSource
from limbeck.data.splits import hold_out, refuse_bad_classes
from limbeck.errors import LimbeckError

MOST_BYTES = 2**33
"""Largest file that is read into memory (8 GiB): a header that says more is taken for damage."""


def idx(folder: str | Path, seed: int = 0, name: str | None = None) -> Data:
    """Return the images of an ``idx`` folder such as MNIST's or Fashion-MNIST's.

    ``train-images-idx3-ubyte`` and ``train-labels-idx1-ubyte`` (or with ``.gz``) give training and, a tenth
    of them, validation: 54,000 and 6,000 of MNIST's 60,000. ``t10k-…`` or ``test-…`` give the test part;
    without them a fifth of the training file is held out for test first.

    Args:
        folder: where the files lie.
        seed: of the split.
        name: what the data is called in reports; ``idx:FOLDER`` when not given.

    Raises:
        LimbeckError: a file is missing, damaged or does not fit the others.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> header = struct.pack(">4B3I", 0, 0, 8, 3, 20, 4, 4)
        >>> _ = (folder / "train-images-idx3-ubyte").write_bytes(header + bytes(20 * 16))
        >>> _ = (folder / "train-labels-idx1-ubyte").write_bytes(
        ...     struct.pack(">4BI", 0, 0, 8, 1, 20) + bytes([3, 7] * 10))
        >>> data = idx(folder)
        >>> data.classes, data.shape, len(data.train), len(data.validation), len(data.test)
        (('3', '7'), (1, 4, 4), 14, 2, 4)
    """
    folder = Path(folder)
    name = name or f"idx:{folder}"
    images, labels = _pair(folder, "train")
    test_prefix = next((each for each in ("t10k", "test") if _find(folder, f"{each}-images-idx3")), None)
    first = len(images)
    if test_prefix is not None:
        more_images, more_labels = _pair(folder, test_prefix)
        if more_images.shape[1:] != images.shape[1:]:
            raise LimbeckError(
                f"Training images in {folder} are {_size(images)} pixels "
                f"but test images {_size(more_images)}; they must agree."
            )
        images, labels = torch.cat([images, more_images]), torch.cat([labels, more_labels])
    values = torch.unique(labels[:first])
    # EMNIST counts from 1, and a subset may lack a digit: classes are the labels that occur in training
    targets = torch.searchsorted(values, labels)
    if not torch.equal(values[targets.clamp(max=len(values) - 1)], labels):
        raise LimbeckError(f"The test labels in {folder} have classes that its training labels have not.")
    classes = tuple(str(each) for each in values.tolist())
    refuse_bad_classes(name, targets[:first], classes, least=2)
    rest, test = torch.arange(first), torch.arange(first, len(images))
    if test_prefix is None:
        rest, test = hold_out(rest, targets, 0.2, seed)
    train, validation = hold_out(rest, targets, 0.1, seed)
    source = TensorSource(images.unsqueeze(1), targets)
    shape = (1, images.shape[1], images.shape[2])
    return Data(name, "classification", source, train, validation, test, classes, shape)


def read_idx(path: str | Path, axes: int) -> Tensor:
    """Return the bytes of an ``idx`` file as a uint8 tensor.

    Args:
        path: the file, gzipped when its name ends in ``.gz``.
        axes: how many axes it must have: 3 for images, 1 for labels.

    Raises:
        LimbeckError: it is not such a file, or is cut short.
    """
    path = Path(path)
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            start = file.read(4 + 4 * axes)
            if len(start) < 4 + 4 * axes or start[:4] != bytes((0, 0, 8, axes)):
                raise LimbeckError(
                    f"{path} is not an idx file of bytes with {axes} axes: "
                    f"it must begin 00 00 08 {axes:02x}, but begins {start[:4].hex(' ') or 'empty'}."
                )
            shape = struct.unpack(f">{axes}I", start[4:])
            wanted = int(np.prod(shape, dtype=object))
            if wanted > MOST_BYTES:
                raise LimbeckError(
                    f"{path} says it holds {wanted:,} bytes, more than the {MOST_BYTES:,} allowed."
                )
            content = file.read(wanted + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise LimbeckError(f"{path} cannot be read ({error}); fetch it again.") from error
    if len(content) != wanted:
        many = "more" if len(content) > wanted else f"only {len(content):,}"
        raise LimbeckError(f"{path} should hold {wanted:,} bytes but holds {many}; fetch it again.")
    return torch.from_numpy(np.frombuffer(content, np.uint8).reshape(shape).copy())


def _pair(folder: Path, prefix: str) -> tuple[Tensor, Tensor]:
    images = read_idx(_needed(folder, f"{prefix}-images-idx3"), 3)
    labels = read_idx(_needed(folder, f"{prefix}-labels-idx1"), 1)
    if len(images) != len(labels):
        raise LimbeckError(f"{folder} has {len(images):,} {prefix} images but {len(labels):,} labels.")
    return images, labels


def _find(folder: Path, stem: str) -> Path | None:
    """Return the file of that stem; some copies write a dot before ``idx``, some gzip."""
    for each in (stem, stem.replace("-idx", ".idx")):
        for suffix in ("", ".gz"):
            path = folder / f"{each}-ubyte{suffix}"
            if path.is_file():
                return path
    return None


def _needed(folder: Path, stem: str) -> Path:
    path = _find(folder, stem)
    if path is None:
        raise LimbeckError(f"{folder} has no file {stem}-ubyte (or {stem}-ubyte.gz), which idx data needs.")
    return path


def _size(images: Tensor) -> str:
    return "×".join(str(each) for each in images.shape[1:])
