"""Networks that learn from their combined logits."""

import math

import pytest
import torch
from torch import nn

from limbeck import Batch, LimbeckError, Plan, Regression, Term, fit, losses
from limbeck.functional import convex_weights
from limbeck.schemes import Collaborative
from limbeck.train import Feed
from train.toys import Crash, crash_at, feed, mlp, problem, same_state, timeless

PLAN = Plan(epochs=2, batch_size=10, lr=0.05, device="cpu")
WAYS = ("naive", "linear", "minimum")


def batch(rows=8, **given):
    x, y = problem(rows, seed=5)
    return Batch(x, y, torch.arange(rows), **given)


def three(combine="linear", **options):
    return Collaborative([mlp(0), mlp(1, width=12), mlp(2)], combine, **options)


def softmax(row):
    total = sum(math.exp(z) for z in row)
    return [math.exp(z) / total for z in row]


def combined(combine, logits, label, weights):
    """Return one sample's combined logits, by the definition, in plain Python."""
    if combine == "naive":
        return max(logits, key=lambda row: softmax(row)[label])
    if combine == "minimum":
        return [min(row[c] - row[label] for row in logits) for c in range(len(logits[0]))]
    return [sum(w * row[c] for w, row in zip(weights, logits, strict=True)) for c in range(len(logits[0]))]


def divergence(p, q):
    return sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))


@pytest.mark.parametrize("combine", WAYS)
def test_parts_are_those_of_the_definition(combine):
    scheme = three(combine).double()
    rows = Batch(batch().inputs.double(), batch().targets)
    outputs = torch.stack([peer(rows.inputs).detach() for peer in scheme.peers])
    weights = convex_weights(outputs, rows.targets).tolist()
    expected = {}
    for number, role in enumerate(scheme.roles):
        hard = soft = 0.0
        for sample, label in enumerate(rows.targets.tolist()):
            logits = outputs[:, sample].tolist()
            z = combined(combine, logits, label, weights)
            hard -= math.log(softmax(logits[number])[label]) / 8
            soft += 4 * divergence(softmax([v / 2 for v in z]), softmax([v / 2 for v in logits[number]])) / 8
        expected |= {f"{role} task": hard, f"{role} KD": soft}
    found = {name: part.item() for name, part in scheme(rows).items()}
    assert found == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("combine", WAYS)
def test_no_peer_receives_a_gradient_from_what_another_learns(combine):
    class Undetached(losses.DistillationLoss):
        def forward(self, student, teacher, context=None):
            return (student - teacher).square().mean()

    for number, role in enumerate(("student", "peer 1", "peer 2")):
        scheme = three(combine, terms=[Undetached()])
        parts = scheme(batch())
        sum(part for name, part in parts.items() if name.startswith(role)).backward()
        for other, peer in enumerate(scheme.peers):
            assert all((each.grad is not None) == (other == number) for each in peer.parameters())


def test_combined_logits_are_a_constant_to_their_own_network_too():
    """The chosen network's own logits teach it nothing: KL is 0 there, and so is its gradient."""
    scheme = Collaborative([mlp(0), mlp(1)], "naive")
    with torch.no_grad():
        scheme.peers[0][-1].bias.copy_(torch.tensor([50.0, 0.0, 0.0]))
    parts = scheme(Batch(batch().inputs, torch.zeros(8, dtype=torch.int64)))
    assert parts["student KD"].item() == pytest.approx(0, abs=1e-6)
    assert parts["peer 1 KD"].item() > 1


@pytest.mark.parametrize("combine", WAYS)
def test_unlabelled_samples_are_taught_by_all(combine):
    labelled = torch.arange(8) < 5
    scheme = three(combine)
    logits = torch.stack([peer(batch().inputs).detach() for peer in scheme.peers])
    weights = torch.full((3,), 1 / 3)
    if combine == "linear":
        weights = convex_weights(logits[:, :5], batch().targets[:5])
    target = torch.einsum("m,mnc->nc", weights, logits)
    first = scheme(Batch(batch().inputs[:5], batch().targets[:5]))
    parts = scheme(batch(labelled=labelled))
    soft = losses.KD(temperature=2)(logits[1][5:], target[5:])
    assert parts["peer 1 task"].item() == pytest.approx(first["peer 1 task"].item(), rel=1e-5)
    expected = (5 * first["peer 1 KD"] + 3 * soft) / 8
    assert parts["peer 1 KD"].item() == pytest.approx(expected.item(), rel=1e-4)


@pytest.mark.parametrize("combine", WAYS)
def test_batch_without_any_label_is_taught_the_mean(combine):
    scheme = three(combine)
    logits = torch.stack([peer(batch().inputs).detach() for peer in scheme.peers])
    expected = losses.KD(temperature=2)(logits[0], logits.mean(0)).item()
    for rows in (Batch(batch().inputs), batch(labelled=torch.zeros(8, dtype=torch.bool))):
        parts = scheme(rows)
        assert parts["student KD"].item() == pytest.approx(expected, rel=1e-4)
        assert parts.get("student task", torch.zeros(())).item() == 0


def test_any_loss_on_logits_may_teach():
    terms = [losses.DIST(), Term(losses.DKD(), weight=0.5)]
    scheme = three("minimum", terms=terms, task_weight=0.5)
    assert len(scheme.terms) == 6
    assert len({id(term) for term in scheme.terms}) == 6
    parts = scheme(batch())
    assert set(parts) == {f"{role} {name}" for role in scheme.roles for name in ("task", "DIST", "DKD")}


def test_learnable_losses_are_each_networks_own():
    scheme = three(terms=[losses.CTKD()])
    groups = [{id(each) for each in group["params"]} for group in scheme.parameter_groups()]
    assert set.union(*groups) == {id(each) for each in scheme.parameters()}
    assert sum(len(group) for group in groups) == len(list(scheme.parameters()))
    before = {name: value.clone() for name, value in scheme.named_parameters()}
    fit(scheme, feed(), PLAN)
    assert all(not torch.equal(value, before[name]) for name, value in scheme.named_parameters())


@pytest.mark.parametrize("combine", WAYS)
def test_every_network_runs_once_for_a_batch(combine):
    scheme, calls = three(combine), []
    for role, peer in zip(scheme.roles, scheme.peers, strict=True):
        peer.register_forward_hook(lambda *_, role=role: calls.append(role))
    scheme(batch())
    assert sorted(calls) == sorted(scheme.forwards) == ["peer 1", "peer 2", "student"]
    assert set(scheme.forwards.values()) == {1}


def test_every_network_may_see_a_view_of_its_own():
    x = batch().inputs
    scheme = Collaborative([mlp(0), mlp(1)], "minimum")
    parts = scheme(Batch({"student": x, "peer 1": x.flip(1)}, batch().targets))
    expected = nn.functional.cross_entropy(scheme.peers[1](x.flip(1)), batch().targets)
    assert parts["peer 1 task"].item() == pytest.approx(expected.item(), rel=1e-6)


def test_peers_are_clipped_separately():
    def trained(loudness):
        peer = mlp(1)
        with torch.no_grad():
            peer[-1].weight.mul_(loudness)
        scheme = Collaborative([mlp(0), peer], "naive", [Term(losses.KD(), weight=0.0)])
        return fit(scheme, feed(), PLAN.model_copy(update={"clip": 0.05, "optimizer": "sgd"})).last_state

    assert same_state(trained(1.0), trained(1000.0))


@pytest.mark.parametrize("combine", WAYS)
def test_trains_by_one_call_and_all_networks_learn(combine):
    x, y = problem(160, seed=3)
    pairs = list(zip(x, y.tolist(), strict=True))
    scheme = three(combine)
    run = fit(scheme, Feed.of(pairs, pairs), Plan(epochs=12, batch_size=16, lr=0.02, device="cpu"))
    assert run.model is scheme.peers[0]
    for peer in scheme.peers:
        assert (peer.eval()(x).argmax(1) == y).float().mean() > 0.85


@pytest.mark.parametrize("combine", WAYS)
def test_resumes_to_the_same_bits(tmp_path, combine):
    def scheme():
        return Collaborative([mlp(0, dropout=0.3), mlp(1, norm=True)], combine)

    plan = PLAN.model_copy(update={"checkpoint_every": 1})
    whole, cut, rest = scheme(), scheme(), scheme()
    first = fit(whole, feed(), plan)
    with pytest.raises(Crash):
        fit(cut, feed(), plan, folder=tmp_path, watchers=[crash_at(6)])
    again = fit(rest, feed(), plan, folder=tmp_path, resume=True)
    assert same_state(dict(whole.state_dict()), dict(rest.state_dict()))
    assert timeless(first.history) == timeless(again.history)


def test_resume_with_another_combination_is_refused(tmp_path):
    fit(three("linear"), feed(), PLAN, folder=tmp_path)
    with pytest.raises(LimbeckError, match=r"linear.*minimum"):
        fit(three("minimum"), feed(), PLAN, folder=tmp_path, resume=True)


@pytest.mark.parametrize(
    ("peers", "options", "message"),
    [
        ([mlp()], {}, "Collaborative needs at least two"),
        ([mlp(), mlp(1)], {"combine": "minimun"}, "minimun.*Did you mean 'minimum'"),
        ([mlp(), mlp(1)], {"combine": "general"}, "naive, linear, minimum"),
        ([mlp(), mlp(1)], {"task": Regression()}, "Regression.*Mutual"),
        ([mlp(), mlp(1)], {"terms": []}, "at least one term"),
        ([mlp(), mlp(1)], {"terms": [Term(losses.LogitRegression(), "0", "0")]}, "combined logits.*'0'"),
        ([mlp(), mlp(1)], {"terms": [losses.RKDAngle(), losses.RKDAngle()]}, "'RKDAngle'"),
    ],
)
def test_what_cannot_be_meant_is_refused(peers, options, message):
    with pytest.raises(LimbeckError, match=message):
        Collaborative(peers, **options)


def test_networks_of_other_classes_are_refused_at_the_first_batch():
    with pytest.raises(LimbeckError, match=r"student's 'logits' are \(3,\) and peer 1's \(5,\)"):
        Collaborative([mlp(), mlp(1, outputs=5)])(batch())
