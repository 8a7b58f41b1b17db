"""Heads at depth learn from labels, from the deepest classifier and from the deepest features."""

from math import log

import pytest
import torch
from torch import nn

from limbeck import Batch, LimbeckError, Plan, Regression, Term, fit, losses
from limbeck.data import TensorSource, Views
from limbeck.data.loader import Part
from limbeck.schemes import BeYourOwnTeacher
from limbeck.train import Feed
from schemes import trials
from train.toys import Crash, crash_at, mlp, same_state, single_thread, timeless

PLAN = Plan(epochs=2, batch_size=8, lr=0.02, checkpoint_every=1, device="cpu")
IMAGE = torch.zeros(1, 1, 12, 12)


def cnn(seed=0, outputs=3, dropout=0.0):
    """Return a network of three stages."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(
            *(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU()),
            *(nn.Conv2d(4, 6, 3, 2, padding=1), nn.BatchNorm2d(6), nn.ReLU()),
            *(nn.Conv2d(6, 8, 3, 2, padding=1), nn.BatchNorm2d(8), nn.ReLU()),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Dropout(dropout),
            nn.Linear(8, outputs),
        )


def batch(rows=6, **given):
    generator = torch.Generator().manual_seed(2)
    return Batch(torch.rand(rows, 1, 12, 12, generator=generator), torch.arange(rows) % 3, **given)


def scheme(**given):
    torch.manual_seed(4)
    return BeYourOwnTeacher(cnn(), ["2", "5"], IMAGE, **given)


def images():
    source = TensorSource(batch(24).inputs, torch.arange(24) % 3)
    return Feed(Part(Views(source), torch.arange(16)), Part(Views(source), torch.arange(16, 24)))


class Tokens(nn.Module):
    """A transformer without attention: patches, a class token, blocks, and a classifier of the class token."""

    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(1, 8, 4, 4)
        self.token = nn.Parameter(torch.zeros(1, 1, 8))
        self.blocks = nn.Sequential(
            *(nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 8)) for _ in range(3))
        )
        self.norm = nn.LayerNorm(8)
        self.head = nn.Linear(8, 3)

    def forward(self, image):
        tokens = self.patches(image).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.token.expand(len(image), 1, 8), tokens], 1)
        return self.head(self.norm(self.blocks(tokens))[:, 0] + tokens.mean(1))


def test_is_the_formula():
    taught = scheme().double().eval()
    rows = Batch(batch().inputs.double(), batch().targets)
    student, labels = taught.student, rows.targets.tolist()
    logits, features = student(rows.inputs).tolist(), student[:11](rows.inputs).tolist()
    expected = {"task": trials.hard(logits, labels)}
    for layer, head in zip(("2", "5"), taught.heads, strict=True):
        shallow = student[: int(layer) + 1](rows.inputs)
        mine, said = (each.tolist() for each in head(shallow))
        kl = 0.0
        for taught_row, row in zip(logits, said, strict=True):
            p, q = (trials.softmax([each / 3 for each in one]) for one in (taught_row, row))
            kl += sum(a * log(a / b) for a, b in zip(p, q, strict=True)) / len(said)
        gap = sum(
            (a - b) ** 2 for f, g in zip(mine, features, strict=True) for a, b in zip(f, g, strict=True)
        )
        expected[f"{layer} task"] = 0.7 * trials.hard(said, labels)
        expected[f"{layer} KD"] = 0.3 * 9 * kl
        expected[f"{layer} embedding"] = 0.03 * gap / len(mine)
    found = {name: part.item() for name, part in taught(rows).items()}
    assert found == pytest.approx(expected, rel=1e-9)


def test_the_deepest_is_taught_by_labels_alone():
    """What the heads learn from it is a constant, and reaches no layer behind theirs."""
    taught = scheme()
    parts = taught(batch())
    sum(part for name, part in parts.items() if name.startswith("2 ")).backward()
    with_gradient = {name for name, each in taught.student.named_parameters() if each.grad is not None}
    assert with_gradient == {"0.weight", "0.bias", "1.weight", "1.bias"}
    assert all(each.grad is not None for each in taught.heads[0].parameters())
    assert all(each.grad is None for each in taught.heads[1].parameters())


def test_a_loss_that_leaves_the_gradient_to_its_teacher_open_gets_none_either():
    class Undetached(losses.DistillationLoss):
        def forward(self, student, teacher, context=None):
            return (student - teacher).square().mean()

    taught = scheme(terms=[Undetached()])
    taught(batch())["2 Undetached"].backward()
    assert taught.student[12].weight.grad is None
    assert taught.student[0].weight.grad is not None


def test_student_runs_once_and_everything_learns():
    taught = scheme()
    with trials.counted({"student": taught.student}) as calls:
        taught(batch())
    assert calls == dict(taught.forwards) == {"student": 1}
    optimizer = torch.optim.SGD(taught.parameter_groups(), 0.5)
    before = {name: each.detach().clone() for name, each in taught.named_parameters()}
    sum(taught(batch()).values()).backward()
    optimizer.step()
    # A bias before BatchNorm has a gradient of zero but for rounding.
    still = [name for name, each in taught.named_parameters() if torch.equal(each, before[name])]
    assert not [name for name in still if not name.endswith(("0.bias", "3.bias", "6.bias"))]
    assert set(before) <= set(taught.state_dict())


def test_deployable_is_the_bare_student_and_the_checkpoint_has_the_heads():
    taught = scheme()
    assert taught.deployable() is taught.student
    run = fit(taught, images(), PLAN)
    assert run.last_state.keys() == cnn().state_dict().keys()
    assert any(name.startswith("heads.") for name in taught.state_dict())
    assert {"loss_task", "loss_2 KD", "loss_5 embedding"} <= run.history[-1].keys()
    cnn().load_state_dict(run.last_state)


def test_building_it_leaves_the_student_as_it_was():
    student = cnn(dropout=0.5).train()
    before = trials.state(student)
    BeYourOwnTeacher(student, ["2"], IMAGE)
    assert same_state(before, trials.state(student))
    assert all(module.training for module in student.modules())


def test_layers_are_found_where_none_are_named():
    found = BeYourOwnTeacher(cnn(), None, IMAGE)
    assert len(found.layers) == 2
    assert {name[0] for name in found.layers} <= set("012345")
    assert len(found(batch())) == 1 + 3 * 2


def test_tokens_are_averaged():
    torch.manual_seed(1)
    net = Tokens()
    taught = BeYourOwnTeacher(net, ["blocks.0", "blocks.1"], IMAGE)
    parts = taught(batch())
    assert set(parts) == {
        "task",
        *(f"blocks.{n} {part}" for n in (0, 1) for part in ("task", "KD", "embedding")),
    }
    sum(parts.values()).backward()
    assert all(each.grad is not None for each in taught.heads.parameters())
    features, logits = taught.heads[0](torch.rand(2, 10, 8))
    assert (features.shape, logits.shape) == ((2, 8), (2, 3))


def test_vectors_have_heads_too():
    net = nn.Sequential(mlp(outputs=6), nn.ReLU(), nn.Linear(6, 3))
    taught = BeYourOwnTeacher(net, ["0.1"], torch.zeros(1, 4))
    parts = taught(trials.batch())
    assert set(parts) == {"task", "0.1 task", "0.1 KD", "0.1 embedding"}


def test_channels_last_maps_have_heads_too():
    class Last(nn.Module):
        def forward(self, maps):
            return maps.permute(0, 2, 3, 1)

    class First(nn.Module):
        def forward(self, maps):
            return maps.permute(0, 3, 1, 2)

    net = nn.Sequential(cnn()[:3], Last(), First(), cnn()[3:])
    taught = BeYourOwnTeacher(net, ["1"], torch.zeros(1, 1, 12, 10))
    assert "1 KD" in taught(Batch(torch.rand(4, 1, 12, 10), torch.arange(4) % 3))


def test_heads_of_ones_own():
    def head():
        return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 8), Both())

    class Both(nn.Module):
        def __init__(self):
            super().__init__()
            self.classifier = nn.Linear(8, 3)

        def forward(self, features):
            return features, self.classifier(features)

    own = head()
    taught = BeYourOwnTeacher(cnn(), ["2"], IMAGE, heads=[own])
    assert taught.heads[0] is own
    assert own.training
    assert set(taught(batch())) == {"task", "2 task", "2 KD", "2 embedding"}


def test_any_term_and_an_adapter_for_each_head():
    hint = Term(losses.LogitRegression(), "2", "8", 0.1, nn.Conv2d(4, 8, 4, 4), name="hint")
    taught = scheme(terms=[losses.DIST(), hint])
    parts = taught(batch())
    assert {"2 DIST", "5 DIST", "2 hint", "5 hint"} <= parts.keys()
    adapters = [term.adapter for term in taught.terms if term.name == "hint"]
    assert adapters[0] is not adapters[1]
    sum(parts.values()).backward()
    assert all(each.weight.grad.abs().sum() > 0 for each in adapters)
    assert taught.smallest_batch == 2


def test_weights_and_schedules_count():
    whole = scheme(task_weight=1.0, head_weight=1.0)
    taught = trials.at(scheme(task_weight=0.5, head_weight=lambda progress: progress.fraction), 4)
    parts, known = taught(batch()), whole(batch())
    assert parts["task"].item() == pytest.approx(0.5 * known["task"].item())
    assert parts["5 task"].item() == pytest.approx(0.25 * known["5 task"].item())
    assert parts["5 KD"].item() == pytest.approx(known["5 KD"].item())


def test_labels_may_be_few_or_none():
    taught = scheme().eval()
    part, first = (
        taught(batch(labelled=torch.arange(6) < 2)),
        taught(Batch(batch().inputs[:2], batch().targets[:2])),
    )
    for name in ("task", "2 task"):
        assert part[name].item() == pytest.approx(first[name].item(), rel=1e-5)
    parts = taught(Batch(batch().inputs))
    assert parts["task"].item() == parts["2 task"].item() == 0
    assert parts["2 KD"].item() > 0


def test_values_in_regression():
    torch.manual_seed(0)
    taught = BeYourOwnTeacher(cnn(outputs=1), ["2"], IMAGE, task=Regression(mean=3.0, std=2.0)).eval()
    rows = Batch(batch().inputs, torch.rand(6))
    value = (taught.student(rows.inputs).flatten() - 3) / 2
    said = taught.heads[0](taught.student[:3](rows.inputs))[1].flatten()
    parts = taught(rows)
    assert parts["2 LogitRegression"].item() == pytest.approx(
        0.3 * 0.5 * (said - value).square().mean().item(), rel=1e-4
    )
    assert parts["2 task"].item() == pytest.approx(
        0.7 * (said - (rows.targets - 3) / 2).square().mean().item(), rel=1e-4
    )


def test_resumes(tmp_path):
    with single_thread():
        whole = scheme()
        expected = fit(whole, images(), PLAN)
        with pytest.raises(Crash):
            fit(scheme(), images(), PLAN, folder=tmp_path, watchers=[crash_at(3)])
        rest = scheme()
        run = fit(rest, images(), PLAN, folder=tmp_path, resume=True)
    assert same_state(trials.state(whole), trials.state(rest))
    assert timeless(expected.history) == timeless(run.history)


def test_two_in_one_process_do_not_meet():
    with single_thread():
        alone = fit(scheme(), images(), PLAN).last_state
        one, other = scheme(), scheme(head_weight=0.2)
        fit(other, images(), PLAN)
        assert same_state(fit(one, images(), PLAN).last_state, alone)


def test_identity_tells_what_a_resumed_run_must_not_change():
    known = [
        scheme(),
        scheme(head_weight=0.5),
        scheme(task_weight=0.5),
        scheme(terms=[losses.KD()]),
        BeYourOwnTeacher(cnn(), ["2"], IMAGE),
        BeYourOwnTeacher(cnn(), ["5"], IMAGE),
        BeYourOwnTeacher(cnn(), ["2"], IMAGE, features="8"),
    ]
    assert len({str(each.identity()) for each in known}) == len(known)


@pytest.mark.parametrize(
    ("layers", "given", "message"),
    [
        ([], {}, "list of their names"),
        ("2", {}, "list of their names"),
        (["2", "2"], {}, "each once"),
        (["layer1"], {}, "no layer 'layer1'"),
        (["2"], {"features": "nowhere"}, "no layer 'nowhere'"),
        (["2"], {"example": torch.zeros(1, 3, 12, 12)}, "does not run"),
        (["2"], {"heads": []}, "1 layers, not 0 heads"),
        (["2"], {"heads": [nn.Flatten()]}, r"head on '2' gives .*features and the outputs"),
        (["2"], {"terms": []}, "at least one term"),
        (["2"], {"terms": [losses.KD(), losses.KD()]}, "KD"),
        (["2"], {"head_weight": -1}, "head_weight"),
        (["2"], {"task_weight": "much"}, "task_weight"),
    ],
)
def test_what_does_not_fit_is_refused_when_it_is_built(layers, given, message):
    options = {"example": IMAGE, **given}
    with pytest.raises(LimbeckError, match=message):
        BeYourOwnTeacher(cnn(), layers, **options)


def test_a_layer_of_no_known_layout_is_refused():
    class Five(nn.Module):
        def forward(self, maps):
            return maps[None]

    class Four(nn.Module):
        def forward(self, maps):
            return maps[0]

    net = nn.Sequential(cnn()[:3], Five(), Four(), cnn()[3:])
    with pytest.raises(LimbeckError, match=r"'1'.*\(1, 1, 4, 12, 12\)"):
        BeYourOwnTeacher(net, ["1"], IMAGE)
