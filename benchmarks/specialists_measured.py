"""What specialists change, image by image: where answers move, what is won and lost, and what else does the same."""

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from limbeck.data.loader import Loader, Part
from limbeck.teachers import Specialists, Teacher, own_targets

ROUNDS = 200
"""Of matching mean probabilities to how often classes occur."""


@dataclass(frozen=True)
class Answers:
    """What each contender answers to the same images.

    Args:
        logits: (N, C) by name; one of them is the generalist's.
        truth: (N,) the classes.
    """

    logits: dict[str, Tensor]
    truth: Tensor

    def said(self, name: str) -> Tensor:
        return self.logits[name].argmax(1)

    def right(self, name: str) -> Tensor:
        return self.said(name) == self.truth


def answers(teacher: Teacher, part: Part) -> Tensor:
    return torch.cat([teacher(batch)["logits"] for batch in Loader(part, 500)])


def as_frequent(logits: Tensor, classes: int) -> Tensor:
    """Return the biases with which classes, all equally frequent in ``logits``' images, are as probable on average."""
    biases = torch.zeros(classes)
    for _ in range(ROUNDS):
        biases -= (logits + biases).softmax(1).mean(0).log()
        biases -= biases.mean()
    return biases


def covering(whole: Specialists, classes: int) -> Tensor:
    """Return how many specialists cover each class."""
    return torch.stack(
        [torch.isin(torch.arange(classes), torch.tensor(each.classes)) for each in whole.specialists]
    ).sum(0)


def by_covering(found: Answers, whole: Specialists) -> dict[int, dict[str, int]]:
    """Count images, by how many specialists cover their class.

    Returns:
        For every number of specialists: the images; those that each contender has right; ``answered, …``: the images,
        of any class, that it takes for one of these classes; ``won`` and ``lost``: answers that specialists make right
        and wrong; ``own asked``: images that the generalist has wrong while a specialist that is asked covers the true
        class, and how many of these are ``won by own``.
    """
    covers = covering(whole, found.logits["generalist"].shape[1])
    count = covers[found.truth]
    before, after = found.right("generalist"), found.right("with specialists")
    asked = _own_asked(found, whole) & ~before
    table = {}
    for number in covers.unique().tolist():
        rows = count == number
        marks = {
            "images": rows,
            **{name: rows & found.right(name) for name in found.logits},
            **{f"answered, {name}": covers[found.said(name)] == number for name in found.logits},
            "won": rows & ~before & after,
            "lost": rows & before & ~after,
            "own asked": rows & asked,
            "won by own": rows & asked & after,
        }
        table[number] = {name: int(mark.sum()) for name, mark in marks.items()}
    return table


def _own_asked(found: Answers, whole: Specialists) -> Tensor:
    """Return whether a specialist that the generalist's likeliest class calls covers the true class, (N,) bool."""
    said, marks = found.said("generalist"), torch.zeros(len(found.truth), dtype=torch.bool)
    for each in whole.specialists:
        own = torch.tensor(each.classes)
        marks |= torch.isin(said, own) & torch.isin(found.truth, own)
    return marks


def conditional(whole: Specialists, part: Part, truth: Tensor) -> dict[str, float]:
    """Return the mean over specialists of the accuracy on their own classes, when only these may be answered."""
    scores: dict[str, list[float]] = {"generalist": [], "specialists": []}
    for one in whole.specialists:
        rows = torch.isin(truth, torch.tensor(one.classes))
        own, own_part = own_targets(truth[rows], one.classes), replace(part, indices=part.indices[rows])
        logits = {
            "generalist": answers(whole.generalist, own_part)[:, list(one.classes)],
            "specialists": answers(one.teacher, own_part)[:, :-1],
        }
        for name, each in logits.items():
            scores[name].append((each.argmax(1) == own).double().mean().item())
    return {name: sum(each) / len(each) for name, each in scores.items()}


def pooled(found: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Return the table by covering specialists over all seeds, with relative gains over the generalist."""
    table: dict[int, dict[str, float]] = {}
    for each in found:
        for count, row in each["covering"].items():
            into = table.setdefault(count, dict.fromkeys(row, 0))
            for name, number in row.items():
                into[name] += number
    for row in table.values():
        for name in ("with specialists", "generalist, as frequent", "generalist trained on"):
            row[f"relative gain, {name}"] = row[name] / row["generalist"] - 1
    return {str(count): table[count] for count in sorted(table)}
