"""Distillation that ends early while the hard loss goes on."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from limbeck import Batch, Frozen, LimbeckError, Plan, Regression, Term, fit, losses
from limbeck.schemes import Offline, ShortLessons
from limbeck.schemes.schedule import Step
from limbeck.types import Progress
from train.toys import Crash, Watch, crash_at, feed, mlp, problem, same_state, timeless

PLAN = Plan(epochs=2, batch_size=10, lr=0.05, device="cpu")  # 8 steps


def batch(rows=8, labels=True):
    x, y = problem(rows, seed=5)
    return Batch(x, y if labels else None, torch.arange(rows))


def hinted(until=0.5, **options):
    torch.manual_seed(3)
    hint = Term(losses.LogitRegression(), "0", "0", 0.1, nn.Linear(8, 12), name="hint")
    return ShortLessons(mlp(**options), Frozen(mlp(1, width=12)), [losses.KD(), hint], until=until)


@pytest.mark.parametrize(("step", "taught"), [(0, True), (3, True), (4, False), (9, False)])
def test_lessons_end_at_their_share_of_the_training(step, taught):
    scheme = ShortLessons(mlp(), Frozen(mlp(1)), task_weight=0.3, until=0.4)
    offline = Offline(mlp(), Frozen(mlp(1)), [losses.KD(temperature=4)], task_weight=0.3)
    scheme.progress = Progress(step=step, total_steps=10)
    parts = {name: part.item() for name, part in scheme(batch()).items()}
    expected = {name: part.item() for name, part in offline(batch()).items()}
    assert parts == (expected if taught else {"task": expected["task"]})
    assert scheme.over is not taught
    assert dict(scheme.forwards) == ({"student": 1, "teacher": 1} if taught else {"student": 1})


def test_a_schedule_of_the_task_weight_goes_on():
    scheme = ShortLessons(mlp(), Frozen(mlp(1)), task_weight=Step(0.1, 1.0, at=0.5), until=0.5)
    hard = F.cross_entropy(scheme.student(batch().inputs), batch().targets).item()
    for step, weight in ((4, 0.1), (5, 1.0)):
        scheme.progress = Progress(step=step, total_steps=10)
        assert scheme(batch())["task"].item() == pytest.approx(weight * hard, rel=1e-6)


def test_the_teacher_is_asked_and_charged_for_its_lessons_only():
    scheme, watch = hinted(until=0.6), Watch()
    run = fit(scheme, feed(), PLAN, watchers=[watch])
    assert [sorted(parts) for parts in watch.parts] == [["KD", "hint", "task"]] * 5 + [["task"]] * 3
    assert scheme.teacher.forwards == run.teacher_forwards == 50
    assert [sorted(name for name in row if name.startswith("loss_")) for row in run.history] == [
        ["loss_KD", "loss_hint", "loss_task"]
    ] * 2


def test_what_lessons_alone_train_is_kept_afterwards():
    """With decay and momentum that would move whatever had a gradient, even one of zero."""
    scheme, seen = hinted(until=0.5), []
    watch = Watch(lambda step: seen.append(scheme.terms[1].adapter.weight.detach().clone()))
    fit(scheme, feed(), PLAN.model_copy(update={"optimizer": "adamw", "weight_decay": 0.5}), watchers=[watch])
    assert not torch.equal(seen[2], seen[3])
    assert all(torch.equal(seen[3], each) for each in seen[4:])
    assert scheme.partial


@pytest.mark.parametrize("step", [3, 4, 6])
def test_resumes_to_the_same_bits_across_the_end(tmp_path, step):
    plan = PLAN.model_copy(update={"checkpoint_every": 1})
    whole, rest = hinted(dropout=0.3), hinted(dropout=0.3)
    first = fit(whole, feed(), plan)
    with pytest.raises(Crash):
        fit(hinted(dropout=0.3), feed(), plan, folder=tmp_path, watchers=[crash_at(step)])
    again = fit(rest, feed(), plan, folder=tmp_path, resume=True)
    assert same_state(dict(whole.state_dict()), dict(rest.state_dict()))
    assert timeless(first.history) == timeless(again.history)
    assert first.teacher_forwards == again.teacher_forwards


def test_another_end_is_another_training(tmp_path):
    fit(hinted(until=0.5), feed(), PLAN, folder=tmp_path)
    with pytest.raises(LimbeckError, match="until"):
        fit(hinted(until=0.6), feed(), PLAN, folder=tmp_path, resume=True)


def test_a_batch_without_labels_is_taught_and_then_refused():
    scheme = ShortLessons(mlp(), Frozen(mlp(1)))
    assert set(scheme(batch(labels=False))) == {"KD"}
    scheme.progress = Progress(step=5, total_steps=10)
    with pytest.raises(LimbeckError, match=r"over after 50%.*no labels to go on with"):
        scheme(batch(labels=False))


def test_a_regression_is_taught_values():
    scheme = ShortLessons(mlp(outputs=1), Frozen(mlp(1, outputs=1)), task=Regression())
    assert sorted(scheme(Batch(batch().inputs, batch().inputs[:, 0]))) == ["LogitRegression", "task"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"until": 0}, "use Supervised"),
        ({"until": 1}, "use Offline"),
        ({"until": 1.5}, "until must be"),
        ({"until": "half"}, "until must be"),
        ({"task_weight": 0}, "goes on with its labels alone"),
        ({"task_weight": None}, "goes on with its labels alone"),
        ({"terms": []}, "ShortLessons needs at least one term"),
    ],
)
def test_lessons_that_are_not_short_are_refused(options, message):
    with pytest.raises(LimbeckError, match=message):
        ShortLessons(mlp(), Frozen(mlp(1)), **options)
