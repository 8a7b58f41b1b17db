"""Which stages a student goes through, from what is taught: most losses need one, some two."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from torch import nn

from limbeck.errors import LimbeckError
from limbeck.losses import KD
from limbeck.models import Model
from limbeck.models.borrowed import BorrowedClassifier
from limbeck.recipes.borrowing import borrow
from limbeck.recipes.knowledge import Knowledge, Taught, Weighted
from limbeck.recipes.trial import try_stages
from limbeck.recipes.wiring import Wiring
from limbeck.schemes import Offline, Preparation, Scheme, Supervised, Term
from limbeck.schemes.schedule import Schedule
from limbeck.tasks import Task
from limbeck.teachers import Teacher
from limbeck.train import Plan, Stage

Make: TypeAlias = Callable[
    [nn.Module, Teacher, Sequence[Term], Task, float | Schedule | None],
    Scheme,
]
"""Makes a scheme of student, teacher, terms, task and the weight of the labels."""


@dataclass
class Lessons:
    """Makes the stages of one student.

    Args:
        kd: what is taught.
        wiring: the networks.
        teacher: who teaches.
        make: makes the scheme of the main stage; hints before it are always offline.
        borrowed: what is shipped in place of the bare student, once the stages are made (SimKD).
    """

    kd: Knowledge
    wiring: Wiring
    teacher: Teacher
    make: Make = Offline
    borrowed: BorrowedClassifier | None = None

    def stages(self) -> list[Stage]:
        """Return the stages in their order, everything wired and checked, nothing trained.

        Raises:
            LimbeckError: layers that do not exist or do not fit.
        """
        first = self.kd.taught()
        if first.loss == "SimKD":
            self._refuse_other_schemes()
            return [Stage("distillation", self._borrowing())]
        if first.kind.first_stage and not first.kind.prepares and self._share(first):
            return self._after_hints(first)
        everything = self.kd.everything()
        terms = self.wiring.terms(everything)
        task_weight = self._task_weight(everything)
        preparing = [taught for taught, _ in everything if taught.kind.prepares]
        if not preparing:
            return [Stage("distillation", lambda: self._main(terms, task_weight))]
        share = max(map(self._share, preparing))
        return [
            Stage("preparation", lambda: self._preparation(terms), share),
            Stage("distillation", lambda: self._prepared(terms, task_weight), 1 - share),
        ]

    def _refuse_other_schemes(self) -> None:
        stock = self.make(self.wiring.student, self.teacher, [Term(KD())], self.wiring.task, 1.0)
        if type(stock) is not Offline or self.wiring.prefix:
            who = (
                "several teachers have not one of"
                if self.wiring.prefix
                else f"{type(stock).__name__} cannot ship"
            )
            raise LimbeckError(
                f"SimKD ships the student with its teacher's classifier, which {who}: take it with one teacher and the "
                "scheme Offline."
            )

    def _share(self, taught: Taught) -> float:
        return taught.kind.first_stage if self.kd.first_stage is None else self.kd.first_stage

    def _after_hints(self, first: Taught) -> list[Stage]:
        """Teach the first loss alone, then what follows it."""
        share = self._share(first)
        hints = self.wiring.terms([(first, 1.0)])
        following = self._following(first)
        stages = [Stage("hints", lambda: self._offline(hints, None), share)]
        if not following:
            return [*stages, Stage("labels", self._supervised, 1 - share)]
        unready = [taught.loss for taught, _ in following if taught.kind.prepares]
        if unready:
            raise LimbeckError(
                f"{unready[0]} must learn from the teacher first, so it cannot follow {first.loss}: give it as the "
                "loss itself."
            )
        terms, task_weight = self.wiring.terms(following), self._task_weight(following)
        return [*stages, Stage("distillation", lambda: self._main(terms, task_weight), 1 - share)]

    def check(self, plan: Plan) -> None:
        """Make the stages and try each on the example, so that nothing is refused after training has begun.

        Args:
            plan: of all stages together.

        Raises:
            LimbeckError: layers that do not fit, or before which nothing learns; fewer epochs than stages; batches
                smaller than a loss needs.
        """
        try_stages(self.stages(), self.wiring.example, plan)

    def deployed(self, model: Model) -> Model:
        """Return the model that is shipped: the student, or the student with its teacher's classifier."""
        if self.borrowed is None:
            return model
        return replace(model, module=self.borrowed, borrowed=self.borrowed.borrowing.to_dict())

    def _following(self, first: Taught) -> list[Weighted]:
        """Return what is taught after a first stage: KD after hints, the labels alone after logits."""
        if self.kd.also:
            return [(each, each.amount()) for each in self.kd.also]
        if first.kind.kind != "feature":
            return []
        return [(Taught(loss="KD"), self.kd.after()[1])]

    def _task_weight(self, every: Sequence[Weighted]) -> float | Schedule:
        first = every[0][0]
        if first.loss == self.kd.taught().loss:
            return self.kd.weights()[0]
        return self.kd.after()[0]

    def _main(self, terms: Sequence[Term], task_weight: float | Schedule | None) -> Scheme:
        return self.make(self.wiring.student, self.teacher, terms, self.wiring.task, task_weight)

    def _offline(self, terms: Sequence[Term], task_weight: float | Schedule | None) -> Offline:
        return Offline(self.wiring.student, self.teacher, terms, self.wiring.task, task_weight)

    def _borrowing(self) -> Callable[[], Scheme]:
        """Teach the student the feature that its teacher's classifier reads; it has no classifier of its own."""
        everything = self.kd.everything()
        logits = [taught.loss for taught, _ in everything if taught.kind.place == "logits"]
        if self.kd.task_weight or logits:
            what = f"{logits[0]} reads" if logits else "labels need"
            raise LimbeckError(
                "SimKD's student has no classifier of its own, so task_weight must be 0 and no other loss may read "
                f"its outputs, but {what} them: leave that out."
            )
        unready = [taught.loss for taught, _ in everything if taught.kind.prepares]
        if unready:
            raise LimbeckError(
                f"{unready[0]} must learn from the teacher first, so it cannot stand beside SimKD: give it as the loss "
                "itself."
            )
        if len(self.kd.pairs) > 1:
            raise LimbeckError(
                "SimKD teaches the one map that the borrowed classifier reads: give one pair of layers."
            )
        terms = self.wiring.terms(everything)
        self.borrowed = borrow(self.wiring, terms[0])
        return lambda: Offline(
            self.wiring.student, self.teacher, terms, self.wiring.task, None, deploy=self.borrowed
        )

    def _preparation(self, terms: Sequence[Term]) -> Scheme:
        return Preparation(self.wiring.student, self.teacher, terms, self.wiring.task)

    def _prepared(self, terms: Sequence[Term], task_weight: float | Schedule) -> Scheme:
        for term in terms:
            freeze_prepared(term.loss)
        return self._main(terms, task_weight)

    def _supervised(self) -> Scheme:
        return Supervised(self.wiring.student, self.wiring.task)


def freeze_prepared(loss: nn.Module) -> None:
    """Freeze what a loss learnt in its preparation, where it says what that is."""
    prepared = getattr(loss, "prepared", None)
    if prepared is not None:
        prepared().requires_grad_(False)
