"""The command line over two processes does what it does over one."""

import json
import os
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file

from limbeck.cli import main

WORDS = ["distill", "--teacher", "mlp:16", "--student", "mlp:8", "--data", "digits", "--limit", "301"]
SHORT = ["--epochs", "2", "--seeds", "1", "--device", "cpu"]


@pytest.mark.parametrize(
    "sharding", [{}, {"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2"}], ids=["DDP", "FSDP"]
)
def test_torchrun_gives_the_run_of_one_process(tmp_path, sharding):
    one, two = tmp_path / "one", tmp_path / "two"
    assert main([*WORDS, *SHORT, "--out", str(one)]) == 0
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    said = subprocess.run(
        [*launcher, "-m", "limbeck.cli", *WORDS, *SHORT, "--out", str(two)],
        env={**os.environ, **sharding},
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )
    assert said.returncode == 0, said.stderr[-2000:]
    assert said.stdout.count("Report:") == 1
    alike, ours = load_file(one / "student.safetensors"), load_file(two / "student.safetensors")
    for name, value in alike.items():
        assert torch.allclose(ours[name], value, atol=1e-6), name
    records = [json.loads((each / "run.json").read_text()) for each in (one, two)]
    scores = [[model["scores"]["accuracy"]["values"] for model in each["models"]] for each in records]
    assert scores[0] == scores[1]
    assert records[0]["cost"]["teacher_forwards"] == records[1]["cost"]["teacher_forwards"] == 602
