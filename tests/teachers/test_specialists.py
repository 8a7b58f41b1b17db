"""A generalist and its specialists, asked as one."""

import math

import pytest
import torch
from torch import nn

from limbeck import Batch, Frozen, LimbeckError, Regression, fit, losses
from limbeck.functional import consensus
from limbeck.schemes import Offline
from limbeck.teachers import (
    Dustbin,
    Ensemble,
    Specialist,
    Specialists,
    Teacher,
    confused_classes,
    specialist_set,
)
from limbeck.train import Feed, Plan
from teachers.known import Fixed, batch, frozen, network

# Six samples, five classes; the generalist's first choices are 0, 1, 2, 3, 4, 0.
GENERAL = 2 * torch.eye(5)[[0, 1, 2, 3, 4, 0]] + torch.rand(6, 5, generator=torch.Generator().manual_seed(5))
OWN = ([0, 1], [3, 1])
ANSWERS = [torch.randn(6, 3, generator=torch.Generator().manual_seed(seed)) for seed in (1, 2)]


def made(**settings):
    members = [Specialist(Fixed(each), own) for each, own in zip(ANSWERS, OWN, strict=True)]
    return Specialists(Fixed(GENERAL), members, **settings)


def expected(row, active, corrections=(0.0, 0.0)):
    """Return q of one sample, put together by hand and solved by the function that has its own tests."""
    mass = GENERAL[row].softmax(0).double()
    pooled, pools = [], []
    for number in active:
        answer = ANSWERS[number][row].double().clone()
        answer[-1] += corrections[number]
        answer = answer.softmax(0)
        for label, p in zip(OWN[number], answer, strict=False):
            mass[label] += p
        pooled.append(answer[-1])
        pools.append([label not in OWN[number] for label in range(5)])
    q = consensus(mass[None], torch.stack(pooled)[None], torch.tensor(pools))
    return q[0].float()


def test_active_are_those_whose_classes_the_generalist_names():
    found = made()(batch())["logits"].exp()
    active = {0: [0], 1: [0, 1], 3: [1], 5: [0]}
    for row, numbers in active.items():
        torch.testing.assert_close(found[row], expected(row, numbers), rtol=1e-4, atol=1e-5)
    for row in (2, 4):
        torch.testing.assert_close(found[row], GENERAL[row].softmax(0))


def test_top_calls_more_of_them():
    found = made(top=5)(batch())["logits"].exp()
    for row in range(6):
        torch.testing.assert_close(found[row], expected(row, [0, 1]), rtol=1e-4, atol=1e-5)


def test_one_specialist_has_a_closed_form():
    teacher = Specialists(Fixed(GENERAL), [Specialist(Fixed(ANSWERS[0]), [1, 0])])
    found = teacher(batch())["logits"].exp()
    general, special = GENERAL[0].softmax(0), ANSWERS[0][0].softmax(0)
    own = torch.stack([(general[0] + special[1]) / 2, (general[1] + special[0]) / 2])
    rest = general[2:] * (general[2:].sum() + special[2]) / 2 / general[2:].sum()
    torch.testing.assert_close(found[0], torch.cat([own, rest]))


def test_the_dustbins_logit_is_corrected():
    members = [Specialist(Fixed(each), own, 1.5) for each, own in zip(ANSWERS, OWN, strict=True)]
    found = Specialists(Fixed(GENERAL), members)(batch())["logits"].exp()
    torch.testing.assert_close(found[1], expected(1, [0, 1], (1.5, 1.5)), rtol=1e-4, atol=1e-5)
    assert (found[1] - made()(batch())["logits"].exp()[1]).abs().max() > 1e-3


def test_nobody_active_leaves_the_generalist():
    teacher = Specialists(Fixed(GENERAL), [Specialist(Fixed(ANSWERS[0]), [2])])
    only = Batch(torch.zeros(2, 1), index=torch.tensor([0, 4]))
    torch.testing.assert_close(teacher(only)["logits"], GENERAL[[0, 4]].log_softmax(1))
    assert teacher.forwards == 2
    sure = Specialists(Fixed(100 * GENERAL), [Specialist(Fixed(ANSWERS[0]), [2])])
    assert torch.equal(sure(only)["logits"], (100 * GENERAL[[0, 4]]).log_softmax(1))


def test_specialists_are_asked_about_their_own_samples_only():
    teacher = made()
    teacher(batch())
    first, second = (one.teacher for one in teacher.specialists)
    assert first.batches[0].index.tolist() == [0, 1, 5]
    assert second.batches[0].index.tolist() == [1, 3]
    assert teacher.forwards == 6 + 3 + 2


def test_an_answer_does_not_depend_on_the_rest_of_the_batch():
    together = made()(batch())["logits"]
    for row in range(6):
        alone = made()(Batch(torch.zeros(1, 1), index=torch.tensor([row])))["logits"]
        torch.testing.assert_close(alone[0], together[row], rtol=1e-4, atol=1e-4)


def test_reads_inputs_of_their_own_and_hides_the_labels():
    rows = torch.randn(6, 4)
    inputs = {"teacher": rows, "cats": -rows, "student": torch.zeros(6, 1)}
    cats = frozen(3, role="cats")
    inner = Ensemble([cats, cats], "oracle")  # labels of five classes would mislead it
    generalist = frozen(5)
    found = Specialists(generalist, [Specialist(inner, [0, 1])], top=5)(
        Batch(inputs, torch.full((6,), 4), torch.arange(6))
    )["logits"]
    plain = Specialists(generalist, [Specialist(Ensemble([cats, cats]), [0, 1])], top=5)(Batch(inputs))[
        "logits"
    ]
    assert torch.equal(found, plain)


def test_layers_are_the_generalists():
    generalist = frozen(5)
    teacher = Specialists(generalist, [Specialist(frozen(3, 1), [0, 1])])
    found = teacher(batch(), None, ["2"])
    assert torch.equal(found["2"], generalist(batch(), None, ["2"])["2"])
    assert isinstance(teacher, Teacher)


def test_is_as_finite_as_sure_models_need():
    sure = [Specialist(Fixed(each), own) for each, own in zip([1e3 * e for e in ANSWERS], OWN, strict=True)]
    found = Specialists(Fixed(1e3 * GENERAL), sure)(batch())["logits"]
    assert torch.isfinite(found).all()
    torch.testing.assert_close(found.exp().sum(1), torch.ones(6))


def test_the_whole_can_be_distilled_back():
    pairs = [(torch.randn(4), index % 5) for index in range(16)]
    teacher = Specialists(frozen(5), [Specialist(frozen(3, 1), [0, 1]), Specialist(frozen(4, 2), [1, 2, 4])])
    scheme = Offline(nn.Linear(4, 5), teacher, [losses.KD(temperature=2)])
    run = fit(scheme, Feed.of(pairs, pairs), Plan(epochs=2, batch_size=8))
    assert all(math.isfinite(row["loss"]) for row in run.history)


def test_specialists_mend_what_the_generalist_confuses():
    """The whole of section 5 in small: cluster, train on half and half with a dustbin, ask all."""
    torch.manual_seed(0)
    homes = torch.randn(3, 2) * 6
    prototypes = homes.repeat_interleave(2, 0) + torch.randn(6, 2)

    def drawn(count):
        labels = torch.randint(6, (count,))
        return prototypes[labels] + 0.35 * torch.randn(count, 2), labels

    (inputs, labels), (held, truth) = drawn(1500), drawn(1500)

    def trained(net, inputs, targets, steps):
        optimizer = torch.optim.Adam(net.parameters(), lr=0.05)
        for _ in range(steps):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(inputs), targets).backward()
            optimizer.step()
        return Frozen(net)

    general = trained(nn.Linear(2, 6), inputs, labels, 60)  # not for long: it knows families, not classes
    groups = confused_classes(general(Batch(inputs))["logits"], clusters=3).groups
    assert groups == ((0, 1), (2, 3), (4, 5))
    members = []
    for group in groups:
        part = specialist_set(labels, group)
        net = trained(nn.Linear(2, 3), inputs[part.indices], part.targets, 200)
        members.append(Specialist(net, group, part.correction))

    def accuracy(teacher):
        return (teacher(Batch(held))["logits"].argmax(1) == truth).float().mean().item()

    assert accuracy(Specialists(general, members)) > accuracy(general) + 0.02


def test_a_generalists_own_answers_as_specialists_change_nothing():
    general = frozen(5)
    members = [Specialist(Dustbin(general, own), own) for own in ([0, 1], [2, 3, 4], [1, 4])]
    found = Specialists(general, members, top=5)(batch())["logits"]
    torch.testing.assert_close(found, general(batch())["logits"].log_softmax(1), rtol=0, atol=1e-4)


def test_fingerprint_tells_everything():
    def one(seed=0, special=1, own=(0, 1), correction=0.0, top=1):
        specialist = Specialist(frozen(3, special), own, correction)
        return Specialists(frozen(5, seed), [specialist], top).fingerprint()

    prints = {one(), one(seed=3), one(special=2), one(own=(0, 2)), one(correction=0.5), one(top=2)}
    assert len(prints) == 6
    assert one() in prints


def specialist(own=(0, 1), classes=3):
    return Specialist(frozen(classes), own)


@pytest.mark.parametrize(
    ("make", "about"),
    [
        (lambda: Specialist(network(), [0, 1]), "Frozen"),
        (lambda: specialist(()), "without classes"),
        (lambda: specialist((1, 1)), "twice"),
        (lambda: specialist((-1, 1)), "not -1"),
        (lambda: Specialist(frozen(), [0, 1], float("nan")), "finite"),
        (lambda: Specialists(network(5), [specialist()]), "Frozen"),
        (lambda: Specialists(frozen(5), []), "at least one"),
        (lambda: Specialists(frozen(5), specialist()), "list"),
        (lambda: Specialists(frozen(5), [frozen()]), "list"),
        (lambda: Specialists(frozen(5), [specialist()], top=0), "top"),
        (lambda: Specialists(frozen(5), [specialist()], top=6, classes=5), "lower top"),
        (lambda: Specialists(frozen(5), [specialist((0, 5))], classes=5), "class 5"),
        (lambda: Specialists(frozen(5), [specialist(range(5), 6)], classes=5), "none left"),
        (lambda: Specialists(frozen(5), [specialist((0, 5))])(batch()), "class 5"),
        (lambda: Specialists(frozen(5), [specialist()], top=6)(batch()), "lower top"),
        (lambda: Specialists(frozen(5), [specialist()], classes=6)(batch()), "counts 6"),
        (lambda: Specialists(frozen(5), [specialist((0, 1, 2))], top=5)(batch()), "must give 4 logits"),
        (lambda: Specialists(frozen(1), [specialist()])(batch(), Regression()), "regression"),
    ],
)
def test_refuses(make, about):
    with pytest.raises(LimbeckError, match=about):
        make()
