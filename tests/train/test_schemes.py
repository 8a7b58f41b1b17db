"""The loop takes schemes of every shape: several phases, several groups, schemes of the person's own."""

import weakref

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from limbeck import Classification, Plan, Scheme, fit
from train.toys import Crash, crash_at, feed, mlp, problem, same_state, timeless

PLAN = Plan(epochs=2, batch_size=10, lr=0.05, device="cpu")


class Variants(Scheme):
    """One network run at several dropout masks of its hidden units: a part of the loss for each."""

    def __init__(self, masks, at_once=False):
        super().__init__(Classification())
        self.net, self.masks, self.at_once = mlp(), masks, at_once
        self.alive, self.most, self.calls = weakref.WeakSet(), 0, []

    def groups(self, batch):
        return 1 if self.at_once else len(self.masks)

    def part(self, batch, mask):
        hidden = self.net[:2](batch.inputs) * mask
        self.alive.add(hidden)
        self.most = max(self.most, len(self.alive))
        return F.cross_entropy(self.net[2](hidden), batch.targets) / len(self.masks)

    def forward(self, batch, phase="main", group=0):
        self.calls.append((group, len(batch)))
        if self.at_once:
            return {f"v{number}": self.part(batch, mask) for number, mask in enumerate(self.masks)}
        return {f"v{group}": self.part(batch, self.masks[group])}

    def deployable(self):
        return self.net


MASKS = [(torch.arange(8) % 4 != skip).float() for skip in range(4)]


def test_groups_give_the_step_of_all_parts_at_once():
    grouped, whole = Variants(MASKS), Variants(MASKS, at_once=True)
    one, other = fit(grouped, feed(), PLAN), fit(whole, feed(), PLAN)
    assert one.steps == other.steps == 8  # one optimizer step for all groups together
    for name, value in one.last_state.items():
        torch.testing.assert_close(value, other.last_state[name], rtol=1e-4, atol=1e-6)
    for name in ("loss", "loss_v0", "loss_v3", "val_nll"):
        assert one.history[-1][name] == pytest.approx(other.history[-1][name], rel=1e-4)


def test_only_one_groups_graph_is_alive_at_a_time():
    grouped, whole = Variants(MASKS), Variants(MASKS, at_once=True)
    fit(grouped, feed(), PLAN)
    fit(whole, feed(), PLAN)
    assert whole.most >= 4
    assert grouped.most <= 2  # that being made, and at most the one before it


def test_groups_within_accumulated_batches():
    grouped = Variants(MASKS)
    run = fit(grouped, feed(), PLAN.model_copy(update={"accumulate": 2, "epochs": 1}))
    assert grouped.calls == [(group, 10) for _ in range(4) for group in range(4)]
    whole = fit(Variants(MASKS), feed(), PLAN.model_copy(update={"batch_size": 20, "epochs": 1}))
    for name, value in run.last_state.items():
        torch.testing.assert_close(value, whole.last_state[name], rtol=1e-4, atol=1e-6)


class Duel(Scheme):
    """A critic learns to tell the net's outputs from one-hot labels; the net learns to fool it, and its task."""

    phases = ("critic", "net")

    def __init__(self):
        super().__init__(Classification())
        self.net, self.critic = mlp(), nn.Sequential(nn.Linear(3, 6), nn.ReLU(), nn.Linear(6, 1))
        with torch.no_grad():
            for number, each in enumerate(self.critic.parameters()):
                each.copy_(torch.linspace(-0.5, 0.6, each.numel()).view(each.shape) * (-1) ** number)
        self.log = []

    def parameter_groups(self, phase="net"):
        return [{"params": list(getattr(self, phase).parameters())}]

    def before_step(self):
        self.log.append("before")

    def after_step(self):
        self.log.append("after")

    def after_epoch(self):
        self.log.append("epoch")

    def forward(self, batch, phase="net", group=0):
        self.log.append(phase)
        said = self.net(batch.inputs)
        told = self.critic(said.softmax(-1))
        if phase == "critic":
            true = self.critic(F.one_hot(batch.targets, 3).float())
            return {"critic": F.softplus(-true).mean() + F.softplus(told).mean()}
        return {"task": F.cross_entropy(said, batch.targets), "fool": 0.1 * F.softplus(-told).mean()}

    def deployable(self):
        return self.net


def test_each_phase_has_its_own_optimizer_and_touches_its_own_weights():
    scheme, rows = Duel(), []
    before = {name: value.clone() for name, value in scheme.state_dict().items()}
    forward = scheme.forward

    def look(batch, phase="net", group=0):
        rows.append(
            (phase, {name: value.clone() for name, value in scheme.state_dict().items()}, batch.index)
        )
        return forward(batch, phase, group)

    scheme.forward = look
    run = fit(scheme, feed(), PLAN)
    assert [phase for phase, _, _ in rows] == ["critic", "net"] * 8
    for (_, first, index), (_, then, again) in zip(rows[::2], rows[1::2], strict=True):
        moved = {name.partition(".")[0] for name in first if not torch.equal(first[name], then[name])}
        assert moved == {"critic"}
        assert torch.equal(index, again)
    assert torch.equal(rows[0][1]["net.0.weight"], before["net.0.weight"])
    assert run.last_state.keys() == scheme.net.state_dict().keys()


def test_phases_are_those_of_a_loop_written_by_hand():
    scheme, plan = Duel(), PLAN.model_copy(update={"epochs": 1, "weight_decay": 0.0})
    fit(scheme, feed(), plan)
    twin, (x, y) = Duel(), problem(55)
    from limbeck.data.loader import steps_of_epoch

    optimizers = {
        phase: torch.optim.AdamW(getattr(twin, phase).parameters(), weight_decay=0) for phase in twin.phases
    }
    for number, (rows,) in enumerate(steps_of_epoch(torch.arange(40), 0, 0, 10)):
        said = twin.net(x[rows])
        for phase, optimizer in optimizers.items():
            optimizer.param_groups[0]["lr"] = plan.lr_at(number, 4)
            twin.zero_grad()
            if phase == "critic":
                told = twin.critic(said.detach().softmax(-1))
                true = twin.critic(F.one_hot(y[rows], 3).float())
                loss = F.softplus(-true).mean() + F.softplus(told).mean()
            else:
                told = twin.critic(said.softmax(-1))
                loss = F.cross_entropy(said, y[rows]) + 0.1 * F.softplus(-told).mean()
            loss.backward()
            optimizer.step()
    for name, value in scheme.state_dict().items():
        torch.testing.assert_close(value, twin.state_dict()[name], rtol=1e-4, atol=1e-5)


def test_hooks_run_around_steps_and_epochs():
    scheme = Duel()
    fit(scheme, feed(train=20), PLAN)
    step = ["before", "critic", "net", "after"]
    assert scheme.log == (step * 2 + ["epoch"]) * 2


def test_phases_resume_to_the_same_bits(tmp_path):
    plan = PLAN.model_copy(update={"checkpoint_every": 1})
    whole, cut, rest = Duel(), Duel(), Duel()
    first = fit(whole, feed(), plan)
    with pytest.raises(Crash):
        fit(cut, feed(), plan, folder=tmp_path, watchers=[crash_at(6)])
    again = fit(rest, feed(), plan, folder=tmp_path, resume=True)
    assert same_state(dict(whole.state_dict()), dict(rest.state_dict()))
    assert timeless(first.history) == timeless(again.history)


def test_each_group_of_parameters_is_clipped_by_itself():
    """Peers that learn side by side must not be scaled down by each other's gradients."""

    class Peers(Scheme):
        def __init__(self, loud):
            super().__init__(Classification())
            self.one, self.other, self.loud = nn.Linear(4, 3), nn.Linear(4, 3), loud
            with torch.no_grad():
                for each in self.parameters():
                    each.zero_()

        def parameter_groups(self, phase="main"):
            return [{"params": list(self.one.parameters())}, {"params": list(self.other.parameters())}]

        def forward(self, batch, phase="main", group=0):
            return {
                "one": F.cross_entropy(self.one(batch.inputs), batch.targets),
                "other": self.loud * F.cross_entropy(self.other(batch.inputs), batch.targets),
            }

        def deployable(self):
            return self.one

    plan = Plan(epochs=1, batch_size=10, lr=0.1, optimizer="sgd", clip=0.05, device="cpu")
    quiet, loud = fit(Peers(1.0), feed(), plan), fit(Peers(1000.0), feed(), plan)
    assert same_state(quiet.last_state, loud.last_state)
