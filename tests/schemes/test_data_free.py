"""A generator makes the transfer set: nothing but the teacher is needed."""

import copy
import math

import pytest
import torch
from torch import nn

from limbeck import Batch, Frozen, LimbeckError, Plan, Predictor, Regression, Term, fit, losses
from limbeck.data import Views
from limbeck.data.loader import Part
from limbeck.data.noise import Noise
from limbeck.models import Generator
from limbeck.models.small import cnn
from limbeck.schemes import DataFree
from limbeck.schemes.schedule import Linear
from limbeck.train import Feed
from schemes.trials import counted
from train.toys import Crash, crash_at, feed, mlp, problem, same_state, timeless

PLAN = Plan(epochs=2, batch_size=10, lr=0.05, device="cpu")
PHASES = ("generator", "student")


def generator(seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 4))


def teacher(**given):
    """Return a teacher with a memory of its data, and dropout."""
    model = mlp(1, width=12, norm=True, dropout=0.5, **given)
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(2)
        model[1].running_mean.normal_()
        model[1].running_var.uniform_(0.5, 2.0)
    return model


def scheme(student=None, knows=None, made=None, **options):
    return DataFree(student or mlp(norm=True), knows or Frozen(teacher()), made or generator(), **options)


def taught(**options):
    """Return a scheme with a term on features through an adapter, and all of the generator's aims."""
    with torch.random.fork_rng():
        torch.manual_seed(7)
        hint = Term(losses.LogitRegression(), "0", "0", 0.1, nn.Linear(8, 12), name="hint")
    return scheme(terms=[losses.KD(temperature=2), hint], statistics_weight=0.5, **options)


def noise(rows=12):
    return Batch(torch.randn(rows, 6, generator=torch.Generator().manual_seed(3)), index=torch.arange(rows))


def noises(count=40):
    """Return noise to learn from, and data that only validation reads."""
    return Feed(Part(Views(Noise(6, count)), torch.arange(count)), feed().validation)


def softmax(row):
    powers = [math.exp(each) for each in row]
    return [each / sum(powers) for each in powers]


def by_hand(made, weights):
    """Return the generator's loss by the definition, number by number, in plain Python and float64."""
    net = teacher().double().eval()
    x = copy.deepcopy(made).double()(noise().inputs.double())
    read = net[0](x)
    features, logits = net[:-1](x).tolist(), net(x).tolist()
    rows, p = len(logits), [softmax(row) for row in logits]
    onehot = -sum(math.log(max(row)) for row in p) / rows
    activation = -sum(abs(each) for row in features for each in row) / (rows * len(features[0]))
    mean = [sum(row[c] for row in p) / rows for c in range(3)]
    entropy = sum(each * math.log10(each) for each in mean)
    off = 0.0
    for channel, column in enumerate(read.T.tolist()):
        middle = sum(column) / rows
        spread = sum((each - middle) ** 2 for each in column) / rows
        off += (middle - net[1].running_mean[channel].item()) ** 2
        off += (spread - net[1].running_var[channel].item()) ** 2
    parts = {"one-hot": onehot, "activation": activation, "entropy": entropy, "statistics": off / 12}
    return {name: weights[name] * part for name, part in parts.items()}


def test_parts_of_the_generator_are_those_of_the_definition():
    weights = {"one-hot": 0.7, "activation": 0.2, "entropy": 3.0, "statistics": 0.4}
    made = generator()
    subject = scheme(
        made=made, onehot_weight=0.7, activation_weight=0.2, entropy_weight=3.0, statistics_weight=0.4
    )
    expected = by_hand(made, weights)
    found = {name: part.item() for name, part in subject(noise(), "generator").items()}
    assert found == pytest.approx(expected, rel=1e-4)


def test_the_student_learns_by_any_terms_from_the_generators_samples():
    subject = taught()
    made, student, net = (
        copy.deepcopy(each) for each in (subject.generator, subject.student, teacher().eval())
    )
    x = made(noise().inputs).detach()
    features, logits = student[0](x), student(x)
    adapter = subject.terms[1].adapter
    expected = {
        "KD": losses.KD(temperature=2)(logits, net(x)).item(),
        "hint": 0.1 * losses.LogitRegression()(adapter(features), net[0](x)).item(),
    }
    parts = subject(noise(), "student")
    assert {name: part.item() for name, part in parts.items()} == pytest.approx(expected, rel=1e-5)


def test_usual_parts_are_those_of_the_paper():
    assert list(scheme()(noise(), "generator")) == ["one-hot", "activation", "entropy"]
    assert [repr(term.loss) for term in scheme().terms] == ["KD(temperature=1)"]


def test_schedules_read_the_progress():
    subject = scheme(onehot_weight=Linear(1, 0))
    subject.progress.step, subject.progress.total_steps = 1, 4
    expected = 0.75 * scheme()(noise(), "generator")["one-hot"].item()
    assert subject(noise(), "generator")["one-hot"].item() == pytest.approx(expected)


@pytest.mark.parametrize("phase", PHASES)
def test_each_phase_gives_a_gradient_to_its_own_network_alone(phase):
    subject = taught()
    sum(subject(noise(), phase).values()).backward()
    learning = {"generator": [subject.generator], "student": [subject.student, subject.terms]}
    for name, networks in learning.items():
        gradients = [each.grad for network in networks for each in network.parameters()]
        assert all((each is not None) == (name == phase) for each in gradients)
    assert all(each.grad is None for each in subject.teacher.model.parameters())


def test_classes_that_nobody_is_given_have_a_gradient_and_no_nan():
    net = nn.Sequential(nn.Linear(4, 3))
    with torch.no_grad():
        net[0].weight.mul_(100)
        net[0].bias.copy_(torch.tensor([0.0, 0.0, -2000.0]))
    subject = scheme(knows=Frozen(net))
    parts = subject(noise(), "generator")
    sum(parts.values()).backward()
    assert all(torch.isfinite(part) for part in parts.values())
    assert all(torch.isfinite(each.grad).all() for each in subject.generator.parameters())


def test_the_teacher_stays_as_it_is():
    """T7."""
    model = teacher().train()
    before = copy.deepcopy(model.state_dict())
    subject = taught(knows=Frozen(model))
    fit(subject, noises(), PLAN)
    assert same_state(before, dict(model.state_dict()))
    assert not any(module.training for module in model.modules())
    assert all(each.grad is None and not each.requires_grad for each in model.parameters())
    subject.train()
    answers = [subject.teacher.with_gradient(Batch(torch.ones(3, 4)))["logits"] for _ in range(2)]
    assert torch.equal(*answers)  # dropout is off
    mine = {
        id(each) for phase in PHASES for group in subject.parameter_groups(phase) for each in group["params"]
    }
    assert not mine & {id(each) for each in model.parameters()}
    assert not any(key.startswith("teacher") for key in subject.state_dict())


def test_all_that_learns_is_trained_and_saved():
    """T9."""
    subject = taught()
    learnable = dict(subject.named_parameters())
    groups = {phase: subject.parameter_groups(phase) for phase in (*PHASES, "main")}
    ids = {phase: [id(each) for group in some for each in group["params"]] for phase, some in groups.items()}
    assert set(ids["generator"]) == {id(each) for each in subject.generator.parameters()}
    assert (
        sorted(ids["generator"] + ids["student"])
        == sorted(ids["main"])
        == sorted(map(id, learnable.values()))
    )
    assert learnable.keys() <= subject.state_dict().keys()
    before = copy.deepcopy(subject.state_dict())
    fit(subject, noises(), PLAN)
    assert [key for key in learnable if torch.equal(before[key], subject.state_dict()[key])] == []


def test_two_in_one_process_do_not_meet():
    """T10."""
    alone, first, second = taught(), taught(), taught()
    fit(alone, noises(), PLAN)
    second(noise(), "generator")
    fit(first, noises(), PLAN)
    fit(second, noises(80), PLAN)
    assert same_state(dict(alone.state_dict()), dict(first.state_dict()))


def test_forwards_are_those_declared():
    """T13."""
    subject = taught()
    networks = {"student": subject.student, "teacher": subject.teacher.model, "generator": subject.generator}
    with counted(networks) as calls:
        for phase in subject.phases:
            subject(noise(), phase)
    assert calls == dict(subject.forwards) == {"student": 1, "teacher": 2, "generator": 2}
    asked = subject.teacher.forwards
    run = fit(subject, noises(), PLAN)
    assert run.teacher_forwards == subject.teacher.forwards - asked == 2 * 2 * 40


@pytest.mark.parametrize("step", [1, 5])
def test_interrupted_and_resumed_is_never_interrupted(step, tmp_path):
    plan = PLAN.model_copy(update={"checkpoint_every": 1, "clip": 0.5, "accumulate": 2})

    def made():
        return taught(student=mlp(norm=True, dropout=0.3))

    whole, rest = made(), made()
    first = fit(whole, noises(60), plan)
    with pytest.raises(Crash):
        fit(made(), noises(60), plan, folder=tmp_path, watchers=[crash_at(step)])
    again = fit(rest, noises(60), plan, folder=tmp_path, resume=True)
    assert same_state(dict(whole.state_dict()), dict(rest.state_dict()))
    assert same_state(first.last_state, again.last_state)
    assert timeless(first.history) == timeless(again.history)


@pytest.mark.parametrize(
    "changed",
    [
        {"onehot_weight": 0.5},
        {"statistics_weight": 1.0},
        {"features": "1"},
        {"generator_lr": 2.0},
        {"knows": Frozen(mlp(5, width=12, norm=True))},
    ],
)
def test_identity_tells_apart_what_resume_must_not_change(changed):
    assert scheme(**changed).identity() != scheme().identity()
    assert scheme(student=mlp(5, norm=True)).identity() == scheme().identity()


def test_what_is_shipped_is_the_bare_student_and_the_generator_is_kept(tmp_path):
    subject = taught()
    run = fit(subject, noises(), PLAN, folder=tmp_path)
    assert run.model is subject.student is subject.deployable()
    assert set(run.best_state) == set(mlp(norm=True).state_dict())
    saved = torch.load(tmp_path / "last.pt", weights_only=True)["scheme"]
    assert {f"generator.{name}" for name in generator().state_dict()} <= set(saved)


def test_the_generators_rate_is_its_own_and_nothing_decays_it():
    subject = scheme(generator_lr=0.0001)
    before = copy.deepcopy(subject.state_dict())
    fit(subject, noises(), PLAN.model_copy(update={"weight_decay": 0.9}))
    moved = {name: (value - before[name]).abs().max() for name, value in subject.named_parameters()}
    assert max(value for name, value in moved.items() if name.startswith("generator")) < 1e-4
    assert max(value for name, value in moved.items() if name.startswith("student")) > 1e-2


def test_samples_can_be_looked_at_and_leave_no_trace():
    subject = scheme()
    before = copy.deepcopy(subject.state_dict())
    made = subject.samples(noise().inputs)
    assert made.shape == (12, 4)
    assert not made.requires_grad
    assert same_state(before, dict(subject.state_dict()))
    assert subject.generator.training
    torch.testing.assert_close(made[:3], subject.samples(noise().inputs[:3]))  # each by itself


def test_in_a_loop_of_ones_own_the_student_comes_to_agree_with_its_teacher():
    x, y = problem(300)
    knows = mlp(1, width=16)
    optimizer = torch.optim.AdamW(knows.parameters(), lr=0.03)
    for _ in range(150):
        nn.functional.cross_entropy(knows(x), y).backward()
        optimizer.step()
        optimizer.zero_grad()
    subject = DataFree(mlp(3), Frozen(knows), generator(), entropy_weight=5.0)
    optimizers = {
        phase: torch.optim.Adam(subject.parameter_groups(phase), lr=0.02) for phase in subject.phases
    }
    for step in range(200):
        batch = Batch(torch.randn(32, 6, generator=torch.Generator().manual_seed(step)))
        for phase, optimizer in optimizers.items():
            optimizer.zero_grad()
            sum(subject(batch, phase).values()).backward()
            optimizer.step()
    made = subject.samples(torch.randn(300, 6, generator=torch.Generator().manual_seed(999)))
    guesses = knows(made).softmax(1)
    assert guesses.amax(1).mean() > 0.9  # the teacher is sure of them
    assert guesses.mean(0).min() > 0.2  # of all classes
    agreement = (subject.student(made).argmax(1) == guesses.argmax(1)).float().mean()
    assert agreement > 0.85  # by chance a third; 0.93 on one processor, above 0.95 on another


def test_convolutions_learn_in_bf16_from_images():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        student, knows = cnn((2,), 3, (1, 7, 5)), cnn((4,), 3, (1, 7, 5))
        made = Generator(6, (1, 7, 5), width=4)
    subject = DataFree(student, Frozen(knows), made, statistics_weight=1.0)
    part = Part(Views(Noise(6, 24)), torch.arange(24))
    run = fit(subject, Feed(part), PLAN.model_copy(update={"precision": "bf16"}))
    wanted = {"loss_one-hot", "loss_activation", "loss_entropy", "loss_statistics", "loss_KD"}
    assert wanted <= set(run.history[-1])


def test_features_are_what_the_last_linear_layer_reads_unless_told():
    assert scheme().features == "4@in"
    assert scheme(features="0").features == "0"
    assert scheme(activation_weight=0).features is None
    at_entry = scheme(features="0")(noise(), "generator")["activation"].item()
    assert at_entry != pytest.approx(scheme()(noise(), "generator")["activation"].item())


def test_smallest_batch_is_that_of_the_terms():
    assert scheme().smallest_batch == 1
    assert scheme(terms=[losses.RKDAngle()]).smallest_batch == 3


STUDENT = mlp(norm=True)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"knows": Predictor(lambda rows: rows)},
            "which Predictor cannot pass on: give it a network, limbeck.Frozen",
        ),
        ({"knows": teacher()}, "Give DataFree a teacher, not a bare module"),
        ({"student": STUDENT, "knows": Frozen(STUDENT)}, "share weights"),
        ({"task": Regression()}, "classification only"),
        ({"knows": Frozen(mlp(1)), "statistics_weight": 1}, "BatchNorm layers, of which Sequential has none"),
        (
            {"knows": Frozen(nn.Sequential(nn.Conv2d(1, 3, 3)))},
            "no linear layer in Sequential.*name the layer",
        ),
        ({"onehot_weight": -1}, "weight of one-hot"),
        ({"onehot_weight": 0, "activation_weight": 0, "entropy_weight": 0}, "nothing to learn from"),
        ({"generator_lr": 0}, "generator_lr must be"),
        ({"terms": losses.KD()}, "DataFree takes a list"),
        ({"terms": []}, "at least one term"),
        ({"terms": [losses.NKD()]}, "NKD reads labels, which generated samples have not"),
        ({"terms": [Term(losses.KD(), name="entropy")]}, "'entropy'"),
    ],
)
def test_what_cannot_be_meant_is_refused(given, message):
    with pytest.raises(LimbeckError, match=message):
        scheme(**given)


def test_a_phase_that_is_none_is_refused():
    with pytest.raises(LimbeckError, match="phases 'generator' and 'student', not 'main'"):
        scheme()(noise())
