"""What is measured of each model of a run."""

import statistics
from collections.abc import Mapping, Sequence
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
        role: ``"teacher"``, ``"alone"``, ``"student"``, ``"assistant"`` and so on, as the record has it.
        model: one of them, for its size and speed.
        selected: test scores at the selected epoch, one for each seed.
        last: the same at the last epoch.
        validation: validation scores of the selected epochs.
        seconds: training time over all seeds.
        waiting: of it, what was spent waiting for data.
        steps: optimizer steps of one training.
        stage: number of its stage, or of the network among those of its role.
        part: the part of the data that it was made for.
        reads: which of a batch's inputs it reads; its role's unless told.
    """

    role: str
    model: Model
    selected: list[Evaluation] = field(default_factory=list)
    last: list[Evaluation] = field(default_factory=list)
    validation: list[float | None] = field(default_factory=list)
    seconds: float = 0.0
    steps: int = 0
    stage: int = 0
    part: str = "all"
    reads: str = ""
    waiting: float = 0.0

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
        self.waiting += run.waiting
        self.steps = run.steps


@dataclass
class Composite:
    """A teacher made of several networks, measured as one.

    Args:
        role: as the record has it.
        name: how the networks are put together.
        members: the networks.
        selected: test scores.
        stage: number among the rows of its role.
    """

    role: str
    name: str
    members: list[Measured]
    selected: list[Evaluation]
    stage: int = 0
    seconds: float = 0.0
    steps: int = 0
    part: str = "all"

    def values(self, metric: str) -> list[float]:
        """Return its test score."""
        return [each.scores[metric] for each in self.selected]

    def confusion(self) -> Tensor | None:
        """Return its confusion matrix, where there is one."""
        return self.selected[0].details.get("confusion")


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
        "stage": measured.stage,
        "part": measured.part,
        "name": measured.model.name,
        **cost(measured.model.module, example).to_dict(),
        "scores": summary(measured.selected),
        "last_scores": summary(measured.last),
    }


def facts_together(measured: Composite, members: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the entry of several networks measured as one: their sizes added up, no latency.

    Args:
        measured: their scores.
        members: their own entries.

    Example:
        >>> part = {"parameters": 3, "macs": None, "bytes": 12, "name": "mlp:1"}
        >>> facts_together(Composite("teacher", "Ensemble", [], []), [part, part])["parameters"]
        6
    """
    macs = [each["macs"] for each in members]
    return {
        "role": measured.role,
        "stage": measured.stage,
        "name": f"{measured.name} of {len(members)}",
        "networks": max(1, len(members)),
        "parameters": sum(each["parameters"] for each in members),
        "macs": None if None in macs else sum(macs),
        "bytes": sum(each["bytes"] for each in members),
        "latency_ms": None,
        "scores": summary(measured.selected),
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
