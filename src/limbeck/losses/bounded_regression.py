"""Learning efficient object detection models with knowledge distillation (Chen et al. 2017)."""

import math
from typing import ClassVar, Literal, get_args

import torch
from torch import Tensor

from limbeck.checks import between, positive
from limbeck.errors import LimbeckError, did_you_mean
from limbeck.functional.precision import full_precision
from limbeck.losses.base import DistillationLoss, needed, same_samples, same_shape
from limbeck.types import Context

Form = Literal["bounded", "value", "likelihood"]
LEAST_SPREAD = 1e-3


class BoundedRegression(DistillationLoss):
    """Let the student's error in regression count only where it exceeds the teacher's: e_s if e_s > e_t + m, else 0.

    Chen, Choi, Yu, Han, Chandraker, "Learning Efficient Object Detection Models with Knowledge Distillation", NIPS
    2017. A teacher's value may point away from the truth, so it bounds the student's error instead of being its
    target: a student that is better than the teacher is left alone. Two plainer forms are here as well: matching the
    teacher's values, and doing so within the spread that the teacher gives them.

    Definition:
        For sample i with values v_s, v_t and target y, each of D numbers (D = 1 for one value)::

            e_s = Σ over D of (v_s − y)²,   e_t = Σ over D of (v_t − y)²

            "bounded":    loss = mean over samples of  e_s where e_s > e_t + margin, else 0
            "value":      loss = mean over samples of  Σ over D of (v_s − v_t)²
            "likelihood": loss = mean over samples of  ½ · Σ over D of ((v_s − μ_t) / max(σ_t, 0.001))²

        In "likelihood", σ_t = ``spread`` and μ_t = v_t where ``spread`` is given; else the teacher gives two columns,
        μ_t and σ_t (a standard deviation), for a student of one value. It is −log N(v_s; μ_t, σ_t²) less
        log σ_t + ½ log 2π, which the student cannot change.

    Differs from the paper:
        The paper counts e_s where e_s + m > e_t with m ≥ 0, which makes a student beat the teacher by m before it is
        left alone: that is ``margin`` = −m here. The form "likelihood" is not in the paper, "value" is its baseline.
        The paper's hard loss is smooth L1.

    When it helps:
        "bounded": a teacher that is good but sometimes wrong, with targets for every sample. "value": also without
        targets, or when the targets are noisier than the teacher. "likelihood": an ensemble or a network that knows
        where it is unsure. In "bounded" the loss leaps from 0 to e_s at the bound, and near the end of training few
        samples may count.

    Args:
        form: "bounded", "value" or "likelihood".
        margin: how far the student's squared error may exceed the teacher's; only for "bounded". Below 0 the student
            must be better than the teacher by so much.
        spread: the teacher's standard deviation, above 0; only for "likelihood". ``None``: read from the teacher's
            second column.

    Shape:
        student and teacher (N,), (N, 1) or (N, D) values on the scale of the targets, which are (N,), (N, 1) or (N, D)
        in the context; teacher (N, 2) in "likelihood" without ``spread``; returns a scalar, a mean over samples.

    Raises:
        LimbeckError: an unknown form; settings out of range or of another form; shapes that differ; no targets in
            "bounded".

    Example:
        >>> student, teacher = torch.tensor([1.0, 3.0]), torch.tensor([2.0, 2.0])
        >>> BoundedRegression()(student, teacher, Context(targets=torch.tensor([0.0, 0.0]))).item()
        4.5
        >>> BoundedRegression("likelihood")(student, torch.tensor([[1.0, 0.5], [2.0, 0.5]])).item()
        1.0
    """

    paper: ClassVar[str] = "Chen, Choi, Yu, Han, Chandraker 2017, NIPS"
    task: ClassVar[str | None] = "regression"
    same_shape: ClassVar[bool] = False  # a teacher that tells its spread has a column more
    usual_weights: ClassVar[tuple[float, float]] = (1.0, 0.5)  # the paper's ν
    needs: ClassVar[frozenset[str]] = frozenset({"targets"})

    def __init__(self, form: Form = "bounded", margin: float = 0.0, spread: float | None = None):
        super().__init__()
        if form not in get_args(Form):
            known = ", ".join(get_args(Form))
            raise LimbeckError(
                f"form must be one of {known}, not {form!r}.{did_you_mean(str(form), get_args(Form))}"
            )
        if (margin and form != "bounded") or (spread is not None and form != "likelihood"):
            raise LimbeckError(
                f'margin belongs to form="bounded" and spread to form="likelihood", not to {form!r}: leave it out.'
            )
        self.form = form
        if form != "bounded":
            self.needs = frozenset()  # type: ignore[misc]  # the class tells of its default form
        self.margin = between("margin", margin, -math.inf, math.inf)
        self.spread = None if spread is None else positive("spread", spread)

    def forward(self, student: Tensor, teacher: Tensor, context: Context | None = None) -> Tensor:
        """Return the loss of the chosen form."""
        same_samples("BoundedRegression", student, teacher)
        known, taught = full_precision(student), full_precision(teacher.detach())
        if self.form == "likelihood":
            return self._likelihood(known, taught)
        same_shape("BoundedRegression", known, taught)
        if self.form == "value":
            return _errors(known, taught).mean()
        targets = _targets(needed("BoundedRegression", context, "targets"), known)
        error = _errors(known, targets)
        return torch.where(error > _errors(taught, targets) + self.margin, error, 0.0).mean()

    def _likelihood(self, student: Tensor, teacher: Tensor) -> Tensor:
        if self.spread is not None:
            same_shape("BoundedRegression", student, teacher)
            return 0.5 * (_errors(student, teacher) / max(self.spread, LEAST_SPREAD) ** 2).mean()
        if teacher.shape != (len(student), 2) or student.numel() != len(student):
            raise LimbeckError(
                "BoundedRegression without spread= reads mean and spread from a teacher (N, 2) for a student of one "
                f"value, but the teacher gives {tuple(teacher.shape)} and the student {tuple(student.shape)}."
            )
        mean, spread = teacher.unbind(1)
        return 0.5 * ((student.flatten() - mean) / spread.clamp_min(LEAST_SPREAD)).square().mean()

    def extra_repr(self) -> str:
        """Show the settings in ``repr``."""
        return f"form={self.form!r}, margin={self.margin:g}, spread={self.spread}"


def _errors(values: Tensor, wanted: Tensor) -> Tensor:
    """Return each sample's squared error, summed over its values: (N,)."""
    return (values - wanted).square().reshape(len(values), -1).sum(1)


def _targets(targets: object, student: Tensor) -> Tensor:
    """Return targets in the student's shape, so that a column never meets a row."""
    if isinstance(targets, Tensor) and targets.numel() == student.numel() and len(targets) == len(student):
        return targets.to(student.dtype).reshape(student.shape)
    told = f"shape {tuple(targets.shape)}" if isinstance(targets, Tensor) else repr(targets)
    raise LimbeckError(
        f"BoundedRegression needs one target for each of the student's values {tuple(student.shape)}, but the "
        f"targets have {told}: give numbers of that shape."
    )
