"""T7, T8, T10 and T13 of the pitfalls: what happens to teacher and student while one teaches the other."""

import pytest
import torch
from torch import nn

from limbeck import Batch, Frozen, Offline, Plan, Term, fit, losses
from train.toys import Watch, feed, mlp, same_state

PLAN = Plan(epochs=3, batch_size=10, lr=0.05, device="cpu")


def offline(student=None, teacher=None):
    return Offline(student or mlp(), Frozen(teacher or mlp(1)), [Term(losses.KD())], task_weight=0.5)


class Counting(nn.Module):
    """Counts its forwards and remembers whether it was in training mode."""

    def __init__(self, body):
        super().__init__()
        self.body, self.modes = body, []

    def forward(self, x):
        self.modes.append((self.training, torch.is_grad_enabled(), len(x)))
        return self.body(x)


def test_t7_teacher_is_untouched():
    teacher = mlp(1, dropout=0.5, norm=True).train()
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    scheme = offline(teacher=teacher)
    x = torch.randn(6, 4)
    outputs = [scheme.teacher(Batch(x))["logits"]]
    fit(scheme, feed(), PLAN)
    outputs.append(scheme.teacher(Batch(x))["logits"])
    assert torch.equal(*outputs)  # deterministic, though it has dropout
    assert same_state(before, dict(teacher.state_dict()))
    assert not any(module.training for module in teacher.modules())
    assert not any(each.requires_grad for each in teacher.parameters())
    assert all(each.grad is None for each in teacher.parameters())


def test_t7_teacher_runs_in_eval_mode_without_a_graph_at_every_step():
    teacher = Counting(mlp(1, dropout=0.5))
    scheme = offline(teacher=teacher)

    def provoke(step):
        teacher.train()
        scheme.train()

    fit(scheme, feed(), PLAN, watchers=[Watch(stepped=provoke)])
    assert len(teacher.modes) >= 12
    assert {(training, graph) for training, graph, _ in teacher.modes} == {(False, False)}


def test_t8_student_trains_in_training_mode_after_every_evaluation():
    student = Counting(mlp(dropout=0.5, norm=True))
    inner = []
    student.body[1].register_forward_hook(lambda module, args, out: inner.append(module.training))
    run = fit(offline(student), feed(), PLAN)
    modes = [training for training, _, _ in student.modes]
    assert modes == ([True] * 4 + [False] * 2) * 3  # four steps, then two batches to judge by
    assert inner == modes
    assert run.last_state["body.1.num_batches_tracked"].item() == 12


def test_t10_two_distillers_in_one_process_do_not_affect_each_other():
    alone = fit(offline(), feed(), PLAN).last_state
    one, other = offline(), offline(mlp(2), mlp(3))
    watch = Watch(stepped=lambda step: fit(other, feed(seed=1), PLAN) if step == 5 else None)
    assert same_state(fit(one, feed(), PLAN, watchers=[watch]).last_state, alone)
    assert len({id(each) for each in (*one.parameters(), *other.parameters())}) == 8
    assert not any(module._forward_hooks for module in nn.ModuleList([one, other]).modules())


def test_t10_schemes_of_one_student_have_their_own_progress():
    student = mlp()
    one, other = offline(student), offline(student)
    one.progress.step = 7
    assert other.progress.step == 0
    assert "progress" not in vars(Offline)


@pytest.mark.parametrize("terms", [1, 3])
def test_t13_one_forward_of_each_model_for_each_batch(terms):
    student, teacher = Counting(mlp()), Counting(mlp(1))
    known = [
        Term(losses.KD(temperature=number + 1), "logits", "logits", name=f"part {number}")
        for number in range(terms)
    ]
    hint = Term(losses.LogitRegression(), "body.0", "body.0", name="hint")
    scheme = Offline(student, Frozen(teacher), [*known, hint])
    run = fit(scheme, feed(train=37), PLAN)
    trained = [rows for training, _, rows in student.modes if training]
    assert trained == [10, 10, 10, 7] * 3
    assert [rows for _, _, rows in teacher.modes] == trained
    assert scheme.teacher.forwards == run.samples == 111


class Prepares(losses.LogitRegression):
    """A loss with something to learn of the teacher first."""

    prepares = True

    def preparation(self, teacher):
        return teacher.square().mean()
