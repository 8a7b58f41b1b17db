"""Two processes compute what one does on the joined batch, and count each sample once."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from train import together
from train.toys import single_thread

SCRIPT = Path(together.__file__)
OTHERS = (
    "evaluated", "memories", "one_to_judge", "resumed", "stopped", "sharded_resumed", "sharding_refused",
)  # fmt: skip
TRAININGS = [name for name in together.SCENARIOS if name not in OTHERS]


def launch(out, *names):
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        SCRIPT,
        out,
        *names,
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.run(
        [str(each) for each in command],
        env=environment,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """Return what two processes found in each scenario, up to the first that failed."""
    out = tmp_path_factory.mktemp("two") / "found.pt"
    told = launch(out)
    return (torch.load(out, weights_only=True) if out.exists() else {}), told.stderr


@pytest.mark.parametrize("name", TRAININGS)
def test_two_processes_train_as_one_does(two, name):
    found, error = two
    assert name in found, error[-3000:]
    with single_thread():
        expected = together.SCENARIOS[name]()
    assert found[name]["steps"] == expected["steps"]
    assert found[name]["samples"] == expected["samples"]
    for which in ("weights", "best"):
        for key, value in expected[which].items():
            torch.testing.assert_close(found[name][which][key], value, rtol=0, atol=1e-6)
    for ours, theirs in zip(found[name]["history"], expected["history"], strict=True):
        assert ours.pop("role") == theirs.pop("role")
        # absolute, for losses that are small differences of larger numbers
        assert ours == pytest.approx(theirs, rel=1e-5, abs=1e-6)
    assert found[name]["score"] == pytest.approx(expected["score"], rel=1e-6)


def test_an_odd_number_of_samples_is_counted_once_each(two):
    found, error = two
    assert "evaluated" in found, error[-3000:]
    expected = together.evaluated()
    assert found["evaluated"]["scores"] == pytest.approx(expected["scores"], rel=1e-5)
    assert found["evaluated"]["confusion"] == expected["confusion"]
    assert sum(map(sum, expected["confusion"])) == 33


def test_part_too_small_to_share_is_refused_before_the_first_step(two):
    found, error = two
    assert "one_to_judge" in found, error[-3000:]
    assert "1 sample" in found["one_to_judge"]["refused"]
    assert found["one_to_judge"]["steps"] == 0
    assert together.one_to_judge()["steps"] == 8  # one process can judge by one sample


def test_two_processes_resume_to_the_same_bits(two):
    found, error = two
    assert "resumed" in found, error[-3000:]
    assert found["resumed"]["same"]
    with single_thread():
        assert together.resumed()["same"]


def test_a_signal_to_one_process_stops_both_after_the_same_step(two):
    found, error = two
    assert "stopped" in found, error[-3000:]
    assert found["stopped"] == {"same": True, "steps": 3}
    with single_thread():
        assert together.stopped() == {"same": True, "steps": 3}


def test_sharded_student_resumes_to_the_same_bits(two):
    found, error = two
    assert "sharded_resumed" in found, error[-3000:]
    assert found["sharded_resumed"]["same"]


def test_what_cannot_be_sharded_yet_is_told_before_the_first_step(two):
    found, error = two
    assert "sharding_refused" in found, error[-3000:]
    told = found["sharding_refused"]
    assert "does not shard Phased" in told["phases"]
    assert "DDP" in told["phases"]
    assert "does not shard Derived" in told["derived"]  # it may read weights outside a forward
    assert told["ema"].startswith("train.ema and train.compile cannot be used while the student is sharded")
    assert "--fsdp_version 2" in told["version"]
    assert "leave out --fsdp_offload_params" in told["offload"]
    assert not any(together.sharding_refused().values())  # one process holds the whole student


def test_memories_hold_what_all_processes_saw(two):
    """That every process holds the same is checked among the processes; here, that all samples are in it."""
    found, error = two
    assert "memories" in found, error[-3000:]
    with single_thread():
        alone = together.memories()
    for name, value in found["memories"]["weights"].items():
        moved = (value - alone["weights"][name]).abs().amax(1)
        assert (moved[40:] == 0).all()  # rows of samples that nobody trains on stay as they were drawn
        assert (value[:40].norm(dim=1) - 1).abs().max() < 1e-4  # those of the others are unit embeddings
