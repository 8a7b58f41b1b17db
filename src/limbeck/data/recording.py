"""One wav file: its header checked before anything is decoded, its sound as numbers from -1 to 1."""

import io
import struct
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from torch import Tensor

from limbeck.errors import LimbeckError

SUFFIXES = frozenset((".wav", ".wave"))
"""Endings of the files that count as recordings; others in a folder are left alone."""

MOST_SECONDS = 60
"""A longer recording is refused before it is decoded: a recording is one word or one short phrase."""

PCM, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE
BITS = {PCM: (8, 16, 24, 32), FLOAT: (32, 64)}
RATES = range(1_000, 192_001)


@dataclass(frozen=True)
class Header:
    """What a wav file says of itself.

    Args:
        rate: samples a second.
        channels: 1 for mono, 2 for stereo.
        samples: in each channel.
    """

    rate: int
    channels: int
    samples: int


def read(path: Path) -> tuple[Header, Tensor, bytes]:
    """Read a recording: PCM of 8, 16, 24 or 32 bits or floats; channels are averaged.

    Args:
        path: the file.

    Returns:
        Its header; its samples (n,) float32, from -1 to 1; its bytes.

    Raises:
        LimbeckError: it is no such file, is empty, damaged or longer than a minute; the file is named.
    """
    try:
        with path.open("rb") as file:
            header = _checked(path, file)
            file.seek(0)
            content = file.read()
        return header, _decoded(path, content), content
    except (OSError, ValueError, struct.error) as error:
        raise LimbeckError(f"{path} cannot be read as a wav file ({error}): write it again.") from error


def _checked(path: Path, file: BinaryIO) -> Header:
    """Read the header and hold it against the file's size; the sound itself is left alone."""
    start = file.read(12)
    if not start:
        raise LimbeckError(f"{path} is empty: write the recording again or remove the file.")
    if len(start) < 12 or start[:4] != b"RIFF" or start[8:] != b"WAVE":
        raise LimbeckError(
            f"{path} is not a wav file: it must begin with RIFF, a size and WAVE, but begins {start[:4]!r}."
        )
    size = path.stat().st_size
    form: bytes | None = None
    while len(about := file.read(8)) == 8:
        name, length = about[:4], struct.unpack("<I", about[4:])[0]
        if name == b"data":
            return _header(path, form, length, size - file.tell())
        if name == b"fmt ":
            form = file.read(length)
            file.seek(length % 2, io.SEEK_CUR)
        else:
            file.seek(length + length % 2, io.SEEK_CUR)
    raise LimbeckError(f"{path} is cut short: it ends before its sound begins; write it again.")


def _header(path: Path, form: bytes | None, length: int, left: int) -> Header:
    if form is None or len(form) < 16:
        raise LimbeckError(
            f"{path} does not say how its sound is written (no whole 'fmt ' part): write it again."
        )
    kind, channels, rate, _, align, bits = struct.unpack("<HHIIHH", form[:16])
    if kind == EXTENSIBLE and len(form) >= 26:
        kind = struct.unpack("<H", form[24:26])[0]
    if bits not in BITS.get(kind, ()):
        raise LimbeckError(
            f"{path} holds sound of format {kind} with {bits} bits, but wav: reads PCM of 8, 16, 24 or 32 bits and "
            "floats of 32 or 64: write it again as 16-bit PCM."
        )
    if rate not in RATES or not channels or align != channels * bits // 8:
        raise LimbeckError(
            f"{path} has a damaged header ({rate:,} Hz, {channels} channels, {align} bytes a sample): write it again."
        )
    if length > left or length % align:
        raise LimbeckError(
            f"{path} is damaged: its header promises {length:,} bytes of sound in samples of {align}, and {left:,} "
            "follow; write it again."
        )
    if not length:
        raise LimbeckError(f"{path} holds no sound: write the recording again or remove the file.")
    samples = length // align
    if samples > MOST_SECONDS * rate:
        raise LimbeckError(
            f"{path} is {samples / rate:,.0f} seconds long, more than {MOST_SECONDS}: cut it into single words."
        )
    return Header(rate, channels, samples)


def _decoded(path: Path, content: bytes) -> Tensor:
    from scipy.io import wavfile

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", wavfile.WavFileWarning)  # of parts that it passes over, as we do
        _, raw = wavfile.read(io.BytesIO(content))
    if raw.dtype == np.uint8:
        sound = (raw.astype(np.float32) - 128) / 128
    elif raw.dtype.kind == "i":  # 24 bits come as the upper ones of 32
        sound = raw / np.float32(-int(np.iinfo(raw.dtype).min))
    else:
        sound = raw
    mono = np.array(sound if sound.ndim == 1 else sound.mean(1), dtype=np.float32)
    if not np.isfinite(mono).all():
        raise LimbeckError(f"{path} holds values that are not finite numbers: write it again.")
    return torch.from_numpy(mono)
