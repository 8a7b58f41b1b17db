"""Rules of the house that neither ruff nor import-linter can say."""

import ast
from pathlib import Path

import pytest

from limbeck import schemes

SOURCES = sorted((Path(__file__).parents[1] / "src" / "limbeck").rglob("*.py"))


def named(path: Path) -> str:
    return str(path.relative_to(path.parents[len(path.parts) - path.parts.index("limbeck") - 2]))


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_module_is_short_and_has_a_telling_name(path):
    lines = path.read_text(encoding="utf-8").count("\n")
    assert lines <= 300
    assert not {"utils", "util", "helpers", "common", "misc"} & {
        each.lower() for each in path.with_suffix("").parts
    }


def test_train_names_no_concrete_scheme():
    concrete = set(schemes.__all__) - {"Scheme", "Term"}
    for path in SOURCES:
        if "train" in path.parts:
            tree = ast.parse(path.read_text(encoding="utf-8"))
            names = {each.id for each in ast.walk(tree) if isinstance(each, ast.Name)}
            names |= {each.attr for each in ast.walk(tree) if isinstance(each, ast.Attribute)}
            assert not names & concrete, path


def test_checkpoints_are_loaded_as_weights_only():
    for path in SOURCES:
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and ast.unparse(call.func) == "torch.load":
                safe = [ast.unparse(each.value) for each in call.keywords if each.arg == "weights_only"]
                assert safe == ["True"], path
