"""One explicit loop: what it does at each step, and when it stops."""

import copy
import gc
import math
import multiprocessing
from contextlib import suppress

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from limbeck import Batch, Frozen, LimbeckError, Offline, Plan, Regression, Supervised, Term, fit, losses
from limbeck.train import Feed
from limbeck.train.checkpoint import read_checkpoint
from train.toys import Crash, Watch, crash_at, feed, mlp, problem, same_state, timeless

CPU = {"device": "cpu", "batch_size": 10}


def by_hand(net, plan, data, steps=None):
    """Train as a person would write it, reading only the loop's order of samples."""
    from limbeck.data.loader import steps_of_epoch

    x, y = problem(55)
    decayed = [each for each in net.parameters() if each.dim() > 1]
    plain = [each for each in net.parameters() if each.dim() <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": plan.weight_decay}, {"params": plain, "weight_decay": 0}]
    )
    orders = [
        step
        for epoch in range(plan.epochs)
        for step in steps_of_epoch(data.train.indices, epoch, plan.seed, plan.batch_size, plan.accumulate)
    ]
    for number, step in enumerate(orders):
        rows = torch.cat(step)
        for group in optimizer.param_groups:
            group["lr"] = plan.lr_at(number, len(orders))
        optimizer.zero_grad()
        F.cross_entropy(net(x[rows]), y[rows]).backward()
        if plan.clip:
            nn.utils.clip_grad_norm_(net.parameters(), plan.clip)
        optimizer.step()
    return net


@pytest.mark.parametrize(
    "plan",
    [
        Plan(epochs=3, lr=0.05, **CPU),
        Plan(epochs=2, lr=0.05, accumulate=3, **CPU),
        Plan(epochs=2, lr=0.05, clip=0.1, weight_decay=0.5, schedule="constant", warmup=0.5, **CPU),
        Plan(epochs=2, lr=0.05, batch_size=17, device="cpu"),
    ],
    ids=["plain", "accumulate", "clip", "ragged"],
)
def test_weights_are_those_of_a_loop_written_by_hand(plan):
    data = feed()
    run = fit(Supervised(mlp()), data, plan)
    expected = by_hand(mlp(), plan, data).state_dict()
    for name, value in run.last_state.items():
        torch.testing.assert_close(value, expected[name], rtol=1e-4, atol=1e-6)


def test_every_sample_is_seen_once_an_epoch_in_an_order_that_changes():
    seen = []

    class Looking(Supervised):
        def forward(self, batch, phase="main", group=0):
            seen.append((batch.index.tolist(), batch.view.tolist()))
            return super().forward(batch, phase, group)

    run = fit(Looking(mlp()), feed(), Plan(epochs=2, batch_size=15, device="cpu"))
    first, second = ([index for indices, _ in seen[at : at + 3] for index in indices] for at in (0, 3))
    assert sorted(first) == sorted(second) == list(range(40))
    assert first != second
    assert [len(indices) for indices, _ in seen] == [15, 15, 10] * 2
    assert {view for _, views in seen[:3] for view in views} == {0}
    assert {view for _, views in seen[3:] for view in views} == {1}
    assert (run.steps, run.samples) == (6, 80)


def test_data_order_depends_on_the_seed_and_not_on_the_scheme():
    def order(seed, scheme):
        rows = []
        forward = scheme.forward

        def look(batch, phase="main", group=0):
            rows.extend(batch.index.tolist())
            return forward(batch, phase, group)

        scheme.forward = look
        fit(scheme, feed(), Plan(epochs=1, seed=seed, **CPU))
        return rows

    taught = Offline(mlp(dropout=0.5), Frozen(mlp(1)), [Term(losses.KD())])
    assert order(0, Supervised(mlp())) == order(0, taught)
    assert order(0, Supervised(mlp())) != order(1, Supervised(mlp()))


def test_training_leaves_everybody_elses_random_numbers_alone():
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    fit(Supervised(mlp(dropout=0.5)), feed(), Plan(epochs=1, **CPU))
    assert torch.equal(torch.rand(4), expected)


def test_runs_are_repeatable_and_seeds_differ():
    runs = [fit(Supervised(mlp(dropout=0.5)), feed(), Plan(epochs=2, seed=seed, **CPU)) for seed in (0, 0, 1)]
    assert same_state(runs[0].last_state, runs[1].last_state)
    assert timeless(runs[0].history) == timeless(runs[1].history)
    assert not same_state(runs[0].last_state, runs[2].last_state)


def test_history_has_a_row_for_each_epoch():
    watch = Watch()
    plan = Plan(epochs=3, lr=0.05, **CPU)
    run = fit(Supervised(mlp()), feed(), plan, watchers=[watch], label="alone")
    assert [row["epoch"] for row in run.history] == [1, 2, 3]
    assert [row["step"] for row in run.history] == [4, 8, 12]
    assert {row["role"] for row in run.history} == {"alone"}
    assert {"loss", "loss_task", "val_accuracy", "val_nll", "seconds", "lr", "seed"} <= run.history[0].keys()
    assert [row["lr"] for row in run.history] == pytest.approx([plan.lr_at(step, 12) for step in (3, 7, 11)])
    assert watch.rows == run.history
    assert (watch.start, watch.done, len(watch.parts)) == (0, "alone", 12)
    assert run.seconds >= run.history[-1]["seconds"] > run.history[0]["seconds"] > 0


def test_selected_weights_are_those_of_the_best_epoch():
    states, scores = [], []
    scheme = Supervised(mlp())
    net = scheme.student

    def keep():
        states.append({name: value.clone() for name, value in net.state_dict().items()})

    plan = Plan(epochs=8, lr=0.3, schedule="constant", **CPU)
    run = fit(scheme, feed(), plan, watchers=[Watch(evaluated=keep)])
    scores = [row["val_accuracy"] for row in run.history]
    best = scores.index(max(scores))
    assert len(set(scores)) > 1
    assert run.best_score == max(scores)
    assert same_state(run.best_state, states[best])
    assert same_state(run.last_state, states[-1])
    assert same_state(dict(run.model.state_dict()), states[best])
    assert not run.model.training
    last = fit(Supervised(mlp()), feed(), plan.model_copy(update={"select": "last"}))
    assert same_state(dict(last.model.state_dict()), states[-1])


def test_best_of_an_error_is_the_lowest():
    x, _ = problem(55)
    pairs = [(row, value) for row, value in zip(x, x[:, 0] + 1, strict=True)]
    run = fit(
        Supervised(nn.Linear(4, 1), Regression()),
        Feed.of(pairs[:40], pairs[40:]),
        Plan(epochs=4, lr=0.3, schedule="constant", **CPU),
    )
    assert run.best_score == min(row["val_rmse"] for row in run.history)


def test_without_validation_the_last_epoch_is_kept():
    run = fit(Supervised(mlp()), feed(validation=None), Plan(epochs=2, **CPU))
    assert run.best_score is None
    assert same_state(run.best_state, run.last_state)
    assert not any(name.startswith("val_") for row in run.history for name in row)


def test_evaluation_cadence_always_ends_with_the_last_epoch():
    run = fit(Supervised(mlp()), feed(), Plan(epochs=5, evaluate_every=2, **CPU))
    assert [row["epoch"] for row in run.history if "val_accuracy" in row] == [2, 4, 5]
    assert len(run.history) == 5


def test_patience_counts_evaluations_without_a_better_score():
    hopeless = mlp()
    for each in hopeless.parameters():
        each.requires_grad_(False)
    hopeless[2].bias.requires_grad_(True)
    plan = Plan(epochs=20, lr=1e-9, patience=2, evaluate_every=2, **CPU)
    run = fit(Supervised(hopeless), feed(), plan)
    assert [row["epoch"] for row in run.history if "val_accuracy" in row] == [2, 4, 6]
    assert run.history[-1]["epoch"] == 6
    assert run.steps == 24


def test_average_of_the_weights_moves_the_right_way():
    decay, weights = 0.8, []

    class Recording(Supervised):
        def after_step(self):
            weights.append(self.student.weight.detach().clone())

    net = nn.Linear(4, 3)
    run = fit(
        Recording(net), feed(), Plan(epochs=2, lr=0.1, ema=decay, schedule="constant", select="last", **CPU)
    )
    average = weights[0]
    for each in weights[1:]:
        average = decay * average + (1 - decay) * each
    torch.testing.assert_close(run.last_state["weight"], average)
    assert not torch.equal(run.last_state["weight"], weights[-1])
    assert torch.equal(run.model.weight, run.last_state["weight"])


def test_average_leaves_tables_of_indices_alone():
    net = mlp(norm=True)
    net.register_buffer("table", torch.arange(200))
    run = fit(Supervised(net), feed(), Plan(epochs=3, ema=0.9, **CPU))
    assert torch.equal(run.last_state["table"], torch.arange(200))
    assert run.last_state["1.num_batches_tracked"].item() == 12


def test_scores_are_those_of_the_averaged_model():
    run = fit(Supervised(mlp()), feed(), Plan(epochs=2, lr=0.1, ema=0.9, select="last", **CPU))
    x, y = problem(55)
    nll = F.cross_entropy(run.model(x[40:]), y[40:]).item()
    assert run.history[-1]["val_nll"] == pytest.approx(nll, rel=1e-5)


def test_bf16_computes_in_bf16_and_keeps_weights_in_fp32():
    seen = set()
    net, teacher = mlp(), mlp(1)
    net[0].register_forward_hook(lambda module, args, out: seen.add((module.training, out.dtype)))
    taught = set()
    teacher[0].register_forward_hook(lambda module, args, out: taught.add(out.dtype))
    scheme = Offline(net, Frozen(teacher, precision="fp32"), [Term(losses.KD())])
    run = fit(scheme, feed(), Plan(epochs=2, lr=0.05, precision="bf16", **CPU))
    assert (True, torch.bfloat16) in seen
    assert taught == {torch.float32}
    assert {value.dtype for value in run.last_state.values()} == {torch.float32}
    exact = fit(
        Offline(mlp(), Frozen(mlp(1), precision="fp32"), [Term(losses.KD())]),
        feed(),
        Plan(epochs=2, lr=0.05, **CPU),
    )
    for name, value in run.last_state.items():
        torch.testing.assert_close(value, exact.last_state[name], rtol=0.1, atol=0.05)
    assert not same_state(run.last_state, exact.last_state)


def test_fp16_on_a_cpu_is_refused():
    with pytest.raises(LimbeckError, match="bf16"):
        fit(Supervised(mlp()), feed(), Plan(precision="fp16", **CPU))


def test_unknown_device_is_refused():
    with pytest.raises(LimbeckError, match="device"):
        fit(Supervised(mlp()), feed(), Plan(device="abacus"))


class Poisoned(nn.Module):
    """Gives ``bad`` from training forward ``at`` on."""

    def __init__(self, at, bad):
        super().__init__()
        self.body, self.at, self.bad, self.count = nn.Linear(4, 3), at, bad, 0

    def forward(self, x):
        self.count += self.training
        return self.body(x) * (self.bad if self.training and self.count >= self.at else 1.0)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_loss_that_is_not_finite_stops_and_is_named(tmp_path, bad):
    scheme = Offline(Poisoned(7, bad), Frozen(mlp(1)), [Term(losses.LogitRegression())], task_weight=0.0)
    with pytest.raises(LimbeckError, match=r"step 7"):
        fit(scheme, feed(), Plan(epochs=3, checkpoint_every=1, **CPU), folder=tmp_path)
    kept = read_checkpoint(tmp_path / "last.pt")
    assert kept["step"] == 6
    assert all(torch.isfinite(value).all() for value in kept["scheme"].values())


def test_the_part_that_is_not_finite_is_named():
    class Half(losses.DistillationLoss):
        def forward(self, student, teacher, context=None):
            return student.sum() * (math.nan if context.progress.step == 2 else 0.0)

    scheme = Offline(mlp(), Frozen(mlp(1)), [Term(losses.KD()), Term(Half())])
    with pytest.raises(LimbeckError, match=r"'Half'.*step 3"):
        fit(scheme, feed(), Plan(epochs=1, **CPU))


class Cliff(nn.Module):
    """Gives a finite loss whose gradient is NaN at training forward ``at``: a root at zero."""

    def __init__(self, at):
        super().__init__()
        self.body, self.at, self.count = nn.Linear(4, 3), at, 0

    def forward(self, x):
        y = self.body(x)
        self.count += self.training
        return y + (0 * y).sqrt() if self.training and self.count == self.at else y


def test_gradient_that_is_not_finite_does_not_spoil_the_checkpoint(tmp_path):
    with pytest.raises(LimbeckError, match=r"step [67]"):
        fit(Supervised(Cliff(6)), feed(), Plan(epochs=3, checkpoint_every=1, **CPU), folder=tmp_path)
    kept = read_checkpoint(tmp_path / "last.pt")
    assert kept["step"] == 5
    assert all(torch.isfinite(value).all() for value in kept["scheme"].values())


def test_last_step_is_not_let_off(tmp_path):
    with pytest.raises(LimbeckError, match="step 4"):
        fit(Supervised(Cliff(4)), feed(), Plan(epochs=1, **CPU), folder=tmp_path)


def test_last_batch_of_one_joins_the_one_before_where_a_student_needs_two():
    sizes = []

    class Looking(Supervised):
        def forward(self, batch, phase="main", group=0):
            sizes.append(len(batch))
            return super().forward(batch, phase, group)

    fit(Looking(mlp(norm=True)), feed(41), Plan(epochs=1, **CPU))
    assert sizes == [10, 10, 10, 11]
    sizes.clear()
    fit(Looking(mlp()), feed(41), Plan(epochs=1, **CPU))
    assert sizes == [10, 10, 10, 10, 1]


def test_training_on_nothing_is_refused():
    with pytest.raises(LimbeckError, match="sample"):
        fit(Supervised(mlp()), feed(train=0), Plan(**CPU))


def test_same_batches_from_loading_processes():
    runs = [
        fit(Supervised(mlp(dropout=0.2)), feed(), Plan(epochs=1, workers=workers, **CPU))
        for workers in (0, 1)
    ]
    assert same_state(runs[0].last_state, runs[1].last_state)


@pytest.mark.parametrize("dies", [False, True])
def test_loading_processes_end_with_the_training(dies):
    before = set(multiprocessing.active_children())
    gc.disable()  # a loader that only the collector would free keeps its processes, and then takes seconds to end
    try:
        with suppress(Crash):
            watcher = crash_at(2 if dies else 0)
            fit(Supervised(mlp()), feed(), Plan(epochs=1, workers=1, **CPU), watchers=[watcher])
        assert set(multiprocessing.active_children()) <= before
    finally:
        gc.enable()


def test_channels_last_changes_the_layout_and_not_the_result():
    images = torch.rand(20, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    pairs = [(image, int(image[0].mean() > image[1].mean())) for image in images]
    layouts, states = [], []
    for channels_last in (False, True):
        net = nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
        )
        with torch.no_grad():
            for each in net.parameters():
                each.copy_(torch.linspace(-0.5, 0.6, each.numel()).view(each.shape))
        data, plan = Feed.of(pairs, pairs), Plan(epochs=2, channels_last=channels_last, **CPU)
        states.append(fit(Supervised(net), data, plan).last_state)
        layouts.append(net[0].weight.is_contiguous(memory_format=torch.channels_last))
    assert layouts == [False, True]
    for name, value in states[0].items():
        torch.testing.assert_close(states[1][name], value, rtol=1e-4, atol=1e-5)


def test_scheme_trains_in_a_persons_own_loop_to_the_same_weights():
    scheme = Offline(mlp(), Frozen(mlp(1)), [Term(losses.KD(temperature=4), weight=0.9)], task_weight=0.1)
    optimizer = torch.optim.SGD(scheme.parameter_groups(), lr=1.0)
    x, y = problem(40)
    before = copy.deepcopy(scheme.student.state_dict())
    values = []
    for _ in range(30):
        loss = sum(scheme(Batch(x, y)).values())
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        values.append(loss.item())
    assert values[-1] < 0.7 * values[0]
    assert not same_state(before, dict(scheme.student.state_dict()))


def test_a_scheme_trained_before_starts_from_the_beginning():
    scheme = Supervised(mlp())
    first = fit(scheme, feed(), Plan(epochs=1, batch_size=10))
    again = fit(scheme, feed(), Plan(epochs=1, batch_size=10))
    assert again.steps == first.steps == scheme.progress.step
    assert [row["lr"] for row in again.history] == [row["lr"] for row in first.history]
