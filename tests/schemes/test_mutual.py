"""Networks that teach each other while they learn."""

import copy
import math

import pytest
import torch
from torch import nn

from limbeck import Batch, Frozen, LimbeckError, Plan, Regression, Term, fit, losses
from limbeck.schemes import Mutual
from limbeck.schemes.mutual import detached
from limbeck.train import Feed
from limbeck.types import Outputs, Progress
from train.toys import Crash, crash_at, feed, mlp, problem, same_state, timeless

PLAN = Plan(epochs=2, batch_size=10, lr=0.05, device="cpu")


def batch(rows=8, **given):
    x, y = problem(rows, seed=5)
    return Batch(x, y, torch.arange(rows), **given)


def three(**options):
    return Mutual([mlp(0), mlp(1, width=12), mlp(2)], **options)


def hinted(learner, other):
    """Features of networks of different widths: 8, 12, 8."""
    widths = (8, 12, 8)
    torch.manual_seed(10 * learner + other)
    adapter = nn.Linear(widths[learner], widths[other])
    return [losses.KD(temperature=2), Term(losses.LogitRegression(), "0", "0", 0.1, adapter, name="hint")]


class Undetached(losses.DistillationLoss):
    """A person's own loss, which leaves the gradient to the teacher open."""

    def forward(self, student, teacher, context=None):
        return (student - teacher).square().mean()


def gradients(module):
    return [each.grad for each in module.parameters()]


def by_hand(logits, labels):
    """Return the losses of Mutual's definition, sample by sample, in plain Python."""
    p = [[[math.exp(z) for z in row] for row in rows] for rows in logits]
    p = [[[each / sum(row) for each in row] for row in rows] for rows in p]
    found, count, samples = {}, len(p), len(labels)
    for i in range(count):
        hard = -sum(math.log(p[i][n][labels[n]]) for n in range(samples)) / samples
        kl = [
            sum(
                p[j][n][c] * math.log(p[j][n][c] / p[i][n][c])
                for n in range(samples)
                for c in range(len(p[j][n]))
            )
            / samples
            for j in range(count)
            if j != i
        ]
        role = "student" if i == 0 else f"peer {i}"
        found |= {f"{role} task": hard, f"{role} KD": sum(kl) / (count - 1)}
    return found


def test_parts_are_those_of_the_definition():
    scheme = three().double()
    rows = Batch(batch().inputs.double(), batch().targets)
    logits = [peer(rows.inputs).tolist() for peer in scheme.peers]
    parts = {name: part.item() for name, part in scheme(rows).items()}
    assert parts == pytest.approx(by_hand(logits, rows.targets.tolist()), rel=1e-9)


def test_weights_and_schedules_count():
    term = Term(losses.KD(temperature=1), weight=lambda progress: 2 * progress.fraction)
    scheme = three(terms=[term], task_weight=0.25)
    scheme.progress = Progress(step=1, total_steps=4)
    plain, weighed = three()(batch()), scheme(batch())
    assert weighed["peer 2 task"].item() == pytest.approx(0.25 * plain["peer 2 task"].item())
    assert weighed["peer 2 KD"].item() == pytest.approx(0.5 * plain["peer 2 KD"].item())


@pytest.mark.parametrize("terms", [None, hinted, [Undetached()]])
def test_no_peer_receives_a_gradient_from_what_another_learns(terms):
    for role, number in (("student", 0), ("peer 1", 1), ("peer 2", 2)):
        scheme = three(terms=terms)
        parts = scheme(batch())
        sum(part for name, part in parts.items() if name.startswith(role)).backward()
        for other, peer in enumerate(scheme.peers):
            assert all((each is not None) == (other == number) for each in gradients(peer))
        learning = [
            term for learner, term in zip(scheme.learners, scheme.terms, strict=True) if learner == number
        ]
        for term in scheme.terms:
            assert all((each is not None) == (term in learning) for each in gradients(term))


def test_two_optimizers_are_identical_to_one():
    """Adam and decay, step by step: peers that detach each other do not need an optimizer each."""
    one, each_its_own = Mutual([mlp(0), mlp(1, width=12)]), Mutual([mlp(0), mlp(1, width=12)])
    single = [torch.optim.AdamW(one.parameters(), lr=0.05)]
    several = [torch.optim.AdamW(peer.parameters(), lr=0.05) for peer in each_its_own.peers]
    for scheme, optimizers in ((one, single), (each_its_own, several)):
        for seed in range(5):
            x, y = problem(10, seed)
            sum(scheme(Batch(x, y)).values()).backward()
            for optimizer in optimizers:
                optimizer.step()
                optimizer.zero_grad()
    assert same_state(dict(one.state_dict()), dict(each_its_own.state_dict()))


def test_peers_are_clipped_separately():
    """The student's step must not depend on how large another peer's gradient is."""

    def trained(loudness):
        with torch.no_grad():
            peer = mlp(1)
            peer[-1].weight.mul_(loudness)
        scheme = Mutual([mlp(0), peer], [Term(losses.KD(), weight=0.0)])
        return fit(scheme, feed(), PLAN.model_copy(update={"clip": 0.05, "optimizer": "sgd"})).last_state

    assert same_state(trained(1.0), trained(1000.0))


def test_each_group_holds_one_peer_and_its_own_terms():
    scheme = three(terms=hinted)
    groups = [{id(each) for each in group["params"]} for group in scheme.parameter_groups()]
    assert [len(group) for group in groups] == [4 + 2 * 2] * 3
    assert set.union(*groups) == {id(each) for each in scheme.parameters()}
    for peer, group in zip(scheme.peers, groups, strict=True):
        assert {id(each) for each in peer.parameters()} < group
    frozen = scheme.peers[1][0].weight.requires_grad_(False)
    assert id(frozen) not in {id(each) for each in scheme.parameter_groups()[1]["params"]}


def test_everything_learnable_learns_and_is_saved():
    scheme = three(terms=hinted)
    before = {name: value.clone() for name, value in scheme.state_dict().items()}
    fit(scheme, feed(), PLAN)
    assert {name for name, _ in scheme.named_parameters()} <= before.keys()
    same = [name for name, value in scheme.state_dict().items() if torch.equal(value, before[name])]
    assert same == []


@pytest.mark.parametrize("terms", [None, hinted])
def test_every_peer_runs_once_for_a_batch(terms):
    scheme, calls = three(terms=terms), [0, 0, 0]

    def count(number):
        def hook(*_):
            calls[number] += 1

        return hook

    for number, peer in enumerate(scheme.peers):
        peer.register_forward_hook(count(number))
    scheme(batch())
    assert dict(zip(scheme.roles, calls, strict=True)) == dict(scheme.forwards)
    assert scheme.forwards == {"student": 1, "peer 1": 1, "peer 2": 1}


def test_normalisation_sees_each_batch_once():
    scheme = Mutual([mlp(0, norm=True), mlp(1, norm=True)])
    twin = copy.deepcopy(scheme.peers[1])
    scheme(batch())
    twin(batch().inputs)
    assert same_state(dict(twin.state_dict()), dict(scheme.peers[1].state_dict()))


def test_terms_in_a_list_are_each_pairs_own():
    adapter = nn.Linear(8, 8)
    hint = Term(losses.LogitRegression(), "0", "0", 1.0, adapter, name="hint")
    scheme = Mutual([mlp(0), mlp(1), mlp(2)], [hint, losses.KD()])
    assert len(scheme.terms) == 6 * 2
    weights = [each.adapter.weight for each in scheme.terms if each.name == "hint"]
    assert len({id(each) for each in weights}) == 6
    assert all(each is not adapter.weight and torch.equal(each, adapter.weight) for each in weights)
    parts = scheme(batch())
    assert set(parts) == {f"{role} {name}" for role in scheme.roles for name in ("task", "hint", "KD")}


def test_terms_of_a_function_are_each_pairs_own_too():
    hint = Term(losses.LogitRegression(), "0", "0", 1.0, nn.Linear(8, 8), name="hint")
    scheme = Mutual([mlp(0), mlp(1)], lambda learner, other: [hint])
    groups = [{id(each) for each in group["params"]} for group in scheme.parameter_groups()]
    assert not groups[0] & groups[1]


def test_function_is_told_who_learns_from_whom():
    asked = []

    def terms(learner, other):
        asked.append((learner, other))
        return [losses.KD()]

    three(terms=terms)
    assert sorted(asked) == [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)]


def test_feature_terms_read_the_right_layers():
    scheme = Mutual([mlp(0), mlp(1)], [Term(losses.LogitRegression(), student="1", teacher="0", name="hint")])
    x = batch().inputs
    one, other = scheme.peers
    expected = losses.LogitRegression()(one[:2](x), other[:1](x)).item()
    wrong_way = losses.LogitRegression()(one[:1](x), other[:2](x)).item()
    assert scheme(batch())["student hint"].item() == pytest.approx(expected, rel=1e-5)
    assert expected != pytest.approx(wrong_way, rel=1e-2)


def test_networks_of_other_architectures_are_tapped_by_names_of_their_own():
    named = nn.Sequential()
    named.add_module("trunk", nn.Sequential(nn.Linear(4, 8), nn.Tanh()))
    named.add_module("head", nn.Linear(8, 3))
    layers = ("1", "trunk")

    def terms(learner, other):
        return [Term(losses.LogitRegression(), layers[learner], layers[other], name="hint")]

    scheme, x = Mutual([mlp(0), named], terms), batch().inputs
    expected = losses.LogitRegression()(named.trunk(x), scheme.peers[0][:2](x)).item()
    assert scheme(batch())["peer 1 hint"].item() == pytest.approx(expected, rel=1e-5)


def test_unlabelled_samples_are_taught_by_the_peers():
    labelled = torch.arange(8) < 3
    whole, part, none = three()(batch()), three()(batch(labelled=labelled)), three()(Batch(batch().inputs))
    first = three()(Batch(batch().inputs[:3], batch().targets[:3]))
    assert part["peer 1 task"].item() == pytest.approx(first["peer 1 task"].item(), rel=1e-5)
    assert part["peer 1 KD"].item() == pytest.approx(whole["peer 1 KD"].item(), rel=1e-6)
    assert set(none) == {"student KD", "peer 1 KD", "peer 2 KD"}
    assert none["peer 1 KD"].item() == pytest.approx(whole["peer 1 KD"].item(), rel=1e-6)


def test_every_peer_may_read_inputs_of_its_own():
    x = batch().inputs
    scheme = Mutual([nn.Linear(4, 3), nn.Linear(2, 3)])
    own = scheme(Batch({"student": x, "peer 1": x[:, :2]}, batch().targets))
    logits = scheme.peers[1](x[:, :2])
    assert own["peer 1 task"].item() == pytest.approx(
        nn.functional.cross_entropy(logits, batch().targets).item(), rel=1e-6
    )


def test_regression_goes_through_the_same_door():
    scheme = Mutual([nn.Linear(4, 1), nn.Linear(4, 1)], [losses.LogitRegression()], task=Regression())
    parts = scheme(Batch(batch().inputs, batch().inputs[:, 1]))
    assert set(parts) == {
        "student task",
        "student LogitRegression",
        "peer 1 task",
        "peer 1 LogitRegression",
    }


def test_trains_by_one_call_and_gives_the_first_network():
    scheme = Mutual([mlp(0, dropout=0.2, norm=True), mlp(1, width=12)])
    x, y = problem(24)
    pairs = list(zip(x, y.tolist(), strict=True))
    run = fit(scheme, Feed.of(pairs, pairs), Plan(epochs=2, batch_size=8, device="cpu"))
    assert run.model is scheme.peers[0] is scheme.deployable()
    assert {"loss_peer 1 task", "loss_student KD"} <= run.history[-1].keys()
    assert run.teacher_forwards == 0


def test_all_peers_learn():
    x, y = problem(200, seed=3)
    scheme = three()
    fit(scheme, feed(train=200), Plan(epochs=15, batch_size=20, lr=0.02, device="cpu"))
    for peer in scheme.peers:
        assert (peer.eval()(x).argmax(1) == y).float().mean() > 0.85


def test_schemes_do_not_affect_each_other():
    alone, beside = three(terms=hinted), three(terms=hinted)
    fit(alone, feed(), PLAN)
    other = Mutual([mlp(5), mlp(6)])
    fit(other, feed(), PLAN)
    fit(beside, feed(), PLAN)
    assert same_state(dict(alone.state_dict()), dict(beside.state_dict()))


def test_resumes_to_the_same_bits(tmp_path):
    def scheme():
        terms = [losses.KD(), Term(losses.VID(8), "0", "0")]
        return Mutual([mlp(0, dropout=0.3), mlp(1, norm=True)], terms)

    plan = PLAN.model_copy(update={"checkpoint_every": 1})
    whole, cut, rest = scheme(), scheme(), scheme()
    first = fit(whole, feed(), plan)
    with pytest.raises(Crash):
        fit(cut, feed(), plan, folder=tmp_path, watchers=[crash_at(6)])
    again = fit(rest, feed(), plan, folder=tmp_path, resume=True)
    assert same_state(dict(whole.state_dict()), dict(rest.state_dict()))
    assert timeless(first.history) == timeless(again.history)


def test_resume_of_another_training_is_refused(tmp_path):
    fit(Mutual([mlp(0), mlp(1)]), feed(), PLAN, folder=tmp_path)
    for changed in (three(), Mutual([mlp(0), mlp(1)], [losses.KD(temperature=2)])):
        with pytest.raises(LimbeckError):
            fit(changed, feed(), PLAN, folder=tmp_path, resume=True)


def test_smallest_batch_is_that_of_the_terms():
    assert three().smallest_batch == 1
    assert three(terms=[losses.RKDAngle()]).smallest_batch == 3
    with pytest.raises(LimbeckError, match="RKDAngle"):
        fit(three(terms=[losses.RKDAngle()]), feed(), PLAN.model_copy(update={"batch_size": 2}))


SAME = mlp()


@pytest.mark.parametrize(
    ("peers", "options", "message"),
    [
        ([mlp()], {}, "two networks, not 1"),
        (mlp(), {}, "list of networks"),
        ([mlp(), Frozen(mlp(1))], {}, "peer 1.*Frozen"),
        ([SAME, mlp(1), SAME], {}, "student and peer 2 share"),
        ([mlp(), nn.Sequential(SAME, nn.Linear(3, 3)), SAME], {}, "peer 1 and peer 2 share"),
        ([mlp(), mlp(1).requires_grad_(False)], {}, "peer 1.*Offline"),
        ([mlp(), mlp(1)], {"terms": []}, "Mutual needs at least one term"),
        ([mlp(), mlp(1)], {"terms": losses.KD()}, "Mutual takes a list"),
        ([mlp(), mlp(1)], {"terms": [losses.KD(), losses.KD()]}, "'KD'"),
        ([mlp(), mlp(1)], {"terms": lambda learner, other: []}, "at least one term"),
        ([mlp(), mlp(1)], {"terms": [Term(losses.KD(), name="task")]}, "'task'"),
        ([mlp(), mlp(1)], {"task_weight": -1}, "task_weight"),
        ([mlp(), mlp(1)], {"task_weight": None}, "task_weight"),
    ],
)
def test_what_cannot_be_meant_is_refused(peers, options, message):
    with pytest.raises(LimbeckError, match=message):
        Mutual(peers, **options)


@pytest.mark.parametrize("terms", [None, [Term(losses.LogitRegression(), "0", "0")]])
def test_peers_of_other_classes_are_refused_at_the_first_batch(terms):
    scheme = Mutual([mlp(), mlp(1), mlp(2, outputs=5)], terms)
    with pytest.raises(LimbeckError, match=r"student's 'logits' are \(3,\) and peer 2's \(5,\)"):
        scheme(batch())


def test_detached_outputs_keep_their_form():
    grown = torch.ones(2, requires_grad=True) * 2
    found = detached(Outputs(logits=grown, pyramid=[grown, grown], named={"a": grown}, none=None))
    assert isinstance(found, Outputs)
    assert not found["logits"].requires_grad
    assert not any(each.requires_grad for each in [*found["pyramid"], found["named"]["a"]])
    assert found["none"] is None
