"""T1 to T6 and T9 of the pitfalls, through the public door: losses alone and wired into a scheme."""

import math

import pytest
import torch

from cases import CASES
from laws.samples import pair, random
from limbeck import Batch, Frozen, LimbeckError, Offline, Plan, Term, fit, losses
from train.toys import feed, mlp, problem

FIRST = list({case.made: case for case in reversed(CASES)}.values())[::-1]
"""Every loss, once."""
PER_SAMPLE = [case for case in CASES if "unchanged_when_the_batch_is_repeated" in case.laws]
VECTORS = {"logits": "logits", "embedding": "1", "last map": "1"}
WIRED = [
    case
    for case in FIRST
    if case.made.task != "regression" and not case.fixed and not case.made.several
    if case.made.place == "logits" or (case.made.kind == "relation" and not case.made.same_shape)
]
"""Those that can learn from a network without maps, whatever its width: from its logits, or from a layer."""
every_wired_loss = pytest.mark.parametrize("case", WIRED, ids=str)


def wired(case):
    layer = VECTORS[case.made.place]
    return Offline(mlp(), Frozen(mlp(1, width=12)), [Term(case.loss(), layer, layer)], task_weight=0.0)


@pytest.mark.parametrize("temperature", [1.0, 2.5, 10.0])
def test_t1_kd_is_the_formula_zero_at_identity_and_never_negative(temperature):
    kd = losses.KD(temperature=temperature)
    for seed in range(10):
        student, teacher = random(seed, (5, 7)).double(), random(seed + 50, (5, 7)).double()
        p = [[math.exp(z / temperature) for z in row] for row in teacher.tolist()]
        q = [[math.exp(z / temperature) for z in row] for row in student.tolist()]
        total = 0.0
        for ours, theirs in zip(q, p, strict=True):
            for a, b in zip(ours, theirs, strict=True):
                total += b / sum(theirs) * math.log((b / sum(theirs)) / (a / sum(ours)))
        assert kd(student, teacher).item() == pytest.approx(total / 5 * temperature**2)
        assert kd(teacher.clone(), teacher).item() == pytest.approx(0, abs=1e-12)
        assert kd(teacher + 1e-4 * student, teacher).item() >= 0


def test_t2_gradient_norm_tends_to_one_and_not_to_a_quarter():
    student, teacher = (each.double() for each in pair((8, 10)))
    norms = []
    for temperature in (50.0, 100.0):
        leaf = student.clone().requires_grad_()
        losses.KD(temperature=temperature)(leaf, teacher).backward()
        norms.append(leaf.grad.norm().item())
    assert norms[1] / norms[0] == pytest.approx(1, abs=0.02)


def test_t3_value_of_kd_does_not_depend_on_replicated_classes():
    student, teacher = pair((4, 5))
    kd = losses.KD()(student, teacher).item()
    assert losses.KD()(student.repeat(1, 20), teacher.repeat(1, 20)).item() == pytest.approx(kd, rel=1e-4)


@pytest.mark.parametrize(
    "case", [each for each in CASES if "unchanged_when_the_batch_is_repeated" in each.laws], ids=str
)
def test_t3_value_does_not_depend_on_how_often_a_batch_is_repeated(case):
    student, teacher = case.pair()
    many = case(torch.cat([student] * 20), torch.cat([teacher] * 20)).item()
    assert many == pytest.approx(case(student, teacher).item(), rel=1e-6)


def gradient(targets, **weights):
    """Return the student's gradient under Offline with those weights."""
    student = mlp()
    x, y = problem(16)
    term = Term(losses.KD(temperature=4), weight=weights["kd"])
    scheme = Offline(student, Frozen(mlp(1)), [term], task_weight=weights["task"])
    torch.stack(list(scheme(Batch(x, y if targets else None)).values())).sum().backward()
    return torch.cat([each.grad.flatten() for each in student.parameters()])


def test_t4_loss_is_continuous_in_every_weight_at_zero():
    for near, at in (
        ({"kd": 1e-6, "task": 1.0}, {"kd": 0.0, "task": 1.0}),
        ({"kd": 1.0, "task": 1e-6}, {"kd": 1.0, "task": 0.0}),
    ):
        torch.testing.assert_close(gradient(True, **near), gradient(True, **at), rtol=1e-3, atol=1e-6)
    torch.testing.assert_close(
        gradient(True, kd=1.0, task=1.0),
        gradient(True, kd=1.0, task=0.0) + gradient(True, kd=0.0, task=1.0),
        rtol=1e-4,
        atol=1e-6,
    )


def test_t4_missing_targets_leave_the_rest_as_it_is():
    torch.testing.assert_close(gradient(False, kd=0.7, task=1.0), gradient(True, kd=0.7, task=0.0))


@every_wired_loss
def test_t5_every_loss_falls_as_a_student_learns_from_it(case):
    scheme, (x, y) = wired(case), problem(32)
    batch = Batch(x, y, index=torch.arange(32))
    optimizer = torch.optim.Adam(scheme.student.parameters(), lr=0.02)
    values = []
    for _ in range(40):
        value = torch.stack(list(scheme(batch).values())).sum()
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        values.append(value.item())
    assert values[-1] < values[0]
    assert scheme.teacher(batch)["logits"].grad_fn is None


@every_wired_loss
@pytest.mark.parametrize("train", [1, 2, 21, 40])
def test_t6_any_number_of_samples_trains_or_is_refused_in_words(case, train):
    plan = Plan(epochs=1, batch_size=10, precision="bf16", device="cpu")
    if train < case.made.smallest_batch:
        with pytest.raises(LimbeckError, match="sample"):
            fit(wired(case), feed(train), plan)
        return
    run = fit(wired(case), feed(train), plan)
    assert train - run.samples < case.made.smallest_batch
    assert all(torch.isfinite(value).all() for value in run.last_state.values())


@pytest.mark.parametrize("case", FIRST, ids=str)
def test_t9_every_parameter_and_buffer_of_a_loss_belongs_to_the_scheme(case):
    loss = case.loss()
    layers = tuple("0" for _ in case.student_layers) if case.made.several else "logits"
    others = tuple("0" for _ in case.teacher_layers) if case.made.several else "logits"
    scheme = Offline(mlp(), Frozen(mlp(1)), [Term(loss, layers, others)])
    learning = {id(each) for group in scheme.parameter_groups() for each in group["params"]}
    assert {id(each) for each in loss.parameters() if each.requires_grad} <= learning
    assert {f"terms.0.loss.{name}" for name in loss.state_dict()} <= set(scheme.state_dict())
