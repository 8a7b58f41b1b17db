"""Recordings that tests write: each word is tones, one after another, with a little noise."""

import struct
from pathlib import Path

import numpy as np

PITCHES = {"low": (300, 500, 400), "high": (1500, 2200, 1800), "rising": (400, 1200, 2500)}
RATE = 8000


def sound(word: str = "low", seconds: float = 0.2, rate: int = RATE, seed: int = 0) -> np.ndarray:
    """Return a word as float64 from -1 to 1."""
    rng = np.random.default_rng(seed)
    time = np.arange(int(seconds * rate)) / rate
    pitch = np.array(PITCHES[word])[(time / seconds * 3).astype(int).clip(max=2)]
    return 0.5 * np.sin(2 * np.pi * pitch * time) + 0.01 * rng.standard_normal(len(time))


def encoded(values: np.ndarray, bits: int = 16, kind: int = 1) -> bytes:
    """Return samples (n,) or (n, channels) as they lie in a wav file of that kind."""
    if kind == 3:
        return values.astype(f"<f{bits // 8}").tobytes()
    whole = np.round(values * (2 ** (bits - 1) - 1)).astype(np.int64)
    if bits == 8:
        return (whole + 128).astype(np.uint8).tobytes()
    if bits == 24:
        return whole.astype("<i4").reshape(-1, 1).view(np.uint8)[:, :3].tobytes()
    return whole.astype(f"<i{bits // 8}").tobytes()


def wav(
    values: np.ndarray, bits: int = 16, kind: int = 1, rate: int = RATE, before: bytes = b"", long=False
) -> bytes:
    """Return a wav file; ``before`` stands between its header and its sound, ``long`` takes the longer header."""
    content = encoded(values, bits, kind)
    channels = 1 if values.ndim == 1 else values.shape[1]
    align = channels * bits // 8
    form = struct.pack("<HHIIHH", 0xFFFE if long else kind, channels, rate, rate * align, align, bits)
    if long:  # WAVE_FORMAT_EXTENSIBLE, which many programs write for 24 bits
        form += struct.pack("<HHIH", 22, bits, 0, kind) + bytes.fromhex("000000001000800000aa00389b71")
    body = (
        b"WAVE"
        + (b"fmt " + struct.pack("<I", len(form)) + form)
        + before
        + (b"data" + struct.pack("<I", len(content)) + content)
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body


def write_flat(root: Path, count: int = 10, words=("low", "high"), seconds: float = 0.2) -> Path:
    """Write ``count`` recordings of each word, called WORD_anna_INDEX.wav."""
    root.mkdir(parents=True, exist_ok=True)
    for word in words:
        for number in range(count):
            length = seconds + 0.01 * (number % 4)
            (root / f"{word}_anna_{number}.wav").write_bytes(wav(sound(word, length, seed=number)))
    return root


def write_folders(root: Path, count: int = 10, words=("low", "high")) -> Path:
    """Write ``count`` recordings of each word into a folder of its name."""
    for word in words:
        (root / word).mkdir(parents=True)
        for number in range(count):
            (root / word / f"{number:02}.wav").write_bytes(
                wav(sound(word, 0.2 + 0.01 * (number % 4), seed=number))
            )
    return root
