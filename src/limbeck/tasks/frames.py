"""Frames of recordings: a state for each frame, a word for each recording."""

from typing import ClassVar

import torch
from torch import Tensor

from limbeck.data import Data
from limbeck.data.frames import FrameSource
from limbeck.errors import LimbeckError
from limbeck.functional.precision import full_precision
from limbeck.tasks.base import Metrics
from limbeck.tasks.classification import Classification, ClassificationMetrics
from limbeck.types import Batch, Outputs


class Frames(Classification):
    """Frame classification in recordings of one word each, each word a row of states from left to right.

    Networks and losses see single-label classification over C = words · states classes, class k · states + s being
    state s of word k; the metric is the share of frames classified rightly. Beside it stands the share of recordings
    whose word is decided wrongly.

    Definition of the decision:
        A recording's frames t = 1 … T, in the order of their index, have logits z_t and scores
        e_t(c) = log softmax(z_t)_c - log prior_c: a hybrid system's likelihoods, up to what is common to all classes.
        Word k scores the largest Σ_t e_t(k · states + s_t) over all paths with s_1 = 0, s_t - s_(t-1) either 0 or 1,
        and s_T = states - 1, or as far as T frames come where they are fewer. Staying and advancing cost nothing. The
        word of the highest score is decided on, the first of equals.

    Batches may hold any frames in any order, over any number of processes: frames are put together by ``batch.index``,
    one that comes twice counts once, and a recording is judged by those of its frames that came.

    Args:
        starts: (U + 1,) int64, the index of each recording's first frame, and behind the last one the number of frames.
        words: (U,) int64, the word of each recording.
        states: states of a word.
        priors: (C,) probabilities of the classes in training; all alike when not given.
        classes: C; as many as ``priors``, or as the words that occur need, when not given.
        shape: shape of one input without the batch, for ``example_input``.

    Raises:
        LimbeckError: starts, words, states and priors that do not agree.

    Example:
        >>> task = Frames(torch.tensor([0, 2, 4]), torch.tensor([0, 1]), states=2)
        >>> logits = 9 * torch.eye(4)[[0, 1, 2, 2]]
        >>> metrics = task.metrics(full=False)
        >>> metrics.update(Outputs(logits=logits), Batch(logits, torch.arange(4), torch.arange(4)))
        >>> scores = metrics.compute()
        >>> scores["frame_accuracy"], scores["utterance_error"]
        (0.75, 0.0)
    """

    metric: ClassVar[str] = "frame_accuracy"

    def __init__(
        self,
        starts: Tensor,
        words: Tensor,
        states: int,
        priors: Tensor | None = None,
        classes: int | None = None,
        shape: tuple[int, ...] | None = None,
    ):
        if (
            len(words) == 0
            or len(starts) != len(words) + 1
            or not bool((starts.diff() > 0).all())
            or starts[0] != 0
        ):
            raise LimbeckError(
                f"Frames needs where each recording begins, from 0 on and rising, and then the number of frames: "
                f"{len(words) + 1} starts for {len(words)} words, not {len(starts)}."
            )
        needed = (int(words.max()) + 1) * states
        classes = classes or (needed if priors is None else len(priors))
        if states < 1 or classes % states or classes < needed:
            raise LimbeckError(
                f"Frames of {int(words.max()) + 1} words with {states} states each need {needed} classes, or a larger "
                f"multiple of {states}, not {classes}."
            )
        super().__init__(classes, shape)
        self.starts, self.words, self.states = starts, words, states
        self.priors = torch.full((classes,), 1 / classes) if priors is None else priors
        if len(self.priors) != classes or not bool((self.priors > 0).all()):
            raise LimbeckError(f"Frames needs a prior above 0 for each of its {classes} classes.")

    @classmethod
    def of(cls, data: Data) -> "Frames":
        """Return the task of ``wav:`` data; priors are (frames of a class + 1) / (frames + C), of the training part.

        Raises:
            LimbeckError: the data is not of recordings.
        """
        source = data.source
        if not isinstance(source, FrameSource) or data.classes is None:
            raise LimbeckError(f"{data.name} is not frames of recordings: open them with wav:PATH.")
        counts = torch.bincount(source.targets[data.train], minlength=len(data.classes)) + 1
        priors = counts / counts.sum()
        return cls(source.starts, source.words, source.states, priors, len(data.classes), data.shape)

    def metrics(self, full: bool = True) -> Metrics:
        """Return classification's scores of the frames, ``frame_accuracy`` among them, and ``utterance_error``."""
        return FrameMetrics(self, full)

    def scores(self, logits: Tensor) -> Tensor:
        """Return e (N, C) of the definition from logits (N, C)."""
        logits = full_precision(logits)
        return logits.log_softmax(-1) - self.priors.to(logits).log()

    def decided(self, scores: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
        """Return which recordings the frames ``index`` (N,) lie in, (R,), and the word decided on for each, (R,).

        Args:
            scores: (N, C), as :meth:`scores` gives them, in any order.
            index: (N,) int64, which frame each row is.

        Raises:
            LimbeckError: a frame of no recording.
        """
        index, order = index.sort(stable=True)
        new = torch.ones_like(index, dtype=torch.bool)
        new[1:] = index[1:] != index[:-1]
        index, rows = index[new], scores[order[new]].view(-1, len(self.priors) // self.states, self.states)
        if len(index) and not 0 <= int(index[0]) <= int(index[-1]) < int(self.starts[-1]):
            raise LimbeckError(
                f"Frames knows {int(self.starts[-1]):,} frames, but was given frame {int(index[-1]):,}: make the task "
                "from the data that it is measured on."
            )
        recording = torch.searchsorted(self.starts.to(index.device), index, right=True) - 1
        recordings, lengths = torch.unique(recording, return_counts=True)
        return recordings, best_paths(rows, lengths).argmax(-1)


def best_paths(scores: Tensor, lengths: Tensor) -> Tensor:
    """Return the score of each word's best path through its states, for each recording (Viterbi).

    Args:
        scores: (F, K, S) for each frame, word and state, of all recordings behind one another.
        lengths: (U,) int64, frames of each recording, at least one.

    Returns:
        (U, K), the largest sum over paths that begin in the first state, stay or advance by one, and end in the last
        state, or in the one that as many frames as there are can reach.

    Example:
        >>> best_paths(torch.tensor([[[1.0, 0.0]], [[3.0, 0.0]], [[0.0, 2.0]]]), torch.tensor([3]))
        tensor([[6.]])
    """
    starts = lengths.cumsum(0) - lengths
    lengths, order = lengths.sort(descending=True, stable=True)
    starts = starts[order]
    best = scores.new_full((len(lengths), *scores.shape[1:]), -torch.inf)
    best[..., 0] = scores[starts][..., 0]
    longest = int(lengths[0]) if len(lengths) else 1
    still = (lengths[:, None] > torch.arange(1, longest, device=lengths.device)).sum(0).tolist()
    for time, count in enumerate(still, start=1):  # the longest come first, so those that go on are the first
        stay = best[:count]
        advance = torch.cat([torch.full_like(stay[..., :1], -torch.inf), stay[..., :-1]], -1)
        best[:count] = torch.maximum(stay, advance) + scores[starts[:count] + time]
    last = (lengths.clamp(max=scores.shape[-1]) - 1)[:, None, None]
    ends = best.gather(-1, last.expand(-1, scores.shape[1], 1)).squeeze(-1)
    return torch.empty_like(ends).index_copy(0, order, ends)


class FrameMetrics:
    """Classification's scores of the frames, and the error of the recordings that they make up."""

    def __init__(self, task: Frames, full: bool):
        from limbeck.tasks.gathered import Gathered

        self.task = task
        self._frames = ClassificationMetrics(full)
        self._scores = Gathered()

    def update(self, outputs: Outputs, batch: Batch) -> None:
        """Take in one batch of logits and labels."""
        if batch.index is None:
            raise LimbeckError(
                "Frames needs batch.index, which says which frame of the recordings a sample is."
            )
        self._frames.update(outputs, batch)
        scores, index = self.task.scores(outputs["logits"].detach()), batch.index
        if batch.labelled is not None:
            scores, index = scores[batch.labelled], index[batch.labelled]
        self._scores.to(scores.device)
        self._scores.update(index, scores)

    def compute(self) -> dict[str, float]:
        """Return the scores, joined over processes."""
        scores = self._frames.compute()
        index, rows = self._scores.compute()
        recordings, decided = self.task.decided(rows, index)
        wrong = decided != self.task.words.to(decided.device)[recordings]
        return {
            "frame_accuracy": scores.pop("accuracy"),
            "utterance_error": float(wrong.double().mean()),
            **scores,
        }

    def details(self) -> dict[str, Tensor]:
        """Return ``confusion``: (C, C) counts of frames, rows are the true states."""
        return self._frames.details()
