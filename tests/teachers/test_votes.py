"""Teachers on disjoint private shards vote once, under noise, and a student learns from their votes alone."""

import gc
import json
import weakref

import pytest
import torch
from safetensors import safe_open
from torch import nn

from limbeck import (
    Batch,
    Classification,
    Frozen,
    LimbeckError,
    Offline,
    Plan,
    Predictor,
    Supervised,
    fit,
    losses,
)
from limbeck.data import TensorSource, Views, shards
from limbeck.data.loader import Part
from limbeck.schemes import SemiSupervised
from limbeck.teachers import NoisyMax, Teacher, Voted, Votes, collect_votes
from limbeck.teachers.ballot import _counts
from limbeck.train import Feed
from train.toys import mlp, problem, same_state

DELTA, RECORDS = 1e-4, 2_000
BUDGET = {"epsilon": 5.0, "delta": DELTA, "records": RECORDS, "noise_seed": 3}


def public(count=40, targets=None, first=0):
    """Return the public part; index 0 is not in it, and its order is not that of the index."""
    x, y = problem(count + 10, seed=1)
    source = TensorSource(x, y if targets is None else targets)
    return Part(Views(source), torch.arange(count, first, -1))


def voters(count=20):
    """Return teachers that are right unless their number says otherwise."""
    return [Predictor(lambda rows, number=number: tilted(rows, number)) for number in range(count)]


def tilted(rows, number):
    logits = torch.as_tensor(rows)[:, :3].clone()
    logits[:, number % 3] += 0.4
    return logits


def counts(part, teachers):
    chosen = torch.stack([each(batch_of(part), Classification())["logits"].argmax(1) for each in teachers])
    return torch.stack([(chosen == label).sum(0) for label in range(3)], dim=1)


def batch_of(part):
    return part.views.read(part.indices, torch.zeros_like(part.indices))


def collected(noise=6.0, part=None, teachers=None, **given):
    part = public() if part is None else part
    return collect_votes(teachers or voters(), part, NoisyMax(noise), **{**BUDGET, **given})


def test_with_hardly_any_noise_the_most_votes_win(monkeypatch):
    monkeypatch.setattr(NoisyMax, "affordable", lambda self, epsilon, delta, most: most)
    votes = collected(noise=0.1)
    assert torch.equal(votes.index, public().indices)
    found = counts(public(), voters())
    assert torch.equal(
        found.gather(1, votes.labels[:, None]).squeeze(1), found.amax(1)
    )  # of equals, either may win
    assert len(set(votes.labels.tolist())) == 3


def test_it_stops_before_the_budget_is_exceeded():
    votes = collected()
    noisy = NoisyMax(6.0)
    assert 0 < len(votes) < 40
    assert votes.epsilon == noisy.epsilon(len(votes), DELTA) <= 5.0 < noisy.epsilon(len(votes) + 1, DELTA)
    assert torch.equal(votes.index, public().indices[: len(votes)])


def test_one_record_moves_one_vote_and_two_counts_by_one():
    """The premise of the account: √2 in the 2-norm, 2 in the 1-norm."""
    teachers = voters()
    before = _counts(teachers, batch_of(public()), Classification(), 0)
    teachers[4] = Predictor(lambda rows: -torch.as_tensor(rows)[:, :3])
    moved = _counts(teachers, batch_of(public()), Classification(), 0) - before
    assert moved.abs().sum(1).max() == 2
    assert moved.square().sum(1).max() == 2
    assert moved.sum(1).abs().max() == 0


def test_every_sample_is_asked_about_once_and_training_asks_nobody():
    teachers = voters(5)
    votes = collected(teachers=teachers)
    assert [each.forwards for each in teachers] == [len(votes)] * 5
    lesson = Part(Views(votes.relabelled(public().views.source)), votes.index)
    fit(Supervised(mlp()), Feed(lesson), Plan(epochs=2, batch_size=8, device="cpu"))
    fit(
        Offline(mlp(), Voted(votes), [losses.HardDistillation()], task_weight=None),
        Feed(lesson),
        Plan(epochs=1, batch_size=8),
    )
    assert [each.forwards for each in teachers] == [len(votes)] * 5


def test_noise_depends_on_the_seed_and_the_sample_alone():
    votes = collected()
    assert torch.equal(votes.labels, collected(batch_size=3).labels)
    shuffled = Part(public().views, public().indices[: len(votes)].flip(0))
    again = collected(part=shuffled)
    assert torch.equal(again.index, votes.index.flip(0))
    assert torch.equal(again.labels, votes.labels.flip(0))
    assert not torch.equal(votes.labels, collected(noise_seed=4).labels)


def test_without_a_seed_noise_is_the_systems_and_never_the_same(monkeypatch):
    monkeypatch.setattr(NoisyMax, "affordable", lambda self, epsilon, delta, most: most)
    torch.manual_seed(0)
    one = collected(noise=30.0, noise_seed=None)
    torch.manual_seed(0)
    assert not torch.equal(one.labels, collected(noise=30.0, noise_seed=None).labels)


def test_labels_of_the_public_samples_are_not_read():
    wrong = torch.full((50,), 2)
    votes, blind = collected(), collected(part=public(targets=wrong))
    assert torch.equal(votes.labels, blind.labels)
    students = []
    for part in (public(), public(targets=wrong)):
        student = mlp()
        lesson = Part(Views(votes.relabelled(part.views.source)), part.indices)  # also those nobody voted on
        fit(Supervised(student), Feed(lesson), Plan(epochs=2, batch_size=8, device="cpu"))
        students.append(dict(student.state_dict()))
    assert same_state(*students)


class Private:
    """Private records that count how often they are read, and can be locked away."""

    def __init__(self):
        x, y = problem(60, seed=9)
        self.source, self.targets = TensorSource(x, y), y
        self.reads, self.locked = 0, False

    def __len__(self):
        return len(self.source)

    def read(self, index):
        assert not self.locked, "the student touched private data"
        self.reads += 1
        return self.source.read(index)

    def fingerprint(self):
        return self.source.fingerprint()


def privately_taught(private, count=4):
    teachers = []
    for number, part in enumerate(shards(torch.arange(60), private.targets, count, seed=0)):
        model = mlp(number)
        fit(
            Supervised(model),
            Feed(Part(Views(private), part)),
            Plan(epochs=3, batch_size=5, lr=0.05, device="cpu"),
        )
        teachers.append(Frozen(model))
    return teachers


def test_the_student_never_touches_private_data_nor_those_who_saw_it():
    private = Private()
    teachers = privately_taught(private)
    assert private.reads == 3 * 60
    votes = collected(noise=1.0, teachers=teachers, epsilon=50)
    private.locked = True
    with pytest.raises(AssertionError, match="touched"):
        fit(Supervised(mlp()), Feed(Part(Views(private), torch.arange(60))), Plan(epochs=1))
    seen = [weakref.ref(each.model) for each in teachers]
    del teachers
    gc.collect()
    assert [each() for each in seen] == [None] * 4, "votes keep a teacher alive"
    student = mlp()
    lesson = Part(Views(votes.relabelled(public().views.source)), votes.index)
    run = fit(Supervised(student), Feed(lesson), Plan(epochs=5, batch_size=8, lr=0.05, device="cpu"))
    assert private.reads == 3 * 60
    assert run.history[-1]["loss"] < run.history[0]["loss"]


def test_a_stored_vote_holds_the_answers_and_the_bound_and_nothing_else(tmp_path):
    votes = collected()
    votes.save(tmp_path / "votes.safetensors")
    with safe_open(tmp_path / "votes.safetensors", "pt") as file:
        assert sorted(file.keys()) == ["index", "labels"]
        about = json.loads(file.metadata()["votes"])
    assert about == {
        "answers": len(votes), "classes": 3, "delta": DELTA, "mechanism": "gaussian", "noise": 6.0,
        "records": RECORDS, "teachers": 20,
    }  # fmt: skip
    again = Votes.load(tmp_path / "votes.safetensors")
    assert torch.equal(again.index, votes.index)
    assert torch.equal(again.labels, votes.labels)
    assert again.to_dict() == votes.to_dict()
    assert again.fingerprint() == votes.fingerprint()


@pytest.mark.parametrize("content", [b"", b"no votes", b'\x10\x00\x00\x00\x00\x00\x00\x00{"a":1}          '])
def test_a_file_without_votes_is_refused(tmp_path, content):
    (tmp_path / "votes").write_bytes(content)
    with pytest.raises(LimbeckError, match="holds no votes"):
        Votes.load(tmp_path / "votes")
    with pytest.raises(LimbeckError, match="holds no votes"):
        Votes.load(tmp_path / "nowhere")


def test_going_on_with_a_larger_budget_equals_the_larger_budget_at_once():
    first = collected(epsilon=3.0)
    whole = collected()
    assert 0 < len(first) < len(whole)
    teachers = voters()
    joined = collected(teachers=teachers, earlier=first)
    assert torch.equal(joined.index, whole.index)
    assert torch.equal(joined.labels, whole.labels)
    assert [each.forwards for each in teachers] == [len(whole) - len(first)] * 20


def test_a_spent_budget_is_refused_with_what_it_was_spent_on():
    votes = collected()
    teachers = voters()
    said = rf"already spent: {len(votes)} queries were answered, for epsilon = 4\.\d+, and one more would make it"
    with pytest.raises(LimbeckError, match=said):
        collected(teachers=teachers, earlier=votes)
    with pytest.raises(LimbeckError, match=r"budget of epsilon = 1 at delta = 0\.0001 is already spent"):
        collected(teachers=teachers, earlier=votes, epsilon=1)
    assert [each.forwards for each in teachers] == [0] * 20


def test_when_all_are_answered_nobody_is_asked():
    part = public(count=5)
    votes = collected(part=part)
    assert len(votes) == 5
    assert collected(part=part, earlier=votes) is votes


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"teachers": voters(1)}, "among several teachers, but there are 1"),
        ({"records": 19, "delta": 1e-3}, "20 teachers cannot each have had one of 19"),
        ({"delta": 1e-3}, "below 1 / 2000"),
        ({"delta": 2}, "between 0 and 1"),
        ({"epsilon": 0}, "epsilon must be"),
        (
            {"noise": 1.0, "epsilon": 0.5},
            "A single answer costs epsilon = .* above the budget of 0.5: raise noise from 1",
        ),
        ({"part": Part(public().views, torch.tensor([1, 2, 2]))}, "each once"),
        ({"part": Part(public().views, torch.empty(0, dtype=torch.int64))}, "must have samples"),
        ({"teachers": [*voters(2), Predictor(lambda rows: rows[:, :2])]}, "the same classes"),
        ({"teachers": [*voters(2), Predictor(lambda rows: rows[:, 0])]}, "by logits"),
    ],
)
def test_what_cannot_be_meant_is_refused(given, message):
    with pytest.raises(LimbeckError, match=message):
        collected(**given)


def test_earlier_votes_of_another_kind_are_refused():
    with pytest.raises(LimbeckError, match=r"taken with NoisyMax\(noise=6\.0.*not with NoisyMax\(noise=7\.0"):
        collected(noise=7.0, earlier=collected())


def test_votes_are_collected_by_the_first_process_alone(monkeypatch):
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_rank", lambda: 1)
    with pytest.raises(LimbeckError, match="in the first process alone"):
        collected()
    monkeypatch.setattr(torch.distributed, "get_rank", lambda: 0)
    assert len(collected()) > 0


def votes_by_hand(**given):
    usual = {
        "index": torch.tensor([7, 2, 5]), "labels": torch.tensor([0, 2, 1]), "classes": 3, "teachers": 4,
        "records": 50, "mechanism": NoisyMax(4.0), "delta": 1e-3,
    }  # fmt: skip
    return Votes(**{**usual, **given})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"index": torch.tensor([7, 2, 7])}, "each once"),
        ({"index": torch.tensor([7, 2])}, "a label|int64"),
        ({"labels": torch.tensor([0.0, 1.0, 2.0])}, "int64"),
        ({"labels": torch.tensor([0, 1, 3])}, "from 0 to 2"),
        ({"delta": 0.5}, "1 / 50"),
    ],
)
def test_votes_that_do_not_belong_together_are_refused(given, message):
    with pytest.raises(LimbeckError, match=message):
        votes_by_hand(**given)


def test_labels_are_found_by_sample():
    votes = votes_by_hand()
    assert votes.labels_of(torch.tensor([5, 0, 7, 9, 2, 5])).tolist() == [1, -1, 0, -1, 2, 1]
    nothing = votes_by_hand(index=torch.empty(0, dtype=torch.int64), labels=torch.empty(0, dtype=torch.int64))
    assert nothing.labels_of(torch.tensor([5, 0])).tolist() == [-1, -1]
    assert nothing.epsilon == 0


def test_samples_with_votes_for_labels():
    source = votes_by_hand().relabelled(public().views.source)
    batch = Views(source).read(torch.tensor([2, 3, 7]), torch.zeros(3, dtype=torch.int64))
    assert batch.labelled.tolist() == [True, False, True]
    assert batch.targets[batch.labelled].tolist() == [2, 0]
    with pytest.raises(LimbeckError, match="vote is on sample 7, but there are only 5"):
        votes_by_hand().relabelled(TensorSource(torch.zeros(5, 4), torch.zeros(5)))


def test_voted_keeps_the_protocol_and_runs_nobody():
    teacher = Voted(votes_by_hand())
    assert isinstance(teacher, Teacher)
    batch = Batch(torch.zeros(2, 4), index=torch.tensor([5, 7]))
    assert teacher(batch)["logits"].argmax(1).tolist() == [1, 0]
    assert teacher.forwards == 0
    assert teacher.fingerprint() != Voted(votes_by_hand(labels=torch.tensor([1, 2, 1]))).fingerprint()
    for refused, message in (
        (Batch(torch.zeros(1, 4), index=torch.tensor([4])), "Sample 4 was not voted on"),
        (Batch(torch.zeros(1, 4)), "carry index"),
    ):
        with pytest.raises(LimbeckError, match=message):
            teacher(refused)
    with pytest.raises(LimbeckError, match="no layers"):
        teacher(batch, names=["stage1"])


def test_learning_from_voted_is_learning_votes_as_labels():
    votes, student = votes_by_hand(), mlp()
    batch = Batch(torch.randn(3, 4), index=votes.index)
    labelled = Batch(batch.inputs, votes.labels, votes.index)
    taught = Offline(student, Voted(votes), [losses.HardDistillation()], task_weight=None)(batch)
    assert taught["HardDistillation"].item() == pytest.approx(Supervised(student)(labelled)["task"].item())


def test_samples_without_votes_may_be_learnt_from_by_other_schemes():
    """As in the paper, whose student is semi-supervised: what nobody voted on has no label."""
    votes = collected()
    source = votes.relabelled(public().views.source)
    scheme = SemiSupervised(mlp(), Frozen(nn.Linear(4, 3)))
    run = fit(
        scheme, Feed(Part(Views(source), public().indices)), Plan(epochs=1, batch_size=20, device="cpu")
    )
    assert {"loss_task", "loss_KD"} <= set(run.history[0])
