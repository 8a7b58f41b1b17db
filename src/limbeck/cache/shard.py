"""Arrays on disk as plain ``.npy``: their space is reserved before anything is written, and they are mapped."""

import os
from errno import EINVAL, EMFILE, ENOSYS, EOPNOTSUPP
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import DTypeLike, NDArray

from limbeck.cache.header import REBUILD
from limbeck.errors import LimbeckError
from limbeck.files import replacing

_PIECE = 1 << 22


def reserve(path: Path, shape: tuple[int, ...], dtype: DTypeLike) -> None:
    """Make a ``.npy`` file of zeros whose space on the disk is its own, so that writing to its map cannot fail.

    Args:
        path: the file to make or replace.
        shape: of the array.
        dtype: of the array.

    Raises:
        NoSpaceError: the disk is full; an earlier file is untouched.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "a.npy"
        >>> reserve(path, (3, 2), np.uint8)
        >>> int(np.load(path).sum())
        0
    """
    layout = np.dtype(dtype)
    with replacing(path) as temporary, temporary.open("wb") as file:
        described = {
            "descr": np.lib.format.dtype_to_descr(layout),
            "fortran_order": False,
            "shape": shape,
        }
        np.lib.format.write_array_header_1_0(file, described)
        file.flush()
        _allocate(file, file.tell() + int(np.prod(shape, dtype=np.int64)) * layout.itemsize)


def mapped(
    path: Path, shape: tuple[int, ...], dtype: DTypeLike, write: bool = False
) -> "np.memmap[Any, Any]":
    """Return the array in a ``.npy`` file as a map of it, when it is exactly what is expected.

    Args:
        path: the file.
        shape: that it must have.
        dtype: that it must have.
        write: whether what is written to the map goes to the file.

    Raises:
        LimbeckError: missing, not to be read, foreign, cut short, of another shape or type.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "a.npy"
        >>> reserve(path, (3, 2), np.uint8)
        >>> mapped(path, (3, 2), np.uint8).shape
        (3, 2)
    """
    try:
        with path.open("r+b" if write else "rb") as file:
            offset = _check(path, file, shape, np.dtype(dtype))
            # Not numpy.load: in mode r+ it silently lengthens a file that was cut short.
            return np.memmap(file, dtype, "r+" if write else "r", offset, shape)
    except FileNotFoundError:
        raise LimbeckError(f"{path} is missing. {REBUILD}") from None
    except OSError as error:
        raise LimbeckError(
            f"{path} cannot be {'written' if write else 'read'}: {error.strerror}. "
            + (
                "Raise the limit, with ulimit -n."
                if error.errno == EMFILE
                else "Look at the folder's permissions."
            )
        ) from None


def _check(path: Path, file: BinaryIO, shape: tuple[int, ...], dtype: np.dtype[Any]) -> int:
    """Return where the numbers begin."""
    try:
        if np.lib.format.read_magic(file) != (1, 0):
            raise ValueError("another version of the format")
        found = np.lib.format.read_array_header_1_0(file)
    except (ValueError, EOFError, SyntaxError, TypeError, RecursionError):
        raise LimbeckError(
            f"{path} is not an array of this cache: its first bytes are others. {REBUILD}"
        ) from None
    if found != (shape, False, dtype):
        kind = f"{found[2]} of shape {found[0]}{' in the order of Fortran' if found[1] else ''}"
        raise LimbeckError(f"{path} holds {kind}, and {dtype} of shape {shape} belongs there. {REBUILD}")
    expected = file.tell() + int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    size = os.fstat(file.fileno()).st_size
    if size != expected:
        state = "was cut short" if size < expected else "is too long"
        raise LimbeckError(f"{path} {state}: it has {size:,} bytes of {expected:,}. {REBUILD}")
    return file.tell()


def _allocate(file: BinaryIO, size: int) -> None:
    allocate = getattr(os, "posix_fallocate", None)  # not on every system
    if allocate is not None:
        try:
            allocate(file.fileno(), 0, size)
        except OSError as error:
            if error.errno not in {EINVAL, ENOSYS, EOPNOTSUPP}:  # not on every file system
                raise
        else:
            return
    for start in range(file.tell(), size, _PIECE):
        file.write(bytes(min(_PIECE, size - start)))


def values(array: NDArray[Any]) -> NDArray[Any]:
    """Return a map as an ordinary array, which is several times as fast to index.

    Example:
        >>> type(values(np.zeros(3))).__name__
        'ndarray'
    """
    return array.view(np.ndarray)
