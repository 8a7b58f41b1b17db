"""Distillation of large vocabularies from hidden states, without ever holding the logits of all rows."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from limbeck.errors import LimbeckError
from limbeck.functional.precision import without_autocast

CHUNK_BYTES = 64 * 2**20


def fused_linear_kd(
    student_hidden: Tensor,
    student_weight: Tensor,
    teacher_hidden: Tensor,
    teacher_weight: Tensor,
    student_bias: Tensor | None = None,
    teacher_bias: Tensor | None = None,
    temperature: float = 1.0,
    chunk_bytes: int = CHUNK_BYTES,
) -> Tensor:
    """Return T² · KL(p_t ‖ p_s), a mean over rows, straight from hidden states and output matrices.

    The value and gradients of ``soft_kl(student_hidden @ student_weight.T + student_bias, …, T) * T**2``, which
    for a vocabulary V holds five or more tensors (N, V). Here rows are taken in chunks: three tensors of a chunk's
    logits are all that is held beside the gradients, whatever N is. Gradients are computed on the way forward,
    while a chunk's logits are at hand, so nothing is computed twice; backward only scales them.

    Gradients reach every tensor that asks for one, the teacher's too: detach the teacher's, unless its matrix is
    shared with the student or learns as well. They cannot be differentiated again.

    Half-precision inputs are multiplied in their own precision, as by a linear layer; under autocast, in autocast's.
    Softmax, divergence and the sum over chunks of a matrix's gradient are in float32 at least.

    Args:
        student_hidden: (…, D_s), what goes into the student's last layer: (N, D_s) or (N, L, D_s).
        student_weight: (V, D_s).
        teacher_hidden: (…, D_t) for the same rows.
        teacher_weight: (V, D_t).
        student_bias: (V,), if any.
        teacher_bias: (V,), if any; −∞ rules a class out.
        temperature: T > 0, applied to both sides.
        chunk_bytes: size of one tensor of a chunk's logits; three are held, a fourth in half the size where inputs
            are in half precision. Smaller saves memory; a few rows at a time cost time.

    Returns:
        A scalar, float32 or better.

    Raises:
        LimbeckError: shapes that do not fit together.

    Example:
        >>> hidden, weight = torch.ones(4, 2), torch.eye(3)[:, :2]
        >>> fused_linear_kd(hidden, weight, hidden, weight).item()
        0.0
    """
    student = _checked("student", student_hidden, student_weight, student_bias)
    teacher = _checked("teacher", teacher_hidden, teacher_weight, teacher_bias)
    if student_hidden.shape[:-1] != teacher_hidden.shape[:-1] or len(student_weight) != len(teacher_weight):
        raise LimbeckError(
            "fused_linear_kd compares the same rows over one vocabulary, but the student gives hidden states "
            f"{tuple(student_hidden.shape)} and a matrix {tuple(student_weight.shape)}, the teacher "
            f"{tuple(teacher_hidden.shape)} and {tuple(teacher_weight.shape)}."
        )
    learns = torch.is_grad_enabled()
    value: Tensor = _FusedLinearKD.apply(temperature, chunk_bytes, learns, *student, *teacher)
    return value


class _Side:
    """One network's half: from rows to logits, and from the logits' gradient back to what made them."""

    def __init__(self, tensors: Sequence[Tensor | None], wanted: Sequence[bool], exact: torch.dtype):
        hidden, weight, self.bias = tensors
        assert hidden is not None
        assert weight is not None
        self.hidden, self.weight = hidden, weight
        self.of_hidden = torch.empty_like(hidden) if wanted[0] else None
        # sums over chunks, so never in half precision
        self.of_weight = torch.zeros_like(weight, dtype=exact) if wanted[1] else None
        self.of_bias = weight.new_zeros(len(weight), dtype=exact) if wanted[2] else None

    @property
    def gradients(self) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        return self.of_hidden, self.of_weight, self.of_bias

    def logits(self, rows: slice, temperature: float, out: Tensor) -> Tensor:
        """Write the logits of ``rows`` over the temperature into ``out``."""
        hidden, columns = self.hidden[rows], self.weight.t()
        if hidden.dtype != out.dtype:
            return out.copy_(F.linear(hidden, self.weight, self.bias)).div_(temperature)
        if self.bias is None:
            return out.addmm_(hidden, columns, beta=0, alpha=1 / temperature)
        return torch.addmm(self.bias / temperature, hidden, columns, alpha=1 / temperature, out=out)

    def learn(self, rows: slice, of_logits: Tensor, chunk_bytes: int) -> None:
        """Take in the gradient of the logits of ``rows``."""
        if self.of_bias is not None:
            self.of_bias += of_logits.sum(0)
        of_logits = of_logits.to(self.hidden.dtype)
        if self.of_hidden is not None:
            torch.mm(of_logits, self.weight, out=self.of_hidden[rows])
        if self.of_weight is None:
            return
        if self.of_weight.dtype == of_logits.dtype:
            self.of_weight.addmm_(of_logits.t(), self.hidden[rows])
            return
        block = max(1, chunk_bytes // (self.weight.shape[1] * self.weight.itemsize))
        for start in range(0, len(self.weight), block):  # product in half precision, sum in float32
            part = slice(start, start + block)
            self.of_weight[part] += of_logits[:, part].t() @ self.hidden[rows]


class _FusedLinearKD(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, temperature: float, chunk_bytes: int, learns: bool, *tensors: Tensor | None
    ) -> Tensor:
        assert tensors[0] is not None
        exact = torch.promote_types(tensors[0].dtype, torch.float32)
        wanted = [learns and each for each in ctx.needs_input_grad[3:]]
        student, teacher = (_Side(tensors[at : at + 3], wanted[at : at + 3], exact) for at in (0, 3))
        with without_autocast(student.hidden):
            total = _forward(student, teacher, temperature, chunk_bytes, exact)
        rows = max(1, len(student.hidden))
        ctx.scale = temperature / rows
        ctx.dtypes = [each.dtype if each is not None else None for each in tensors]
        ctx.save_for_backward(*student.gradients, *teacher.gradients)
        return total * (temperature**2 / rows)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        # not in place: a graph that is kept may be gone through again
        scale = grad_output * ctx.scale
        sums = zip(ctx.saved_tensors, ctx.dtypes, strict=True)
        return None, None, None, *(None if each is None else (each * scale).to(dtype) for each, dtype in sums)


def _forward(
    student: _Side, teacher: _Side, temperature: float, chunk_bytes: int, exact: torch.dtype
) -> Tensor:
    """Return the sum over rows of KL(p_t ‖ p_s), leaving T / T² times the gradients in the two sides."""
    rows, vocabulary = len(student.hidden), len(student.weight)
    size = max(1, min(rows, chunk_bytes // (vocabulary * exact.itemsize)))
    held = student.hidden.new_empty(3, size, vocabulary, dtype=exact)
    total = held.new_zeros(())
    for chunk in _chunks(rows, size):
        # the same three tensors for every chunk, each overwritten as soon as it has served
        scratch, log_s, log_t = held[:, : chunk.stop - chunk.start]
        torch.log_softmax(student.logits(chunk, temperature, scratch), -1, out=log_s)
        torch.log_softmax(teacher.logits(chunk, temperature, scratch), -1, out=log_t)
        p_t = torch.exp(log_t, out=scratch)
        terms = log_t.sub_(log_s)
        if teacher.bias is not None:
            terms.masked_fill_(p_t == 0, 0.0)  # ruled out by a bias of −∞: 0 · log 0 counts nothing
        divergence = terms.mul_(p_t).sum(-1)
        total += divergence.sum()
        if any(each is not None for each in teacher.gradients):
            teacher.learn(chunk, terms.addcmul_(p_t, divergence.unsqueeze(-1), value=-1), chunk_bytes)
        if any(each is not None for each in student.gradients):
            student.learn(chunk, log_s.exp_().sub_(p_t), chunk_bytes)
    return total


def _chunks(rows: int, size: int) -> Iterator[slice]:
    for start in range(0, rows, size):
        yield slice(start, min(start + size, rows))


def _checked(
    whose: str, hidden: Tensor, weight: Tensor, bias: Tensor | None
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Return hidden states as (N, D), matrix and bias, all in the precision of their product."""
    fits = weight.dim() == 2 and hidden.dim() > 1 and hidden.shape[-1] == weight.shape[-1]
    if not fits or (bias is not None and bias.shape != weight.shape[:1]):
        raise LimbeckError(
            f"fused_linear_kd multiplies the {whose}'s hidden states (…, D) with its matrix (V, D) and adds a bias "
            f"(V,), not {tuple(hidden.shape)}, {tuple(weight.shape)} and {None if bias is None else tuple(bias.shape)}."
        )
    dtype = torch.promote_types(hidden.dtype, weight.dtype)
    kind = hidden.device.type
    if torch.is_autocast_enabled(kind) and dtype != torch.float64:
        dtype = torch.get_autocast_dtype(kind)
    rows = hidden.flatten(0, -2).to(dtype)
    return rows, weight.to(dtype), None if bias is None else bias.to(dtype)
