"""Every example runs as it stands, and what it teaches has learnt something."""

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.py"))
EXTRAS = ("lightning", "transformers")


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_runs(path, tmp_path):
    code = path.read_text(encoding="utf-8")
    for package in EXTRAS:
        if re.search(rf"^(import|from) {package}\b", code, re.MULTILINE) and not find_spec(package):
            pytest.skip(f"{package} is not installed: pip install 'limbeck[examples]'")
    source = str(path.parents[1] / "src")
    done = subprocess.run(
        [sys.executable, path],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": source},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "limbeck" not in done.stderr, done.stderr  # no warning of ours
    scores = [float(each) for each in re.findall(r"\d+\.\d(?=%)|(?<=Acc@1 )\d+\.\d", done.stdout)]
    assert len(scores) >= 2
    assert min(scores) > 70


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_is_short(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) < 40
