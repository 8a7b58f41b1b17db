"""Frames: scores of frames as classification's, and of recordings against every path written out."""

import itertools

import numpy as np
import pytest
import torch
import torch.multiprocessing as processes

from limbeck import Batch, Classification, LimbeckError, Outputs
from limbeck.data import open_data
from limbeck.tasks import Frames
from limbeck.tasks.frames import best_paths
from tasks.spoken import STATES, WORDS, problem, share, taken
from tones import write_flat


def decided_by_hand(task, logits, frames):
    """Return the word of the best of all paths, one by one, in float64."""
    z = logits.double().numpy()
    scores = z - np.log(np.exp(z).sum(1, keepdims=True)) - np.log(task.priors.double().numpy())
    best = []
    for word in range(WORDS):
        paths = [
            path
            for path in itertools.product(range(STATES), repeat=len(frames))
            if path[0] == 0
            and all(b - a in (0, 1) for a, b in itertools.pairwise(path))
            and path[-1] == min(STATES, len(frames)) - 1
        ]
        sums = [
            sum(scores[t, word * STATES + s] for t, s in zip(frames, path, strict=True)) for path in paths
        ]
        best.append(max(sums))
    return int(np.argmax(best))


def error_by_hand(task, logits, seen):
    wrong = []
    for number, (begin, end) in enumerate(itertools.pairwise(task.starts.tolist())):
        frames = [each for each in range(begin, end) if each in seen]
        if frames:
            wrong.append(decided_by_hand(task, logits, frames) != int(task.words[number]))
    return sum(wrong) / len(wrong)


@pytest.mark.parametrize("seed", range(4))
def test_words_are_those_of_the_best_of_all_paths(seed):
    task, logits, targets = problem(seed=seed)
    found = taken(task, logits, targets, [torch.arange(len(targets))])
    assert found["utterance_error"] == error_by_hand(task, logits, set(range(len(targets))))


def test_the_problem_tells_right_from_wrong():
    errors = {error_by_hand(*problem(seed=seed)[:2], set(range(45))) for seed in range(4)}
    assert 0 < max(errors) < 1


def test_priors_and_order_of_the_states_count():
    starts, words = torch.tensor([0, 4]), torch.tensor([1])
    logits = torch.tensor([[0.0, 0, 2, 0], [0, 0, 2, 0], [0, 0, 0, 2], [0, 0, 0, 2]])
    frames = torch.arange(4)
    for order, error in ((frames, 0.0), (frames.flip(0), 1.0)):  # word 1 backwards is no word 1
        shown = logits[order] + torch.tensor([0.6, 0.6, 0, 0])
        assert (
            taken(Frames(starts, words, 2), shown, torch.full((4,), 2), [frames])["utterance_error"] == error
        )
    common = torch.tensor([0.05, 0.05, 0.45, 0.45])  # what is common anyway is less evidence
    assert (
        taken(Frames(starts, words, 2, common), logits, torch.full((4,), 2), [frames])["utterance_error"]
        == 1.0
    )


def test_best_paths_of_one_frame_of_fewer_than_states_and_of_none():
    scores = torch.tensor([[[1.0, 5.0, 9.0]], [[2.0, 4.0, 9.0]], [[3.0, 7.0, 9.0]]])
    assert best_paths(scores, torch.tensor([1, 2])).tolist() == [[1.0], [9.0]]
    assert best_paths(scores[:0], torch.tensor([], dtype=torch.int64)).shape == (0, 1)


def test_batches_may_cut_recordings_and_come_in_any_order():
    task, logits, targets = problem()
    whole = taken(task, logits, targets, [torch.arange(len(targets))])
    mixed = torch.randperm(len(targets))
    for batches in (torch.arange(len(targets)).split(4), mixed.split(5), mixed.split(1)):
        assert taken(task, logits, targets, batches) == pytest.approx(whole)


def test_a_frame_that_comes_twice_counts_once_for_its_recording():
    task, logits, targets = problem()
    every = torch.arange(len(targets))
    once = taken(task, logits, targets, [every])["utterance_error"]
    assert taken(task, logits, targets, [every, every[3:20]])["utterance_error"] == once


def test_a_recording_is_judged_by_the_frames_that_came():
    task, logits, targets = problem()
    some = torch.arange(2, len(targets), 3)
    found = taken(task, logits, targets, [some])
    assert found["utterance_error"] == error_by_hand(task, logits, set(some.tolist()))


def test_frames_are_scored_as_classification_does():
    task, logits, targets = problem()
    every = torch.arange(len(targets))
    found = taken(task, logits, targets, every.split(8), full=True)
    reference = Classification().metrics(full=True)
    reference.update(Outputs(logits=logits), Batch(logits, targets))
    expected = reference.compute()
    assert found["frame_accuracy"] == pytest.approx(expected.pop("accuracy"))
    del found["frame_accuracy"], found["utterance_error"]
    assert found == pytest.approx(expected)
    batch = Batch(logits, targets, every)
    assert task.loss(Outputs(logits=logits), batch) == Classification().loss(Outputs(logits=logits), batch)
    assert task.metric == "frame_accuracy"
    assert task.higher_is_better


def test_full_metrics_have_the_confusion_of_frames():
    task, logits, targets = problem()
    metrics = task.metrics(full=True)
    metrics.update(Outputs(logits=logits), Batch(logits, targets, torch.arange(len(targets))))
    assert metrics.details()["confusion"].sum() == len(targets)


def test_frames_without_a_label_are_left_out():
    task, logits, targets = problem()
    labelled = torch.rand(len(targets)) < 0.6
    found = taken(task, logits, targets, torch.arange(len(targets)).split(8), labelled=labelled)
    seen = labelled.nonzero().flatten()
    assert found["utterance_error"] == error_by_hand(task, logits, set(seen.tolist()))
    assert found["frame_accuracy"] == pytest.approx(
        (logits.argmax(1) == targets)[seen].double().mean().item()
    )


def test_half_precision_logits():
    task, logits, targets = problem()
    every = [torch.arange(len(targets))]
    found = taken(task, (100 * logits).half(), targets, every)
    assert (
        found["utterance_error"]
        == taken(task, (100 * logits).half().float(), targets, every)["utterance_error"]
    )


def test_two_processes_find_what_one_does(tmp_path):
    processes.spawn(share, (str(tmp_path / "meet"), str(tmp_path / "found")), nprocs=2)
    task, logits, targets = problem()
    expected = taken(task, logits, targets, [torch.arange(len(targets))])
    for rank in range(2):
        found = torch.load(tmp_path / f"found{rank}.pt", weights_only=True)
        assert found["utterance_error"] == expected["utterance_error"]
        assert found == pytest.approx(expected)


# --- made from data, and refused


def test_made_from_recordings(tmp_path):
    data = open_data(f"wav:{write_flat(tmp_path / 'words')}")
    task = Frames.of(data)
    assert task.classes == 6
    assert task.example_input().shape == (1, 840)
    counts = torch.bincount(data.source.targets[data.train]).double() + 1
    assert torch.allclose(task.priors.double(), counts / counts.sum(), atol=1e-6)
    perfect = torch.nn.functional.one_hot(data.source.targets, 6).float()
    found = taken(task, 9 * perfect, data.source.targets, data.test.split(16))
    assert (found["frame_accuracy"], found["utterance_error"]) == (1.0, 0.0)


def test_other_data_is_refused():
    with pytest.raises(LimbeckError, match="digits is not frames of recordings: open them with wav:PATH"):
        Frames.of(open_data("digits"))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"starts": torch.tensor([0, 3])}, "3 starts for 2 words, not 2"),
        ({"starts": torch.tensor([0, 3, 3])}, "rising"),
        ({"starts": torch.tensor([1, 3, 6])}, "from 0 on"),
        ({"states": 0}, "need 0 classes"),
        ({"priors": torch.full((5,), 0.2)}, "larger multiple of 2, not 5"),
        ({"classes": 2}, "need 4 classes"),
        ({"priors": torch.tensor([0.5, 0.5, 0.0, 0.0])}, "a prior above 0 for each of its 4"),
        ({"priors": torch.full((4,), 0.25), "classes": 6}, "each of its 6"),
    ],
)
def test_what_does_not_agree_is_refused(given, told):
    with pytest.raises(LimbeckError, match=told):
        Frames(**{"starts": torch.tensor([0, 3, 6]), "words": torch.tensor([0, 1]), "states": 2, **given})


def test_frames_that_are_unknown_are_refused():
    task, logits, targets = problem()
    with pytest.raises(LimbeckError, match=r"needs batch.index"):
        task.metrics().update(Outputs(logits=logits), Batch(logits, targets))
    metrics = task.metrics()
    metrics.update(Outputs(logits=logits), Batch(logits, targets, torch.arange(len(targets)) + 1))
    with pytest.raises(
        LimbeckError, match="knows 45 frames, but was given frame 45: make the task from the data"
    ):
        metrics.compute()
