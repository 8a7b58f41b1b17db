"""Recordings as frames: each sample is one frame with its neighbours, its target a part of a word."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import torch
from torch import Tensor

from limbeck.data.logmel import windows
from limbeck.data.source import digest
from limbeck.errors import LimbeckError, did_you_mean


@dataclass(frozen=True)
class Framing:
    """How recordings become samples.

    Args:
        mels: values in a frame's vector.
        context: frames that a sample shows before and after its own.
        states: parts that a word is cut into, from left to right.
        window: milliseconds that a frame looks at.
        hop: milliseconds from one frame to the next.

    Raises:
        LimbeckError: a setting out of its range.

    Example:
        >>> Framing.parsed("mels=20&context=5").context
        5
    """

    mels: int = 40
    context: int = 10
    states: int = 3
    window: int = 25
    hop: int = 10

    def __post_init__(self) -> None:
        ranges = {
            "mels": (1, 256),
            "context": (0, 100),
            "states": (1, 100),
            "window": (1, 1000),
            "hop": (1, 1000),
        }
        for name, (least, most) in ranges.items():
            value = getattr(self, name)
            if not least <= value <= most:
                raise LimbeckError(
                    f"The setting {name} of wav: data goes from {least} to {most}, not to {value}."
                )

    @classmethod
    def parsed(cls, text: str) -> "Framing":
        """Return the settings written as ``mels=40&context=10``; those not named keep their usual value."""
        known = cls.__dataclass_fields__
        settings = {}
        for name, value in parse_qsl(text, keep_blank_values=True):
            if name not in known:
                raise LimbeckError(
                    f"wav: data has no setting {name!r} (there are: {', '.join(known)}).{did_you_mean(name, known)}"
                )
            if not (value.isascii() and value.isdigit()):
                raise LimbeckError(f"The setting {name} of wav: data is a whole number, not {value!r}.")
            settings[name] = int(value)
        return cls(**settings)


class FrameSource:
    """The frames of all recordings behind one another; vectors are kept once, windows made as they are read.

    A recording of word k is cut into ``states`` parts of equal length, from left to right: its frame t of T has
    the target k · states + ⌊t · states / T⌋.

    Args:
        vectors: (F, M) float32, of all recordings behind one another.
        starts: (U + 1,) int64, where each recording begins, and F.
        words: (U,) int64, the word of each.
        states: parts of a word.
        context: frames that a sample shows before and after its own.
        contents: fingerprint of what the vectors were made from, and how; of the vectors when not given.

    Example:
        >>> vectors, starts = torch.arange(6.0)[:, None], torch.tensor([0, 4, 6])
        >>> source = FrameSource(vectors, starts, torch.tensor([0, 1]), states=2, context=1)
        >>> source.targets.tolist(), source.read(4).tolist()
        ([0, 0, 1, 1, 2, 3], [4.0, 4.0, 5.0])
    """

    def __init__(
        self,
        vectors: Tensor,
        starts: Tensor,
        words: Tensor,
        states: int = 3,
        context: int = 10,
        contents: str | None = None,
    ):
        if len(starts) != len(words) + 1 or int(starts[-1]) != len(vectors):
            raise ValueError(
                f"{len(words)} words, {len(starts)} starts and {len(vectors)} vectors do not agree"
            )
        self.vectors = vectors.contiguous()
        self.starts, self.words = starts, words
        self.states, self.context = states, context
        lengths = starts.diff()
        place = torch.arange(len(vectors)) - starts[:-1].repeat_interleave(lengths)
        state = place * states // lengths.repeat_interleave(lengths)
        self.targets: Any = words.repeat_interleave(lengths) * states + state
        self._contents = contents

    def __len__(self) -> int:
        return len(self.vectors)

    @property
    def width(self) -> int:
        """Values in a sample: (2 · context + 1) · M."""
        return (2 * self.context + 1) * self.vectors.shape[1]

    def read(self, index: int) -> Tensor:
        """Return the window of frame ``index``, (width,) float32."""
        return self.read_many(torch.tensor([index]))[0]

    def read_many(self, indices: Tensor) -> Tensor:
        """Return the windows of the frames ``indices`` (N,) as one tensor, in that order."""
        recording = torch.searchsorted(self.starts, indices, right=True)
        first, last = self.starts[recording - 1], self.starts[recording] - 1
        return windows(self.vectors, indices, first, last, self.context)

    def frames_of(self, recordings: Tensor) -> Tensor:
        """Return the frames of ``recordings`` (R,) int64, sorted."""
        wanted = torch.zeros(len(self.words), dtype=torch.bool)
        wanted[recordings] = True
        return wanted.repeat_interleave(self.starts.diff()).nonzero().flatten()

    def statistics(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and standard deviation, (width,) float64, of the vectors at ``indices``, alike for each place.

        No window is made for it: all of them at once would take ``2 · context + 1`` times the vectors' memory.
        """
        std, mean = torch.std_mean(self.vectors[indices].double(), 0, correction=0)
        times = 2 * self.context + 1
        return mean.repeat(times), std.repeat(times)

    def fingerprint(self) -> str:
        """Return the sha256 of the contents, and of how they are cut into samples."""
        contents = self._contents or digest([self.vectors])
        return digest([contents, self.starts, self.words, f"{self.states} {self.context}"])
