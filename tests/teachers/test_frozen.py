"""A frozen teacher stays as it was, whatever is done around it."""

import copy

import pytest
import torch
from torch import nn

from limbeck import Batch, Classification, Frozen, LimbeckError, Regression
from limbeck.teachers import Teacher
from limbeck.teachers import frozen as room


def network(outputs=3):
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, outputs)
    )


def batch(rows=6):
    return Batch(torch.randn(rows, 4, generator=torch.Generator().manual_seed(1)))


def state(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_is_a_teacher_but_not_a_module():
    teacher = Frozen(network())
    assert isinstance(teacher, Teacher)
    assert not isinstance(teacher, nn.Module)  # so that no scheme can register it


def test_answers_as_the_network_in_eval_mode():
    net = network()
    expected = copy.deepcopy(net).eval()(batch().inputs)
    found = Frozen(net)(batch())["logits"]
    assert torch.equal(found, expected)
    assert not found.requires_grad


def test_goes_back_to_eval_mode_when_somebody_trained_it():
    net = network()
    teacher = Frozen(net)
    net.train()
    before = state(net)
    assert torch.equal(teacher(batch())["logits"], teacher(batch())["logits"])
    assert same(before, state(net))
    assert not any(module.training for module in net.modules())


def test_is_in_eval_mode_from_the_start_and_needs_no_gradient():
    net = network()
    teacher = Frozen(net)
    assert not any(module.training for module in net.modules())
    inputs = batch().inputs.requires_grad_()
    assert not teacher(Batch(inputs))["logits"].requires_grad
    assert not any(each.requires_grad for each in net.parameters())


def test_counts_samples_it_was_run_on():
    teacher = Frozen(network())
    for rows in (6, 1):
        teacher(batch(rows))
    assert teacher.forwards == 7


def test_gives_the_layers_asked_for():
    net = network()
    outputs = Frozen(net)(batch(), Classification(), ["2"])
    assert sorted(outputs) == ["2", "logits"]
    assert torch.equal(net[3:](outputs["2"]), outputs["logits"])
    assert not outputs["2"].requires_grad


def test_reads_its_own_inputs():
    net = network()
    own = Batch({"teacher": batch().inputs, "student": torch.zeros(6, 2)})
    assert torch.equal(Frozen(net)(own)["logits"], Frozen(net)(batch())["logits"])
    assert torch.equal(
        Frozen(net, role="assistant")(Batch({"assistant": batch().inputs}))["logits"],
        Frozen(net)(batch())["logits"],
    )


def test_answers_in_the_tasks_words():
    assert Frozen(network(1))(batch(), Regression(mean=2.0, std=4.0))["value"].shape == (6,)


def test_fingerprint_changes_with_any_weight_or_statistic():
    net = network()
    prints = {Frozen(net).fingerprint()}
    assert Frozen(copy.deepcopy(net)).fingerprint() in prints
    with torch.no_grad():
        net[4].bias[0] += 1e-6
    prints.add(Frozen(net).fingerprint())
    net[1].running_mean[0] += 1e-6
    prints.add(Frozen(net).fingerprint())
    assert len(prints) == 3


def test_fingerprint_holds_for_every_kind_of_number():
    net = nn.Linear(2, 2).bfloat16()
    net.register_buffer("mask", torch.tensor([True, False]))
    net.register_buffer("table", torch.arange(3))
    net.register_buffer("none", torch.zeros(0))
    net.register_buffer("strided", torch.zeros(4, 2).T)
    assert len(Frozen(net).fingerprint()) == 64


def test_bf16_runs_in_a_copy_that_is_near():
    net = network()
    before = state(net)
    exact, teacher = Frozen(net, precision="fp32")(batch())["logits"], Frozen(net, precision="bf16")
    rough = teacher(batch())["logits"].float()
    assert teacher.precision.choice == "bf16"
    assert not torch.equal(rough, exact)
    torch.testing.assert_close(rough, exact, rtol=0.05, atol=0.05)
    assert same(before, state(net))
    assert {each.dtype for each in net.parameters()} == {torch.float32}


def large():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 1000), nn.ReLU(), nn.Linear(1000, 1000), nn.ReLU(), nn.Linear(1000, 3))


@pytest.mark.parametrize(("tolerance", "choice"), [(1e-2, "bf16"), (1e-12, "fp32")])
def test_auto_takes_bf16_only_where_the_outputs_agree(monkeypatch, tolerance, choice):
    monkeypatch.setattr(room, "computes_in_bf16", lambda device: True)
    net = large()
    teacher = Frozen(net, tolerance=tolerance)
    found = teacher(batch())["logits"]
    assert teacher.precision.choice == choice
    assert teacher.precision.tolerance == tolerance
    assert (teacher.precision.kl <= tolerance) == (choice == "bf16")
    assert torch.equal(found, net(batch().inputs)) == (choice == "fp32")
    assert teacher.forwards == 6  # the comparison is not counted as teaching


def test_auto_stays_in_fp32_where_bf16_is_not_native_or_the_network_is_small(monkeypatch):
    monkeypatch.setattr(room, "computes_in_bf16", lambda device: False)
    slow = Frozen(large())
    slow(batch())
    monkeypatch.setattr(room, "computes_in_bf16", lambda device: True)
    small = Frozen(network())
    small(batch())
    assert slow.precision.choice == small.precision.choice == "fp32"


@pytest.mark.parametrize(
    ("bf16", "kind", "capability", "half"),
    [(True, "cpu", None, "bf16"), (False, "cpu", None, None), (True, "cuda", (8, 0), "bf16"),
     (False, "cuda", (7, 5), "fp16"), (False, "cuda", (6, 1), None)],
)  # fmt: skip
def test_half_precision_is_that_of_the_processor(monkeypatch, bf16, kind, capability, half):
    monkeypatch.setattr(room, "computes_in_bf16", lambda device: bf16)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert room.faster_half(torch.device(kind)) == half


def test_auto_takes_fp16_where_the_outputs_agree_and_not_where_they_overflow(monkeypatch):
    monkeypatch.setattr(room, "faster_half", lambda device: "fp16")
    good = Frozen(large())
    rough = good(batch())["logits"]
    assert (good.precision.choice, rough.dtype) == ("fp16", torch.float16)
    torch.testing.assert_close(rough.float(), large()(batch().inputs), rtol=0.01, atol=0.01)
    beyond = large()
    with torch.no_grad():
        beyond[2].weight.mul_(1e6)
    teacher = Frozen(beyond)
    assert teacher(batch())["logits"].isfinite().all()
    assert teacher.precision.choice == "fp32"


@pytest.fixture
def dynamo(monkeypatch):
    """Have networks captured as torch.compile does, without a compiler; return how often."""
    compile_, found = torch.compile, []

    def capture(network):
        found.append(network)
        return compile_(network, backend="eager")

    monkeypatch.setattr(torch, "compile", capture)
    return found


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_compiled_teacher_answers_as_before(dynamo, precision):
    net = network()
    teacher, plain = Frozen(net, precision, compile=True), Frozen(net, precision)
    for rows in (6, 3):
        torch.testing.assert_close(teacher(batch(rows))["logits"], plain(batch(rows))["logits"])
    assert teacher.precision.to_dict() == {**plain.precision.to_dict(), "compiled": True}
    assert teacher.fingerprint() == plain.fingerprint()
    assert teacher.forwards == 9
    assert len(dynamo) == 1


def test_tapped_layers_and_gradients_pass_a_compiled_teacher_by(dynamo):
    teacher = Frozen(network(), compile=True)
    outputs = teacher(batch(), Classification(), ["2"])
    assert torch.equal(teacher.model[3:](outputs["2"]), outputs["logits"])
    inputs = batch().inputs.requires_grad_()
    teacher.with_gradient(Batch(inputs))["logits"].sum().backward()
    assert inputs.grad is not None


def test_compiled_teacher_that_answers_otherwise_is_not_used(monkeypatch):
    wrong = network()
    with torch.no_grad():
        wrong[4].bias[0] += 3
    monkeypatch.setattr(torch, "compile", lambda model: wrong.eval())
    net = network()
    teacher = Frozen(net, compile=True)
    assert torch.equal(teacher(batch())["logits"], net(batch().inputs))
    assert not teacher.precision.compiled


def test_teacher_that_cannot_be_compiled_is_refused(monkeypatch):
    def fail(*_):
        raise RuntimeError("No working C++ compiler found\nand more")

    monkeypatch.setattr(torch, "compile", lambda model: fail)
    with pytest.raises(LimbeckError, match=r"\(No working C\+\+ compiler found\): leave teacher_compile out"):
        Frozen(network(), compile=True)(batch())


def test_fp32_teacher_is_exact_under_the_students_autocast():
    net = network()
    exact = Frozen(net, precision="fp32")(batch())["logits"]
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(Frozen(net, precision="fp32")(batch())["logits"], exact)


@pytest.mark.parametrize("model", [None, "timm:resnet18", lambda x: x])
def test_takes_modules_only(model):
    with pytest.raises(LimbeckError, match="Predictor"):
        Frozen(model)


def test_unknown_precision_is_refused():
    with pytest.raises(LimbeckError, match="bf16"):
        Frozen(network(), precision="int8")
