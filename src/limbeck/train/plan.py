"""How long, how fast and how carefully a network is trained."""

import math
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Plan(BaseModel):
    """Settings of one training; every field is checked when the plan is made.

    Example:
        >>> Plan(epochs=3).batch_size
        64
        >>> Plan(epochs=0)  # doctest: +IGNORE_EXCEPTION_DETAIL
        Traceback (most recent call last):
        pydantic_core.ValidationError: 1 validation error for Plan
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)

    epochs: int = Field(default=30, ge=1)
    """Passes over the training part."""
    batch_size: int = Field(default=64, ge=1)
    """Samples in a batch, over all processes together. A last batch with fewer samples than processes, or than a
    loss needs, joins the one before it."""
    accumulate: int = Field(default=1, ge=1)
    """Batches whose gradients are added up before each optimizer step."""
    optimizer: Literal["adamw", "sgd"] = "adamw"
    """AdamW, or SGD with Nesterov momentum 0.9."""
    lr: float = Field(default=1e-3, gt=0)
    """Highest learning rate."""
    weight_decay: float = Field(default=1e-2, ge=0)
    """Decoupled for AdamW, L2 for SGD; not applied to biases and normalisation."""
    warmup: float = Field(default=0.05, ge=0, le=1)
    """Share of the steps in which the learning rate rises to ``lr``."""
    schedule: Literal["cosine", "constant"] = "cosine"
    """How the learning rate goes on after the warm-up: to zero by a cosine, or unchanged."""
    clip: float | None = Field(default=None, gt=0)
    """Largest gradient norm of each parameter group."""
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    """Of the student's forward and backward; weights stay in fp32."""
    ema: float | None = Field(default=None, gt=0, lt=1)
    """Decay of an exponential moving average of the weights, which is then what is evaluated and kept."""
    evaluate_every: int = Field(default=1, ge=1)
    """Epochs between evaluations on the validation part; the last epoch is always evaluated."""
    select: Literal["best", "last"] = "best"
    """Keep the weights of the best validation epoch, or of the last."""
    patience: int | None = Field(default=None, ge=1)
    """Stop after this many evaluations without a better score."""
    checkpoint_every: int | None = Field(default=None, ge=1)
    """Optimizer steps between checkpoints, besides the one after each epoch."""
    seed: int = Field(default=0, ge=0)
    """Decides initial weights, order, augmentation and dropout."""
    workers: int = Field(default=0, ge=0)
    """Loading processes; 0 loads in the training process."""
    device: str = "auto"
    """``auto``, ``cpu``, ``cuda`` or ``mps``."""
    compile: bool = False
    """Compile the student with torch.compile."""
    channels_last: bool = False
    """Lay images and convolutions out channels-last."""

    def lr_at(self, step: int, total: int) -> float:
        """Return the learning rate of optimizer step ``step`` of ``total``.

        Example:
            >>> plan = Plan(lr=1.0, warmup=0.5)
            >>> [round(plan.lr_at(step, 4), 2) for step in range(4)]
            [0.5, 1.0, 1.0, 0.5]
        """
        rising = int(self.warmup * total)
        if step < rising:
            return self.lr * (step + 1) / rising
        if self.schedule == "constant":
            return self.lr
        return self.lr * 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1, total - rising)))
