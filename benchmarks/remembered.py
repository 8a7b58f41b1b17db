"""A teacher whose answers are kept: for students that see every sample as it is, again and again.

Only for training without augmentation, where a sample's index says all that the teacher can see of it.
"""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from limbeck import Batch, Classification, Outputs
from limbeck.data.loader import Loader, Part
from limbeck.evaluate.quality import predictor
from limbeck.tasks import Task

BATCH = 500


class Remembered:
    """Logits by sample index, as a teacher (see :class:`limbeck.teachers.Teacher`).

    Args:
        logits: (N, C) for every sample of the source; rows that are never asked for may be anything.
    """

    def __init__(self, logits: Tensor):
        self.logits = logits
        self.forwards = 0

    def __call__(self, batch: Batch, task: Task | None = None, names: Sequence[str] = ()) -> Outputs:
        """Return the logits that were kept for the batch's samples."""
        if batch.index is None or (batch.view is None) or names:
            raise ValueError("what is remembered is logits by index and nothing else")
        return Outputs(logits=self.logits[batch.index])

    def fingerprint(self) -> str:
        """Return the SHA-256 of what is remembered, by which a resumed run knows it again."""
        return hashlib.sha256(self.logits.contiguous().numpy().tobytes()).hexdigest()


def logits_of(model: torch.nn.Module, part: Part) -> Tensor:
    """Return the logits (N, C) of a part's samples in their order."""
    predict = predictor(model, Classification())
    with torch.no_grad():
        return torch.cat([predict(batch)["logits"].float() for batch in Loader(part, BATCH)])


def kept(path: Path, make: Callable[[], Tensor]) -> Tensor:
    """Return the tensor in ``path``, making it first where it is not there."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(make(), path)
    found: Tensor = torch.load(path, weights_only=True)
    return found
