"""The one time that teachers of private data are asked (PATE, Papernot et al. 2017)."""

import random
from collections.abc import Sequence

import torch
from torch import Tensor

from limbeck.data.loader import Loader
from limbeck.data.part import Part
from limbeck.data.seeding import view_seed
from limbeck.errors import LimbeckError
from limbeck.tasks import Classification, Task
from limbeck.teachers.base import Teacher
from limbeck.teachers.privacy import NoisyMax, check_delta, check_epsilon
from limbeck.teachers.votes import Votes
from limbeck.types import Batch


def collect_votes(
    teachers: Sequence[Teacher],
    public: Part,
    mechanism: NoisyMax,
    *,
    epsilon: float,
    delta: float,
    records: int,
    earlier: Votes | None = None,
    noise_seed: int | None = None,
    task: Task | None = None,
    batch_size: int = 256,
    device: torch.device | str = "cpu",
) -> Votes:
    """Let teachers, each trained on a private shard of its own, vote on public samples until the budget is spent.

    Papernot, Abadi, Erlingsson, Goodfellow, Talwar, "Semi-supervised Knowledge Transfer for Deep Learning from Private
    Training Data" (PATE), ICLR 2017, arXiv 1610.05755; Papernot, Song, Mironov, Raghunathan, Talwar, Erlingsson,
    "Scalable Private Learning with PATE", ICLR 2018, arXiv 1802.08908. The student then learns from the answers for as
    long as it likes (``Votes.relabelled``), and from nothing else: no teacher is asked again.

    Every sample is asked about once, in the part's order and unaugmented; its labels are not read. All that leaves is
    the class that won with noise: counts, and how far the teachers agreed, are private and forgotten. How many are
    answered follows from noise and budget alone, and is the largest number that does not exceed the budget.

    The bound (see :class:`NoisyMax`) holds for teachers that share nothing private: no statistics of all records in
    their input transforms, no choice among them on common private data. Shards are to be made by
    :func:`limbeck.data.shards`.

    Differs from the papers:
        Their bounds that depend on the votes, and their threshold below which nothing is answered (Confident-GNMax),
        are left out: the first may not be published without further noise, and the second costs for every question.

    When it helps:
        When a model is to be shared that was taught by data which may not be: medical records, messages. It needs
        public inputs of the same kind, and so much private data that a small share of it still teaches.

    Args:
        teachers: two or more, one for each shard.
        public: the samples to be answered.
        mechanism: noise and its kind.
        epsilon: the budget, at ``delta``.
        delta: chance that the bound does not hold; below 1 / ``records``.
        records: number of private records over all shards.
        earlier: votes of these teachers, or of others on the same private data: they are kept, and count.
        noise_seed: makes noise that can be made again, for tests and studies. Whoever knows the seed can take the
            noise off: votes to be released need ``None``, noise from the operating system's secure source.
        task: knows how models are called.
        batch_size: samples run at a time.
        device: where teachers run.

    Returns:
        The answers, earlier ones first.

    Raises:
        LimbeckError: fewer than two teachers, or more than records; a budget out of range, too small for one answer, or
            already spent; earlier votes of another kind; teachers that differ in classes; another process than the
            first.

    Example:
        >>> from limbeck.data import TensorSource, Views
        >>> from limbeck.teachers import Predictor
        >>> part = Part(Views(TensorSource(torch.eye(3), torch.zeros(3))), torch.tensor([2, 0, 1]))
        >>> teachers = [Predictor(lambda rows: rows) for _ in range(50)]
        >>> votes = collect_votes(teachers, part, NoisyMax(9.0), epsilon=0.8, delta=1e-4, records=5_000, noise_seed=0)
        >>> votes.index.tolist(), votes.labels.tolist(), round(votes.epsilon, 2)
        ([2, 0], [2, 0], 0.68)
    """
    _refuse_unfit(teachers, records)
    check_epsilon(epsilon)
    check_delta(delta, records)
    known = _known(earlier, mechanism, delta)
    paid = mechanism.affordable(epsilon, delta, len(known) + len(public))
    _refuse_spent(mechanism, epsilon, delta, paid, len(known))
    asked = _unanswered(public.indices, known)[: paid - len(known)]
    if earlier is not None and not len(asked):
        return earlier
    winners, classes = [], earlier.classes if earlier is not None else 0
    for batch in Loader(Part(public.views, asked), batch_size):
        counts = _counts(teachers, batch.to(device), task or Classification(), classes)
        classes = counts.shape[1]
        assert batch.index is not None
        dice = [_dice(noise_seed, index) for index in batch.index.tolist()]
        winners += [mechanism.winner(*each) for each in zip(counts.tolist(), dice, strict=True)]
    index = torch.cat([known, asked])
    labels = torch.tensor([*(earlier.labels.tolist() if earlier is not None else ()), *winners])
    return Votes(index, labels, classes, len(teachers), records, mechanism, delta)


def _refuse_unfit(teachers: Sequence[Teacher], records: int) -> None:
    if len(teachers) < 2:
        raise LimbeckError(
            f"A vote hides one record only among several teachers, but there are {len(teachers)}: train 2 or more, on "
            "disjoint shards."
        )
    if len(teachers) > records:
        raise LimbeckError(f"{len(teachers)} teachers cannot each have had one of {records} private records.")
    distributed = torch.distributed.is_available() and torch.distributed.is_initialized()
    if distributed and torch.distributed.get_rank() > 0:
        raise LimbeckError(
            "Votes are collected in the first process alone, since each would pay anew: save them there, and load them "
            "in the others."
        )


def _known(earlier: Votes | None, mechanism: NoisyMax, delta: float) -> Tensor:
    """Return the samples that need not be asked about again."""
    if earlier is None:
        return torch.empty(0, dtype=torch.int64)
    if (earlier.mechanism, earlier.delta) != (mechanism, delta):
        raise LimbeckError(
            f"The earlier votes were taken with {earlier.mechanism} at delta = {earlier.delta:g}: go on with the same, "
            f"not with {mechanism} at delta = {delta:g}."
        )
    return earlier.index


def _refuse_spent(mechanism: NoisyMax, epsilon: float, delta: float, paid: int, before: int) -> None:
    if paid > before:
        return
    one_more = mechanism.epsilon(before + 1, delta)
    if before and one_more > epsilon:
        raise LimbeckError(
            f"The privacy budget of epsilon = {epsilon:g} at delta = {delta:g} is already spent: {before} queries were "
            f"answered, for epsilon = {mechanism.epsilon(before, delta):.4g}, and one more would make it "
            f"{one_more:.4g}; train on the votes there are, or raise the budget."
        )
    if one_more > epsilon:
        raise LimbeckError(
            f"A single answer costs epsilon = {one_more:.4g} at delta = {delta:g}, above the budget of {epsilon:g}: "
            f"raise noise from {mechanism.noise:g}, with more teachers to be heard through it, or the budget."
        )


def _unanswered(indices: Tensor, known: Tensor) -> Tensor:
    left = indices[~torch.isin(indices, known)]
    if not len(indices) or len(set(left.tolist())) != len(left):
        raise LimbeckError("The public part must have samples, and each once, since every answer costs.")
    return left


def _counts(teachers: Sequence[Teacher], batch: Batch, task: Task, classes: int) -> Tensor:
    """Return how many teachers chose each class, (N, C)."""
    total: Tensor | None = None
    for teacher in teachers:
        logits: Tensor = teacher(batch, task)[task.outputs[0]]
        if logits.dim() != 2 or (classes and logits.shape[1] != classes):
            raise LimbeckError(
                f"Teachers vote for classes by logits (N, {classes or 'C'}), but one gives {tuple(logits.shape)}: give "
                "all teachers the same classes."
            )
        classes = logits.shape[1]
        votes = torch.nn.functional.one_hot(logits.argmax(1), classes)
        total = votes if total is None else total + votes
    assert total is not None
    return total


def _dice(noise_seed: int | None, index: int) -> random.Random:
    """Return where the noise of one sample comes from: the system's secure source, or one that can be repeated."""
    return random.SystemRandom() if noise_seed is None else random.Random(view_seed(noise_seed, index, 0))
