"""What is measured of each model of a run."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from limbeck.evaluate.cost import cost
from limbeck.evaluate.quality import Evaluation, evaluate, predictor
from limbeck.models import Model
from limbeck.recipes.setup import Reader
from limbeck.tasks import Task
from limbeck.train import Run


@dataclass
class Measured:
    """One role's models over all seeds.

    Args:
        role: ``"teacher"``, ``"alone"``, ``"student"`` or ``"model"``.
        model: one of them, for its size and speed.
        selected: test scores at the selected epoch, one for each seed.
        last: the same at the last epoch.
        validation: validation scores of the selected epochs.
        seconds: training time over all seeds.
        steps: optimizer steps of one training.
    """

    role: str
    model: Model
    selected: list[Evaluation] = field(default_factory=list)
    last: list[Evaluation] = field(default_factory=list)
    validation: list[float | None] = field(default_factory=list)
    seconds: float = 0.0
    steps: int = 0

    def values(self, metric: str) -> list[float]:
        """Return a test score for each seed."""
        return [each.scores[metric] for each in self.selected]

    def confusion(self) -> Tensor | None:
        """Return the confusion matrices summed over seeds, where there are any."""
        tables = [each.details["confusion"] for each in self.selected if "confusion" in each.details]
        return torch.stack(tables).sum(0) if tables else None

    def take(self, run: Run, model: Model, reader: Reader, task: Task, role: str) -> None:
        """Read the test part once for a trained model: at the selected epoch, and at the last."""
        self.selected.append(scores_on_test(model, reader, task, role))
        same = all(torch.equal(run.best_state[key], run.last_state[key]) for key in run.last_state)
        if same:
            self.last.append(self.selected[-1])
        else:
            kept = {key: value.clone() for key, value in model.module.state_dict().items()}
            model.module.load_state_dict(run.last_state)
            self.last.append(scores_on_test(model, reader, task, role))
            model.module.load_state_dict(kept)
        self.validation.append(run.best_score)
        self.seconds += run.seconds
        self.steps = run.steps


def scores_on_test(model: Model, reader: Reader, task: Task, role: str) -> Evaluation:
    """Return every score of ``model`` on the test part."""
    return evaluate(
        predictor(model.module, task, role),
        reader.batches(reader.data.test),
        task,
        device=device_of(model.module),
        full=True,
    )


def summary(evaluations: Sequence[Evaluation]) -> dict[str, dict[str, Any]]:
    """Return mean, standard deviation and values of each score.

    Example:
        >>> summary([Evaluation({"accuracy": 0.5}), Evaluation({"accuracy": 0.7})])["accuracy"]["mean"]
        0.6
    """
    if not evaluations:
        return {}
    result = {}
    for name in evaluations[0].scores:
        values = [each.scores[name] for each in evaluations]
        spread = statistics.stdev(values) if len(values) > 1 else None
        result[name] = {"mean": statistics.fmean(values), "std": spread, "values": values}
    return result


def facts(measured: Measured, example: Tensor) -> dict[str, Any]:
    """Return a model's entry in the record: what it is, what it costs, how it scores.

    Args:
        measured: the models of one role.
        example: a batch of one, as the model reads it.
    """
    return {
        "role": measured.role,
        "name": measured.model.name,
        **cost(measured.model.module, example).to_dict(),
        "scores": summary(measured.selected),
        "last_scores": summary(measured.last),
    }


def device_of(module: nn.Module) -> torch.device:
    """Return where the module's first parameter lies."""
    return next((each.device for each in module.parameters()), torch.device("cpu"))


def best_of(scores: Sequence[float | None], higher_is_better: bool) -> int:
    """Return the position of the best validation score, the first of equals.

    Example:
        >>> best_of([0.5, 0.7, 0.7], True), best_of([None, None], True)
        (1, 0)
    """
    known = [
        (score if higher_is_better else -score) if score is not None else float("-inf") for score in scores
    ]
    return known.index(max(known))
