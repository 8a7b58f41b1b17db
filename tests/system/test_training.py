"""T9, T11, T16 to T20 of the pitfalls: what is optimised is what was asked for, and what the log says."""

import copy

import pytest
import torch
from torch import nn

from limbeck import Batch, Frozen, Offline, Plan, Term, fit, losses
from limbeck.losses import DistillationLoss
from limbeck.train.checkpoint import read_checkpoint
from train.toys import Crash, Watch, crash_at, feed, mlp, problem, same_state, timeless

PLAN = Plan(epochs=3, batch_size=10, lr=0.05, device="cpu")


class Projected(DistillationLoss):
    """A loss with a projector, a learnt scale kept in a list, and a memory."""

    def __init__(self):
        super().__init__()
        self.projector = nn.Linear(8, 12)
        self.scales = nn.ParameterList([nn.Parameter(torch.ones(12))])
        self.register_buffer("memory", torch.zeros(12))

    def forward(self, student, teacher, context=None):
        with torch.no_grad():
            self.memory += teacher.mean(0)
        return (self.projector(student) * self.scales[0] - teacher).square().mean()


def learnable():
    with torch.random.fork_rng():
        torch.manual_seed(7)
        loss, adapter = Projected(), nn.Linear(8, 12)
    terms = [
        Term(loss, "1", "1", name="projected"),
        Term(losses.LogitRegression(), "0", "0", 0.1, adapter, name="hint"),
    ]
    return Offline(mlp(), Frozen(mlp(1, width=12)), terms), loss, adapter


def test_t9_learnable_parts_of_losses_are_optimised_moved_and_saved(tmp_path):
    scheme, loss, adapter = learnable()
    learnt = {
        **dict(loss.named_parameters()),
        **{f"adapter.{name}": each for name, each in adapter.named_parameters()},
    }
    assert len(learnt) == 5
    optimised = {id(each) for group in scheme.parameter_groups() for each in group["params"]}
    assert {id(each) for each in learnt.values()} <= optimised

    before = {name: each.detach().clone() for name, each in learnt.items()}
    fit(scheme, feed(), PLAN.model_copy(update={"epochs": 1}), folder=tmp_path)
    for name, each in learnt.items():
        assert not torch.equal(each, before[name]), name

    saved = read_checkpoint(tmp_path / "last.pt")["scheme"]
    for each in (*learnt.values(), loss.memory):
        assert any(torch.equal(each, value) for value in saved.values() if value.shape == each.shape)

    scheme.to("meta")
    assert {each.device.type for each in (*loss.parameters(), *loss.buffers(), *adapter.parameters())} == {
        "meta"
    }


def test_t9_learnable_parts_come_back_on_resume(tmp_path):
    whole, first, rest = learnable()[0], learnable()[0], learnable()[0]
    plan = PLAN.model_copy(update={"checkpoint_every": 1})
    fit(whole, feed(), plan)
    with pytest.raises(Crash):
        fit(first, feed(), plan, folder=tmp_path, watchers=[crash_at(7)])
    fit(rest, feed(), plan, folder=tmp_path, resume=True)
    assert same_state(dict(whole.state_dict()), dict(rest.state_dict()))


def test_t11_what_a_person_gives_is_unchanged():
    plan, data = Plan(epochs=2, batch_size=10, clip=0.1, accumulate=2, device="cpu"), feed()
    groups = [{"params": [], "lr_scale": 0.1, "weight_decay": 0.5}]

    class Grouped(Offline):
        def parameter_groups(self, phase="main"):
            groups[0]["params"] = list(self.parameters())
            return groups

    term = Term(losses.KD(temperature=3), weight=0.5)
    source = data.train.views.source
    before = copy.deepcopy((plan, source.inputs, source.targets, data.train.indices, term.weight))
    fit(Grouped(mlp(), Frozen(mlp(1)), [term]), data, plan)
    assert plan == before[0]
    for now, then in zip((source.inputs, source.targets, data.train.indices), before[1:4], strict=True):
        assert torch.equal(now, then)
    assert term.weight == before[4]
    assert set(groups[0]) == {"params", "lr_scale", "weight_decay"}
    assert (groups[0]["lr_scale"], groups[0]["weight_decay"], len(groups[0]["params"])) == (0.1, 0.5, 4)


def test_t16_average_follows_the_student_and_not_the_other_way_round():
    slow, fast = (
        fit(taught(), feed(), PLAN.model_copy(update={"ema": decay, "select": "last"})).last_state["2.weight"]
        for decay in (0.99, 0.01)
    )
    final = fit(taught(), feed(), PLAN).last_state["2.weight"]
    start = mlp().state_dict()["2.weight"]
    assert (fast - final).norm() < 0.1 * (start - final).norm()
    assert (slow - start).norm() < 0.6 * (start - final).norm()


def taught():
    return Offline(mlp(), Frozen(mlp(1)), [Term(losses.KD(temperature=2), weight=0.7)], task_weight=0.3)


@pytest.mark.parametrize("loss", [losses.KD(), losses.LogitRegression()], ids=str)
@pytest.mark.parametrize("train", [40, 37])
def test_t17_accumulated_batches_are_one_large_batch(loss, train):
    def run(size, accumulate):
        plan = Plan(epochs=2, batch_size=size, accumulate=accumulate, lr=0.05, device="cpu")
        return fit(Offline(mlp(), Frozen(mlp(1)), [Term(loss)]), feed(train), plan)

    whole, cut = run(20, 1), run(5, 4)
    assert whole.steps == cut.steps
    for name, value in whole.last_state.items():
        torch.testing.assert_close(cut.last_state[name], value, rtol=1e-4, atol=1e-6)
    for one, other in zip(whole.history, cut.history, strict=True):
        assert one["loss"] == pytest.approx(other["loss"], rel=1e-4)


def test_t17_remainder_of_an_epoch_is_not_carried_into_the_next():
    plan = Plan(epochs=2, batch_size=10, accumulate=3, device="cpu")
    steps = []
    run = fit(taught(), feed(40), plan, watchers=[Watch(stepped=steps.append)])
    assert run.steps == 4  # 3 batches and 1, twice
    assert steps == [1, 2, 3, 4]


def test_t18_samples_without_a_label_contribute_nothing_to_the_hard_loss():
    x, y = problem(8)
    labelled = torch.arange(8) < 5
    gradients = []
    for targets in (
        y,
        torch.where(labelled, y, (y + 1) % 3),
        torch.where(labelled, y, torch.full_like(y, -100)),
    ):
        scheme = taught()
        scheme(Batch(x, targets, labelled=labelled))["task"].backward()
        gradients.append(scheme.student[0].weight.grad)
    assert torch.equal(gradients[0], gradients[1])
    assert torch.equal(gradients[0], gradients[2])
    assert gradients[0].abs().sum() > 0


@pytest.mark.parametrize("accumulate", [1, 3])
def test_t19_log_says_what_was_optimised(accumulate):
    """The gradient that reaches the optimizer is that of the loss the log shows."""
    plan = Plan(epochs=2, batch_size=10, accumulate=accumulate, lr=0.05, device="cpu")
    scheme, watch, found = taught(), Watch(), []

    class Twin(Offline):
        def before_step(self):
            self.rows, self.state = [], copy.deepcopy(self.student.state_dict())

        def forward(self, batch, phase="main", group=0):
            if batch.index is not None and hasattr(self, "rows"):
                self.rows.append(batch.index)
            return super().forward(batch, phase, group)

        def after_step(self):
            rows = torch.cat(self.rows)
            x, y = problem(55)
            twin = mlp()
            twin.load_state_dict(self.state)
            again = Offline(twin, self.teacher, list(self.terms), task_weight=0.3)
            parts = again(Batch(x[rows], y[rows]))
            torch.stack(list(parts.values())).sum().backward()
            for mine, other in zip(self.student.parameters(), twin.parameters(), strict=True):
                torch.testing.assert_close(mine.grad, other.grad, rtol=1e-4, atol=1e-6)
            found.append({name: part.item() for name, part in parts.items()})

    scheme = Twin(mlp(), Frozen(mlp(1)), [Term(losses.KD(temperature=2), weight=0.7)], task_weight=0.3)
    run = fit(scheme, feed(), plan, watchers=[watch])
    assert len(found) == run.steps
    for logged, parts in zip(watch.parts, found, strict=True):
        assert logged == pytest.approx(parts, rel=1e-4)
    per_epoch = len(found) // 2
    for number, row in enumerate(run.history):
        epoch = found[number * per_epoch : (number + 1) * per_epoch]
        assert row["loss_KD"] == pytest.approx(sum(parts["KD"] for parts in epoch) / per_epoch, rel=1e-4)
        assert row["loss"] == pytest.approx(row["loss_KD"] + row["loss_task"], rel=1e-6)


@pytest.mark.parametrize("step", [1, 4, 6, 11])
def test_t20_resumed_is_uninterrupted(tmp_path, step):
    def scheme():
        return Offline(mlp(dropout=0.5, norm=True), Frozen(mlp(1)), [Term(losses.KD())])

    plan = PLAN.model_copy(update={"checkpoint_every": 1, "ema": 0.9})
    whole = fit(scheme(), feed(), plan)
    with pytest.raises(Crash):
        fit(scheme(), feed(), plan, folder=tmp_path, watchers=[crash_at(step)])
    again = fit(scheme(), feed(), plan, folder=tmp_path, resume=True)
    assert same_state(whole.last_state, again.last_state)
    assert same_state(whole.best_state, again.best_state)
    assert timeless(whole.history) == timeless(again.history)
    assert whole.best_score == again.best_score
