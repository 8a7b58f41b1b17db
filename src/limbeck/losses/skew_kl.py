"""DistiLLM: towards streamlined distillation for large language models (Ko et al. 2024)."""

from typing import ClassVar

from torch import Tensor

from limbeck.checks import between, switch, temperature_in_range
from limbeck.functional.divergence import row_kl
from limbeck.functional.log_space import log_mixture, log_softened
from limbeck.losses.base import DistillationLoss
from limbeck.losses.rows import rows
from limbeck.types import Context


class SkewKL(DistillationLoss):
    """Match the teacher against a mixture that holds a little of it already: T² · KL(p_t ‖ λ p_t + (1 − λ) p_s).

    Ko, Kim, Chen, Yun, "DistiLLM: Towards Streamlined Distillation for Large Language Models", ICML 2024,
    arXiv 2402.03898. The mixture is never near zero where the teacher is not, so value and gradient stay bounded: a
    student that gives a likely word no probability costs at most log 1/λ, where the plain KL has no limit.

    Definition:
        With p = softmax(z / T), λ = ``skew``, KL(p ‖ q) = Σ over classes of p (log p − log q)::

            forward: loss = T² · mean over rows of KL(p_t ‖ λ p_t + (1 − λ) p_s)
            reverse: loss = T² · mean over rows of KL(p_s ‖ λ p_s + (1 − λ) p_t)

        In the reverse form the gradient passes through both places where p_s stands. λ = 0 is the plain KL, the
        forward one of which is :class:`KD`.

    Differs from the paper:
        The temperature is ours, with T² as in :class:`KD`; at the default T = 1 there is neither. The public code
        leaves the teacher's entropy out of the forward form: other values, the same gradient.

    When it helps:
        Large vocabularies and students far from the teacher, language models first of all. The paper uses it on text
        that the student wrote, which is a matter of the data, not of this loss; it finds λ of about 0.1 best.

    Args:
        skew: λ from 0 to 0.999, the paper's α; 0.1 is its choice.
        reverse: the paper's SRKL in place of its SKL: seeks the teacher's modes rather than covering them.
        temperature: T > 0; 1 in the paper.

    Shape:
        student and teacher (N, C) or (N, L, C) logits; returns a scalar, a mean over rows.

    Raises:
        LimbeckError: settings out of range; shapes that differ; fewer than two classes.

    Example:
        >>> import torch
        >>> right, wrong = torch.tensor([[1e3, 0.0]]), torch.tensor([[0.0, 1e3]])
        >>> round(SkewKL(skew=0.1)(wrong, right).item(), 4)  # log 10, where KL(p_t ‖ p_s) is 1000
        2.3026
    """

    paper: ClassVar[str] = "Ko, Kim, Chen, Yun 2024, arXiv 2402.03898"
    usual_weights: ClassVar[tuple[float, float]] = (
        0.0,
        1.0,
    )  # the public code's losses stand alone on its data

    def __init__(self, skew: float = 0.1, reverse: bool = False, temperature: float = 1.0):
        super().__init__()
        self.skew = between("skew", skew, 0.0, 0.999)  # at 1 there would be nothing to learn
        self.reverse = switch("reverse", reverse)
        self.temperature = temperature_in_range(temperature)

    def forward(self, student: Tensor, teacher: Tensor, context: Context | None = None) -> Tensor:
        """Return T² · KL of one side against the mixture of both."""
        log_s, log_t = (log_softened(each, self.temperature) for each in rows("SkewKL", student, teacher))
        log_p, log_q = (log_s, log_t) if self.reverse else (log_t, log_s)
        return self.temperature**2 * row_kl(log_mixture(log_p, log_q, self.skew), log_p).mean()

    def extra_repr(self) -> str:
        """Show the settings in ``repr``."""
        return f"skew={self.skew:g}, reverse={self.reverse}, temperature={self.temperature:g}"
