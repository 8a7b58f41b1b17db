"""Contrastive representation distillation (Tian, Krishnan, Isola 2020)."""

import math
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from limbeck.checks import between, temperature_in_range, whole
from limbeck.errors import LimbeckError
from limbeck.functional import full_precision, without_autocast
from limbeck.functional.contrastive import log_sum_exp, noise_contrastive
from limbeck.losses.base import DistillationLoss, Place, needed, same_samples
from limbeck.losses.layers import built_for
from limbeck.losses.negatives import other_classes, other_samples
from limbeck.types import Context

UNSEEN = -1
"""Label of a sample that no batch has held yet."""


class CRD(DistillationLoss):
    """Tell the same sample from others across the two networks: noise-contrastive estimation on embeddings.

    Tian, Krishnan, Isola, "Contrastive Representation Distillation", ICLR 2020, arXiv 1910.10699. The student's
    embedding of a sample must be nearer to the teacher's embedding of that sample than to its embeddings of many
    others, and the reverse, which bounds the mutual information of the two from below. The others come from memories
    of all samples' latest embeddings, kept by their index in the transfer set.

    Definition:
        e_s = unit(W_s·F_s + b_s), e_t = unit(W_t·F_t + b_t), of ``width`` numbers; unit(v) = v / max(‖v‖₂, 1e-6);
        memories M_s, M_t: (samples, width), drawn uniformly from ±√(3/width).
        Sample n has index y(n) and K others k = 1 … K, of index o(n, k). For the student's side, with v = e_s and
        M = M_t (for the teacher's side v = e_t, M = M_s):
        u(n, 0) = ⟨v(n), M(y(n))⟩ / temperature, u(n, k) = ⟨v(n), M(o(n, k))⟩ / temperature;
        a(n) = log Z + log(K / samples);
        side = 1/N · Σ_n [log(1 + exp(a(n) − u(n, 0))) + Σ_k log(1 + exp(u(n, k) − a(n)))];
        loss = student's side + teacher's side.
        Z, one for each side: samples times the mean of exp(u) over all n and k = 0 … K of the first batch in training
        mode, kept from then on (``log_z``, student's first; evaluation before that takes its own batch's); constant for
        the gradient.
        Others, ``negatives_from="other samples"``: where ``negatives`` ≥ samples − 1, every other sample, once (K =
        samples − 1); else K = ``negatives`` draws with replacement, uniformly from all but y(n):
        r = torch.randint(0, samples − 1, (N, K)), o = r + 1 where r ≥ y(n), else r; both sides use the same.
        ``"other classes"``: the same among the samples whose label is not that of sample n. Labels are kept as training
        batches bring them (``labels``, −1 for samples not seen yet, which count as other classes); a batch's own labels
        hold for its own draws already, in evaluation too. Where ``negatives`` ≥ samples − 1, all of them are taken,
        and K, in a(n) too, is how many sample n has; else K = ``negatives`` draws with replacement.
        In training mode, after the loss: M_s(y) ← unit(momentum·M_s(y) + (1 − momentum)·e_s), M_t likewise with e_t; a
        sample that stands in the batch several times enters with the mean of its embeddings.

    Differs from the paper:
        The equal formula in log space, without the 1e-7 that the authors' code adds to the denominators. That code
        draws with replacement also where the transfer set is smaller than the number of draws, may draw the
        sample itself as its own negative, and writes the memory in evaluation too. "other classes" is what the paper
        does on CIFAR-100.

    When it helps:
        With a large transfer set that is seen many times, also between modalities and beside KD. Memories fill
        in the first epoch, so short trainings gain little. On few classes take "other classes": else many of a
        sample's negatives are of its own class.

    Args:
        student_channels: width of the student's embedding.
        teacher_channels: width of the teacher's embedding.
        samples: size of the transfer set, whose samples are numbered from 0, or the list of their indices where they
            are part of a larger set.
        width: of the space in which embeddings are compared (the paper: 128).
        negatives: others for each sample (the paper: 16384 on CIFAR-100).
        temperature: τ > 0 (the paper's code: 0.07).
        momentum: share of the old memory that an update keeps, 0 to 1 (the paper's code: 0.5).
        negatives_from: "other samples", or "other classes", which needs class labels as the batch's targets.

    Shape:
        student (N, student_channels), teacher (N, teacher_channels), context.index (N,) int64; returns a scalar.
        ``usual_weights`` are those of the authors' code.

    Raises:
        LimbeckError: settings out of range; no index, or one outside the transfer set; no labels where needed; other
            widths.

    Example:
        >>> import torch
        >>> _ = torch.manual_seed(0)
        >>> loss = CRD(student_channels=4, teacher_channels=6, samples=10)
        >>> loss(torch.randn(2, 4), torch.randn(2, 6), Context(index=torch.tensor([7, 3]))).item() > 0
        True
    """

    paper: ClassVar[str] = "Tian, Krishnan, Isola 2020, arXiv 1910.10699"
    relates_samples: ClassVar[bool] = True  # through Z and the memories
    alike: ClassVar[tuple[str, ...]] = ("memory_student", "memory_teacher")
    kind: ClassVar = "feature"
    place: ClassVar[Place] = "embedding"
    same_shape: ClassVar[bool] = False
    usual_weights: ClassVar[tuple[float, float]] = (1.0, 0.8)
    needs: ClassVar[frozenset[str]] = frozenset({"index"})

    memory_student: Tensor
    memory_teacher: Tensor
    log_z: Tensor
    batches: Tensor
    labels: Tensor | None
    rows: Tensor | None

    def __init__(
        self,
        student_channels: int,
        teacher_channels: int,
        samples: int | Sequence[int] | Tensor,
        width: int = 128,
        negatives: int = 16384,
        temperature: float = 0.07,
        momentum: float = 0.5,
        negatives_from: Literal["other samples", "other classes"] = "other samples",
    ):
        super().__init__()
        self.student_channels = whole("student_channels", student_channels)
        self.teacher_channels = whole("teacher_channels", teacher_channels)
        rows = rows_of(samples)
        size: Any = samples if rows is None else int(rows.max()) + 1
        self.samples = samples = whole("samples", size, 2)
        self.width = whole("width", width)
        self.negatives = whole("negatives", negatives)
        self.temperature = temperature_in_range(temperature)
        self.momentum = between("momentum", momentum, 0, 1)
        if negatives_from not in ("other samples", "other classes"):
            raise LimbeckError(
                f"negatives_from is 'other samples' or 'other classes', not {negatives_from!r}."
            )
        self.negatives_from = negatives_from
        self.embed_student = nn.Linear(student_channels, width)
        self.embed_teacher = nn.Linear(teacher_channels, width)
        reach = math.sqrt(3 / width)  # rows of length 1 on average
        self.register_buffer("memory_student", torch.empty(samples, width).uniform_(-reach, reach))
        self.register_buffer("memory_teacher", torch.empty(samples, width).uniform_(-reach, reach))
        self.register_buffer("log_z", torch.zeros(2))
        self.register_buffer("batches", torch.zeros((), dtype=torch.int64))
        labels = torch.full((samples,), UNSEEN) if negatives_from == "other classes" else None
        self.register_buffer("labels", labels)
        self.register_buffer("rows", rows)

    def forward(self, student: Tensor, teacher: Tensor, context: Context | None = None) -> Tensor:
        """Return the contrastive loss of both sides, and remember the embeddings in training mode."""
        same_samples("CRD", student, teacher)
        index = self._index(needed("CRD", context, "index"), student)
        own = _embedded("student", self.embed_student, student)
        taught = _embedded("teacher", self.embed_teacher, teacher.detach())
        negatives, number = self._negatives(index, context)
        sides = (own, self.memory_teacher), (taught, self.memory_student)
        log_z = self._normalisers(sides, index, negatives)
        offsets = log_z[:, None] + torch.log(number.to(log_z) / self.samples)
        parts = [
            noise_contrastive(*side, index, negatives, offset, self.temperature)
            for side, offset in zip(sides, offsets, strict=True)
        ]
        if self.training:
            self._remember(index, own.detach(), taught.detach())
        return parts[0] + parts[1]

    def extra_repr(self) -> str:
        """Show the settings in ``repr``."""
        return (
            f"samples={self.samples}, width={self.width}, negatives={self.negatives}, "
            f"temperature={self.temperature:g}, momentum={self.momentum:g}, negatives_from={self.negatives_from!r}"
        )

    def _index(self, index: Any, student: Tensor) -> Tensor:
        if not isinstance(index, Tensor) or index.shape != student.shape[:1] or index.is_floating_point():
            told = f"{tuple(index.shape)}, {index.dtype}" if isinstance(index, Tensor) else repr(index)
            raise LimbeckError(
                f"CRD needs one whole number for each sample as the batch's index, not {told}."
            )
        rows: Tensor = index.to(student.device, torch.int64)
        reach = self.samples if self.rows is None else len(self.rows)
        outside = (rows < 0) | (rows >= reach)
        if self.rows is not None:
            rows = self.rows[rows.clamp(0, reach - 1)]
            outside |= rows < 0
        if bool(outside.any()):
            raise LimbeckError(
                f"CRD was made for samples={self.samples}, but the batch's index goes from {int(index.min())} to "
                f"{int(index.max())}: give the size of the whole transfer set, whose samples are numbered from 0, or "
                "the list of their indices."
            )
        return rows

    def _negatives(self, index: Tensor, context: Context | None) -> tuple[Tensor, Tensor]:
        if self.labels is None:
            return other_samples(index, self.samples, self.negatives)
        targets = needed("CRD with other classes", context, "targets")
        if not isinstance(targets, Tensor) or targets.shape != index.shape or targets.is_floating_point():
            raise LimbeckError(
                "CRD with negatives_from='other classes' needs one class label (N,) for each sample: without labels, "
                "or with mixed ones, use 'other samples'."
            )
        labels = self.labels.index_copy(0, index, targets.to(self.labels))
        if self.training:
            self.labels.copy_(labels)
        return other_classes(index, labels, self.negatives)

    def _normalisers(
        self, sides: tuple[tuple[Tensor, Tensor], ...], index: Tensor, negatives: Tensor
    ) -> Tensor:
        """Return log Z of both sides: what the first batch in training mode gave."""
        if int(self.batches) > 0:
            return self.log_z
        sums = torch.stack([log_sum_exp(*side, index, negatives, self.temperature) for side in sides])
        log_z = sums[:, 0] - sums[:, 1] + math.log(self.samples)
        if self.training:
            self.log_z.copy_(log_z)
        return log_z

    @torch.no_grad()
    def _remember(self, index: Tensor, own: Tensor, taught: Tensor) -> None:
        rows, places = torch.unique(index, return_inverse=True)
        for memory, embedded in (self.memory_student, own), (self.memory_teacher, taught):
            sums = memory.new_zeros(len(rows), memory.shape[1]).index_add_(0, places, embedded)
            means = sums / places.bincount()[:, None]
            memory[rows] = _unit(self.momentum * memory[rows] + (1 - self.momentum) * means)
        self.batches += 1


def _embedded(whose: str, embed: nn.Linear, features: Tensor) -> Tensor:
    if features.dim() != 2:
        raise LimbeckError(
            f"CRD compares vectors (N, D), but the {whose} gives {tuple(features.shape)}: name the layer before the "
            "classifier, or put an adapter that pools before it."
        )
    built_for("CRD", whose, features, embed.in_features)
    with without_autocast(features):  # at a temperature of 0.07 half precision is too coarse
        return _unit(embed(full_precision(features)))


def _unit(value: Tensor) -> Tensor:
    return F.normalize(value, dim=-1, eps=1e-6)


def rows_of(samples: int | Sequence[int] | Tensor) -> Tensor | None:
    """Return a table from an index to its row in the memories, -1 where it has none; ``None`` for a plain number.

    Example:
        >>> rows_of([4, 1]).tolist()
        [-1, 1, -1, -1, 0]
    """
    if isinstance(samples, int | float | str) or samples is None:
        return None
    indices = torch.as_tensor(samples)
    if indices.dim() != 1 or len(indices) < 2 or indices.is_floating_point() or int(indices.min()) < 0:
        raise LimbeckError(
            f"samples must be a whole number of at least 2, or the indices of so many samples, not {samples!r}."
        )
    table = torch.full((int(indices.max()) + 1,), -1)
    table[indices] = torch.arange(len(indices))
    return table
