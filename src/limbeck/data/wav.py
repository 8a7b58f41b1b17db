"""Recordings of words: wav files with a folder for each word, or all in one folder with the word in the name.

A sample is one frame. A network is taught which part of which word it is in; the task
:class:`limbeck.tasks.Frames` puts a recording's frames together into one decision. Whoever serves a trained network
makes its inputs in the same two steps, with the settings of the run's data:

    vectors = LogMel(rate)(sound)                                      # (T, mels), sound from -1 to 1
    frames, ends = torch.arange(T), (torch.zeros(T, dtype=int), torch.full((T,), T - 1))
    inputs = windows(vectors, frames, *ends, context)                  # (T, (2 · context + 1) · mels)

and gives these to the exported file, which standardises them itself. For a client without torch, the definition in
:class:`~limbeck.data.logmel.LogMel` is complete.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from limbeck.data import recording
from limbeck.data.frames import FrameSource, Framing
from limbeck.data.layout import PARTS, classes_missing, files_below, parts_of, split_missing, subfolders
from limbeck.data.logmel import LogMel
from limbeck.data.source import Data, digest
from limbeck.data.splits import refuse_bad_classes
from limbeck.errors import LimbeckError

METHOD = "log-mel 1"
"""Part of the fingerprint: counts up when the same file and settings come to give other vectors."""

TEST_INDICES = range(5)
"""The free spoken digit data set's own test part: recordings 0 to 4 of each word and speaker."""


@dataclass
class _Listed:
    """Files in order, and what their places or names say of them."""

    paths: list[Path]
    words: list[int]
    classes: tuple[str, ...]
    spans: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Where each part begins and ends, where folders name the parts."""
    numbers: list[int] | None = None
    """The INDEX in each name, in a flat folder."""


def recordings(
    path: str | Path,
    framing: Framing | None = None,
    *,
    seed: int = 0,
    skip_bad: bool = False,
    name: str | None = None,
) -> Data:
    """Return the frames of the wav files under ``path``.

    With a folder for each word, parts are found or held out as :func:`limbeck.data.folder.folder` does. In a flat
    folder files are called ``WORD_SPEAKER_INDEX.wav``; recordings 0 to 4 are for test where that is at most a
    fifth, else a fifth is held out; of the rest a fifth is for validation. A recording is never divided: all its frames
    are in one part.

    Args:
        path: the folder.
        framing: how recordings become samples.
        seed: of the split.
        skip_bad: leave out the recordings that cannot be read, and list them, instead of refusing them.
        name: what the data is called in reports; ``wav:PATH`` when not given.

    Raises:
        LimbeckError: no recordings, different sample rates, a damaged, empty or too short file, too few of a word.

    Example:
        >>> import tempfile
        >>> from scipy.io import wavfile
        >>> root = Path(tempfile.mkdtemp())
        >>> for number in range(20):
        ...     tone = torch.sin(torch.arange(1600) * (0.2 + number % 2)).mul(9000).short().numpy()
        ...     wavfile.write(root / f"{('low', 'high')[number % 2]}_anna_{number}.wav", 8000, tone)
        >>> data = recordings(root)
        >>> data.classes[:4], data.shape, len(data.train), len(data.validation), len(data.test)
        (('high/0', 'high/1', 'high/2', 'low/0'), (840,), 234, 54, 72)
    """
    root, framing = Path(path), framing or Framing()
    name = name or f"wav:{path}"
    flat = sorted(each for each in root.iterdir() if _is_recording(each))
    listed = _by_name(root, flat) if flat else _by_folder(root)
    source, kept, skipped = _read(root, listed, framing, skip_bad)
    notes: list[str] = []
    parts = _parts(name, listed, kept, source.words, seed, notes)
    counts = ", ".join(f"{len(parts[each]):,} for {each}" for each in PARTS)
    notes.append(
        f"Samples are frames, {framing.hop} ms apart, each with {framing.context} before and after it. "
        f"Recordings are never divided: {counts}."
    )
    train, validation, test = (source.frames_of(parts[each]) for each in PARTS)
    classes = tuple(f"{word}/{state}" for word in listed.classes for state in range(framing.states))
    shape = (source.width,)
    return Data(name, "frames", source, train, validation, test, classes, shape, tuple(skipped), tuple(notes))


def _parts(
    name: str, listed: _Listed, kept: list[bool], words: Tensor, seed: int, notes: list[str]
) -> dict[str, Tensor]:
    """Return the recordings of each part, of those that were kept; ``notes`` gains what should be said."""
    spans = {part: (sum(kept[:begin]), sum(kept[:end])) for part, (begin, end) in listed.spans.items()}
    refuse_bad_classes(name, words[slice(*spans.get("train", (0, None)))], listed.classes)
    if listed.numbers is None:
        parts = {part: torch.arange(*span) for part, span in spans.items()}
    else:
        parts = _by_index(torch.tensor(listed.numbers)[torch.tensor(kept)], words, notes)
    notes += classes_missing(spans, words, listed.classes, "recordings")
    notes += split_missing(parts, words, seed, "recordings")
    return parts


def _is_recording(path: Path) -> bool:
    return path.is_file() and not path.name.startswith(".") and path.suffix.lower() in recording.SUFFIXES


def _by_name(root: Path, paths: Sequence[Path]) -> _Listed:
    words, numbers = [], []
    for each in paths:
        parts = each.stem.rsplit("_", 2)
        if len(parts) != 3 or not parts[0] or not (parts[2].isascii() and parts[2].isdigit()):
            raise LimbeckError(
                f"{each} must be called WORD_SPEAKER_INDEX{each.suffix}, such as seven_anna_12{each.suffix}, or lie in "
                "a folder that is called as its word."
            )
        words.append(parts[0])
        numbers.append(int(parts[2]))
    beside = next((each for each in subfolders(root) if any(files_below(each, recording.SUFFIXES))), None)
    if beside is not None:
        raise LimbeckError(
            f"{root} has recordings both beside and in the folder {beside.name!r}: put all into folders of their words."
        )
    classes = tuple(sorted(set(words)))
    return _Listed(list(paths), [classes.index(each) for each in words], classes, numbers=numbers)


def _by_folder(root: Path) -> _Listed:
    parts = parts_of(root)
    classes = tuple(sorted(each.name for each in subfolders(parts["train"])))
    if not classes:
        raise LimbeckError(
            f"{parts['train']} has neither recordings nor folders: put those of each word into its own."
        )
    listed = _Listed([], [], classes)
    for part in [each for each in PARTS if each in parts]:
        begin = len(listed.paths)
        for place in subfolders(parts[part]):
            if place.name not in classes:
                raise LimbeckError(f"{place} is a word that {parts['train']} has no folder for.")
            paths = list(files_below(place, recording.SUFFIXES))
            if not paths:
                raise LimbeckError(f"The folder {place} has no wav files: fill it or remove it.")
            listed.paths += paths
            listed.words += [classes.index(place.name)] * len(paths)
        listed.spans[part] = (begin, len(listed.paths))
    return listed


def _read(
    root: Path, listed: _Listed, framing: Framing, skip_bad: bool
) -> tuple[FrameSource, list[bool], list[str]]:
    """Return the frames of all readable files, which files these are, and which were left out."""
    vectors, words, bad = [], [], []
    kept = []
    mel: LogMel | None = None
    total = hashlib.sha256()
    for path, word in zip(listed.paths, listed.words, strict=True):
        try:
            header, sound, content = recording.read(path)
            mel = mel or LogMel(header.rate, framing.mels, framing.window, framing.hop)
            _refuse_short(path, mel.frames(header.samples), framing)
        except LimbeckError as error:
            bad.append((path, error))
            kept.append(False)
            continue
        if header.rate != mel.rate:
            raise LimbeckError(
                f"{path} has {header.rate:,} samples a second, but {listed.paths[kept.index(True)]} has {mel.rate:,}: "
                "bring all recordings to one rate."
            )
        vectors.append(mel(sound))
        words.append(word)
        kept.append(True)
        total.update(digest([path.relative_to(root).as_posix(), content]).encode())
    if bad and not (skip_bad and vectors):
        more = f" ({len(bad) - 1} more files are like it.)" if len(bad) > 1 else ""
        raise LimbeckError(f"{bad[0][1]}{more}") from bad[0][1]
    starts = torch.tensor([0, *(len(each) for each in vectors)]).cumsum(0)
    contents = digest([METHOD, repr(asdict(framing)), total.hexdigest()])
    source = FrameSource(
        torch.cat(vectors), starts, torch.tensor(words), framing.states, framing.context, contents
    )
    return source, kept, [str(path) for path, _ in bad]


def _refuse_short(path: Path, frames: int, framing: Framing) -> None:
    if frames < framing.states:
        raise LimbeckError(
            f"{path} is too short: it has {frames} frames of {framing.window} ms, and its word has {framing.states} "
            "parts; remove it."
        )


def _by_index(numbers: Tensor, words: Tensor, notes: list[str]) -> dict[str, Tensor]:
    """Divide a flat folder as the free spoken digit data set is, where that leaves enough to learn from."""
    tested = numbers <= TEST_INDICES[-1]
    everything = torch.arange(len(words))
    classes = int(words.max()) + 1
    shares = torch.bincount(words[tested], minlength=classes) / torch.bincount(words, minlength=classes)
    if bool((shares == 0).any()) or bool((shares > 0.2).any()):
        return {"train": everything}
    notes.append("Recordings of index 0 to 4 are the test part.")
    return {"train": everything[~tested], "test": everything[tested]}
