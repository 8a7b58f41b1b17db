"""How a run was made: the pieces of its record for scheme, stages, corrections, privacy and place."""

from typing import Literal

from pydantic import NonNegativeFloat, NonNegativeInt

from limbeck.report.facts import Finite, Number, Piece

__all__ = [
    "Bias",
    "Cache",
    "Environment",
    "Exported",
    "Privacy",
    "Protocol",
    "SchemeFacts",
    "Stage",
    "TeacherPrecision",
]


class Protocol(Piece):
    """How the comparison was made fair."""

    teacher: Literal["fixed", "retrained"] | None
    """One teacher for all seeds, or one per seed; null for a run without a teacher."""
    teacher_trained_here: bool
    """Whether this run trained its teacher first."""
    selection: str
    """Which epoch's weights are scored, such as ``best validation epoch``."""
    metric: str
    """The score that decides: ``accuracy``, ``rmse``."""
    higher_is_better: bool


class SchemeFacts(Piece):
    """Who taught whom."""

    name: str
    """As ``limbeck schemes`` lists it."""
    title: str
    """What the literature calls it."""
    about: str
    """What happens, in a sentence."""
    paper: str
    """Its source."""


class Stage(Piece):
    """One training of one network; the same over all seeds."""

    network: str
    """What was trained: ``student``, ``assistant-1``, ``teacher``."""
    stage: str
    """Its name among that network's trainings."""
    seeds: list[int]
    epochs: NonNegativeInt
    """Epochs of one seed, the last one's."""
    steps: NonNegativeInt
    """Optimizer steps up to its end, of one seed."""


class TeacherPrecision(Piece):
    """The teacher's precision, chosen by measuring how far its outputs move."""

    choice: str
    kl: Number
    """Divergence of its outputs from those in full precision, in nats."""
    tolerance: NonNegativeFloat
    compiled: bool = False
    """Whether it ran compiled, with the same outputs within the tolerance."""


class Bias(Piece):
    """Output biases of one network, corrected on validation for classes that the transfer set lacks."""

    network: str
    """``student`` or ``alone``."""
    seed: int
    classes: list[str]
    shift: Finite
    """What was added to the logits of these classes."""
    before: Number
    """Validation accuracy without the shift."""
    after: Number
    """Validation accuracy with it."""
    recall_before: list[Number]
    """Share of each of these classes that was right without the shift."""
    recall_after: list[Number]
    """The same with it."""


class Cache(Piece):
    """A teacher's answers that were kept, and what that saved."""

    network: str
    """Who learnt from them: ``student``, ``assistant-1``."""
    views: NonNegativeInt
    """Augmentation draws of each sample that are kept."""
    bytes_per_view: NonNegativeFloat
    """Of one answer on disk, its check and its share of a checksum included."""
    answers: NonNegativeInt
    """Samples that were taught, over all seeds."""
    forwards: NonNegativeInt
    """Of the teacher's networks, for answers that were not there yet."""
    kl: Number = None
    """Mean KL of kept answers to live ones, in nats; of values, the mean squared difference."""


class Privacy(Piece):
    """What the student can give away about any one private record: (ε, δ)-differential privacy."""

    epsilon: Number
    """What all answers together cost at most; null where there is no bound."""
    delta: NonNegativeFloat
    """Chance that the bound does not hold."""
    mechanism: str
    """How answers are made noisy: ``gaussian``, ``laplace``."""
    noise: NonNegativeFloat
    """Its scale, in votes."""
    answered: NonNegativeInt
    """Samples that the teachers labelled."""
    asked: NonNegativeInt
    """Samples that they were asked about."""
    teachers: NonNegativeInt
    """How many vote, each taught by private records of its own."""
    records: NonNegativeInt | None = None
    """Private records, of all teachers together."""
    accountant: str
    """What added the answers up."""


class Exported(Piece):
    """The exported file and its proof of parity."""

    file: str
    max_difference: Number
    """Largest absolute difference of an output from PyTorch's."""


class Environment(Piece):
    """Where the run took place."""

    python: str
    torch: str
    device: str
    threads: int
    git: str | None = None
    """Commit of the person's working folder, when it is a repository."""
