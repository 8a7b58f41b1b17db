"""Contrastive representation distillation (Tian, Krishnan, Isola 2020)."""

from typing import ClassVar, Literal

from torch import Tensor, nn

from limbeck.losses.base import DistillationLoss, Place, positive, whole
from limbeck.types import Context


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
        mode, kept from then on (``log_z``, student's first; evaluation before that takes its own batch's).
        Others, ``negatives_from="other samples"``: where ``negatives`` ≥ samples − 1, every other sample, once (K =
        samples − 1); else K = ``negatives`` draws with replacement, uniformly from all but y(n):
        r = torch.randint(0, samples − 1, (N, K)), o = r + 1 where r ≥ y(n), else r; both sides use the same.
        ``"other classes"``: the same among the samples whose latest label is not that of sample n; samples that have
        not been seen yet count as other classes, and K is the number of others there are where all are taken.
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
        samples: size of the transfer set; every index must lie in 0 … samples − 1.
        width: of the space in which embeddings are compared (the paper: 128).
        negatives: others for each sample (the paper: 16384 on CIFAR-100).
        temperature: τ > 0 (the paper's code: 0.07).
        momentum: share of the old memory that an update keeps, 0 to below 1 (the paper's code: 0.5).
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
    kind: ClassVar = "feature"
    place: ClassVar[Place] = "embedding"
    same_shape: ClassVar[bool] = False
    usual_weights: ClassVar[tuple[float, float]] = (1.0, 0.8)
    needs: ClassVar[frozenset[str]] = frozenset({"index"})

    def __init__(
        self,
        student_channels: int,
        teacher_channels: int,
        samples: int,
        width: int = 128,
        negatives: int = 16384,
        temperature: float = 0.07,
        momentum: float = 0.5,
        negatives_from: Literal["other samples", "other classes"] = "other samples",
    ):
        super().__init__()
        self.samples = whole("samples", samples, 2)
        self.temperature = positive("temperature", temperature)
        self.embed_student = nn.Linear(student_channels, width)
        self.embed_teacher = nn.Linear(teacher_channels, width)

    def forward(self, student: Tensor, teacher: Tensor, context: Context | None = None) -> Tensor:
        """Return the contrastive loss of both sides."""
        raise NotImplementedError
