"""The teacher labels what nobody has labelled."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from limbeck import Batch, Frozen, LimbeckError, Offline, Plan, Predictor, Regression, Term, fit, losses
from limbeck.losses import DistillationLoss
from limbeck.schemes import SemiSupervised
from limbeck.types import Context
from train.toys import feed, mlp, problem


def batch(rows=12, labelled=4, double=True):
    """Return a batch whose first samples are labelled; the labels of the others are wrong and must not be read."""
    x, y = problem(rows, seed=5)
    mask = torch.arange(rows) < labelled
    x = x.double() if double else x
    return Batch(x, torch.where(mask, y, (y + 1) % 3), torch.arange(rows), labelled=mask)


def teacher(width=12):
    """Return a teacher that is surer of some samples than of others."""
    net = mlp(1, width=width).double()
    with torch.no_grad():
        net[-1].weight.mul_(15)
    return net


def student(**options):
    return mlp(**options).double()


def hint(weight=0.5):
    torch.manual_seed(3)
    return Term(losses.LogitRegression(), "0", "0", weight, nn.Linear(8, 12).double(), name="hint")


def total(parts):
    return torch.stack(list(parts.values())).sum()


def by_hand(scheme, rows, threshold, everything=False):
    """Return the loss parts of the definition, sample by sample, in plain Python."""
    with torch.no_grad():
        s = scheme.student(rows.inputs).log_softmax(1).tolist()
        t = scheme.teacher.model(rows.inputs).softmax(1).tolist()
    hard, soft, taught, labels = 0.0, 0.0, 0, 0
    for number in range(len(rows)):
        if rows.labelled[number]:
            labels += 1
            hard -= s[number][int(rows.targets[number])]
        if everything or not rows.labelled[number]:
            taught += 1
            if threshold is None or max(t[number]) >= threshold:
                pairs = zip(t[number], s[number], strict=True)
                soft += sum(p * (math.log(p) - q) for p, q in pairs)
    return {"task": hard / labels, "KD": soft / taught}


@pytest.mark.parametrize("threshold", [None, 0.0, 0.5, 0.7])
@pytest.mark.parametrize("teach", ["unlabelled", "all"])
def test_parts_are_those_of_the_definition(threshold, teach):
    scheme = SemiSupervised(student(), Frozen(teacher()), threshold=threshold, teach=teach)
    parts = {name: part.item() for name, part in scheme(batch()).items()}
    assert parts == pytest.approx(by_hand(scheme, batch(), threshold, teach == "all"), rel=1e-9)


def test_the_threshold_lies_between_the_samples():
    """Else the test above would hold of all or nothing."""
    sure = teacher()(batch().inputs).softmax(1).amax(1)
    for threshold in (0.5, 0.7):
        assert 0 < (sure[4:] >= threshold).sum() < 8


def test_hard_labels_are_those_the_teacher_is_sure_of():
    """FixMatch's loss, with its own view for each network."""
    whole = batch()
    strong = whole.inputs + 0.3
    views = Batch(
        {"teacher": whole.inputs, "student": strong}, whole.targets, whole.index, labelled=whole.labelled
    )
    scheme = SemiSupervised(student(), Frozen(teacher()), [losses.HardDistillation()], threshold=0.7)
    found = scheme(views)["HardDistillation"]
    weak = scheme.teacher.model(whole.inputs)[4:].softmax(1)
    sure, pseudo = weak.max(1)
    rows = F.cross_entropy(scheme.student(strong)[4:], pseudo, reduction="none")
    assert 0 < (sure >= 0.7).sum() < 8
    assert found.item() == pytest.approx(((sure >= 0.7) * rows).mean().item(), rel=1e-9)


def test_all_unlabelled_and_all_labelled_are_the_two_ends():
    terms = [losses.KD(temperature=2), hint()]
    scheme = SemiSupervised(student(), Frozen(teacher()), terms)
    offline = Offline(student(), Frozen(teacher()), terms)
    none = Batch(batch().inputs, index=batch().index)
    assert total(scheme(none)).item() == pytest.approx(total(offline(none)).item(), rel=1e-9)
    full = Batch(batch().inputs, batch().targets)
    parts, expected = scheme(full), offline(full)["task"]
    assert parts["task"].item() == pytest.approx(expected.item(), rel=1e-9)
    assert parts["KD"].item() == parts["hint"].item() == 0


def test_terms_see_the_chosen_samples_alone():
    class Look(DistillationLoss):
        needs = frozenset({"index"})

        def forward(self, student, teacher, context=None):
            self.seen = student, teacher, context
            return student.sum() * 0

    look, maps = (
        Look(),
        nn.Sequential(nn.Unflatten(1, (1, 2, 2)), nn.Conv2d(1, 3, 1), nn.Flatten(), nn.Linear(12, 3)),
    )
    deep = Frozen(maps.double())
    term = Term(look, "0", "1", name="look")
    scheme = SemiSupervised(student(), deep, [term], threshold=0.5)
    scheme(batch())
    sure = maps(batch().inputs).softmax(1).amax(1) >= 0.5
    rows = [number for number in range(4, 12) if sure[number]]
    assert 0 < len(rows) < 8
    ours, theirs, context = look.seen
    assert torch.equal(ours, scheme.student[0](batch().inputs)[rows])
    torch.testing.assert_close(theirs, maps[:2](batch().inputs)[rows])
    assert context.index.tolist() == rows
    assert context.targets.tolist() == [-100] * len(rows)


def test_a_term_that_relates_samples_counts_in_proportion():
    scheme = SemiSupervised(student(), Frozen(teacher()), [losses.RKDDistance()], threshold=0.6)
    s, t = scheme.student(batch().inputs), scheme.teacher.model(batch().inputs)
    rows = [n for n in range(4, 12) if t[n].softmax(0).max() >= 0.6]
    expected = losses.RKDDistance()(s[rows], t[rows]) * len(rows) / 8
    assert scheme(batch())["RKDDistance"].item() == pytest.approx(expected.item(), rel=1e-9)


def test_too_few_samples_to_relate_are_not_related():
    scheme = SemiSupervised(student(), Frozen(teacher()), [losses.RKDAngle()], task_weight=None)
    assert scheme(batch(rows=6, labelled=4))["RKDAngle"].item() == 0
    assert scheme(batch(rows=7, labelled=4))["RKDAngle"].item() > 0


@pytest.mark.parametrize("rows", [batch(labelled=12), batch(labelled=4)])
def test_no_sample_to_teach_is_an_exact_zero_with_a_zero_gradient(rows):
    """Nobody passes: a threshold above all, or labels everywhere. Every parameter still has a gradient, for DDP."""
    scheme = SemiSupervised(student(), Frozen(teacher()), [losses.KD(), hint()], threshold=1 - 1e-12)
    parts = scheme(rows)
    assert parts["KD"].item() == parts["hint"].item() == 0
    (parts["KD"] + parts["hint"]).backward()
    for name, value in scheme.named_parameters():
        if "0." in name or "adapter" in name:
            assert torch.equal(value.grad, torch.zeros_like(value)), name
    scheme.zero_grad()
    total(scheme(rows)).backward()
    assert all(each.grad is not None for each in scheme.parameters())
    assert scheme.student[0].weight.grad.abs().sum() > 0


def test_zero_stays_zero_where_outputs_are_infinite():
    net = student()
    scheme = SemiSupervised(net, Frozen(teacher()), task_weight=None)
    with torch.no_grad():
        net[-1].bias.fill_(float("inf"))
    part = scheme(batch(labelled=12))["KD"]
    part.backward()
    assert part.item() == 0
    assert net[0].weight.grad.abs().sum() == 0


def test_no_labels_are_needed():
    scheme = SemiSupervised(student(), Frozen(teacher()))
    assert set(scheme(Batch(batch().inputs))) == {"KD"}
    assert set(scheme(batch(labelled=0))) == {"task", "KD"}
    assert scheme(batch(labelled=0))["task"].item() == 0


def test_the_teacher_is_asked_about_its_samples_alone():
    scheme = SemiSupervised(student(), Frozen(teacher()))
    scheme(batch(rows=12, labelled=4))
    assert scheme.teacher.forwards == 8
    scheme(batch(rows=12, labelled=12))
    assert scheme.teacher.forwards == 8


def test_kept_tells_the_share_that_passed():
    scheme = SemiSupervised(student(), Frozen(teacher()), threshold=0.6)
    assert scheme.kept is None
    scheme(batch())
    passed = int((teacher()(batch().inputs)[4:].softmax(1).amax(1) >= 0.6).sum())
    assert scheme.kept == passed / 8
    scheme(batch(rows=3, labelled=3))
    assert scheme.kept == passed / 8
    scheme.eval()
    scheme(batch())
    assert scheme.judged.tolist() == [8, passed]
    assert "judged" in scheme.state_dict()


def test_any_teacher_may_teach():
    scheme = SemiSupervised(mlp(), Predictor(lambda rows: 4 * rows[:, :3]), threshold=0.9)
    rows = batch(double=False)
    found = scheme(rows)["KD"].item()
    t = (4 * rows.inputs[4:, :3]).softmax(1)
    s = scheme.student(rows.inputs[4:]).softmax(1)
    sure = t.amax(1) >= 0.9
    assert 0 < sure.sum() < 8
    assert found == pytest.approx(((t * (t / s).log()).sum(1) * sure).mean().item(), rel=1e-5)


def test_mappings_of_inputs_are_split_by_sample():
    class Reads(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = teacher()

        def forward(self, fields):
            assert fields["mask"].shape == fields["values"].shape
            return self.net(fields["values"] * fields["mask"])

    rows = batch()
    fields = {"values": rows.inputs, "mask": torch.ones_like(rows.inputs)}
    scheme = SemiSupervised(Reads(), Frozen(Reads()))
    plain = SemiSupervised(teacher(), Frozen(teacher()))
    assert scheme(Batch(fields, rows.targets, rows.index, labelled=rows.labelled))[
        "KD"
    ].item() == pytest.approx(plain(rows)["KD"].item(), abs=1e-12)


def test_a_regression_is_labelled_by_values():
    taught = Predictor(lambda rows: rows[:, 0])
    scheme = SemiSupervised(mlp(outputs=1), taught, task=Regression())
    x = batch(double=False).inputs
    parts = scheme(Batch(x, x[:, 1], labelled=batch().labelled))
    value = scheme.student(x).flatten()
    assert parts["LogitRegression"].item() == pytest.approx(
        0.5 * (value - x[:, 0])[4:].square().mean().item(), rel=1e-5
    )
    assert parts["task"].item() == pytest.approx((value - x[:, 1])[:4].square().mean().item(), rel=1e-5)


def test_a_layer_whose_rows_are_no_samples_is_refused():
    net = nn.Sequential(nn.Linear(4, 8), nn.Flatten(0), nn.Unflatten(0, (-1, 8)), nn.Linear(8, 3)).double()
    term = Term(losses.LogitRegression(), "1", "1")
    scheme = SemiSupervised(net, Frozen(teacher()), [term])
    with pytest.raises(LimbeckError, match=r"'1' gives \(96,\) for 12 samples"):
        scheme(batch())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threshold": 1}, "leaves no data"),
        ({"threshold": 1.5}, "threshold must be"),
        ({"threshold": -0.1}, "threshold must be"),
        ({"threshold": 0.5, "task": Regression()}, "probability of a class"),
        ({"teach": "labelled"}, "not 'labelled'"),
        ({"terms": [losses.DKD()]}, "DKD reads the label of each sample"),
        ({"terms": []}, "SemiSupervised needs at least one term"),
        ({"task_weight": -1}, "task_weight"),
    ],
)
def test_what_cannot_be_meant_is_refused(options, message):
    with pytest.raises(LimbeckError, match=message):
        SemiSupervised(mlp(), Frozen(mlp(1)), **options)


def test_a_term_that_reads_labels_teaches_the_labelled_ones():
    scheme = SemiSupervised(student(), Frozen(teacher()), [losses.DKD()], teach="all")
    rows = batch()
    s, t = scheme.student(rows.inputs[:4]), scheme.teacher.model(rows.inputs[:4])
    assert scheme(rows)["DKD"].item() > 0
    expected = losses.DKD()(s, t, Context(rows.targets[:4]))
    assert scheme(rows)["DKD"].item() == pytest.approx(expected.item(), rel=1e-9)


def test_identity_tells_thresholds_apart():
    known = [
        SemiSupervised(mlp(), Frozen(mlp(1)), threshold=threshold, teach=teach).identity()
        for threshold in (None, 0.5, 0.9)
        for teach in ("unlabelled", "all")
    ]
    assert len({str(each) for each in known}) == 6


def test_it_learns_from_what_the_teacher_says():
    """With three labels and a good teacher, more is learnt than from the labels alone."""
    x, y = problem(200)
    good = Predictor(lambda rows: 8 * rows[:, :3])
    plan = Plan(epochs=20, batch_size=20, lr=0.05, device="cpu")

    class Few(SemiSupervised):
        def forward(self, batch, phase="main", group=0):
            return super().forward(
                Batch(batch.inputs, batch.targets, batch.index, None, batch.index < 3), phase, group
            )

    def accuracy(weight):
        scheme = Few(mlp(), good, [Term(losses.KD(temperature=1), weight=weight)], threshold=0.6)
        model = fit(scheme, feed(train=100), plan).model
        return (model(x[100:]).argmax(1) == y[100:]).float().mean().item()

    assert accuracy(1.0) > accuracy(0.0) + 0.1
