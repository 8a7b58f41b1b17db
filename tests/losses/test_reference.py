"""Every loss against its independent derivation in float64 (``tests/reference``)."""

import ast
from pathlib import Path

import pytest

import reference
from cases import CASES
from golden import slope

PLAIN = {"collections", "itertools", "math", "reference", "sys", "typing"}
every_case = pytest.mark.parametrize("case", CASES, ids=str)


@every_case
def test_value_is_that_of_the_formula(case):
    for each in sized(case):
        for seed, scale in enumerate(case.scales):
            student, teacher = each.student(seed, scale), each.teacher(seed + 10, scale)
            loss = each.loss(student.dtype)
            expected = each.expected(student, teacher, loss)
            assert each(student, teacher, loss).item() == pytest.approx(expected, rel=1e-9, abs=1e-12)
            assert each(student.float(), teacher.float()).item() == pytest.approx(
                expected, rel=1e-4, abs=1e-6
            )


@every_case
def test_gradient_is_that_of_the_formula(case):
    small = case.smaller()
    student, teacher = small.pair()
    small(student.requires_grad_(), teacher).backward()
    found = student.grad.flatten().tolist()
    size = max(abs(each) for each in found)
    student, loss = student.detach(), small.loss(student.dtype)
    for place, each in enumerate(found):
        assert each == pytest.approx(slope(small, student, teacher, loss, place), rel=1e-5, abs=1e-6 * size)


def sized(case):
    """Yield the case at several sizes, where the loss was not built for one."""
    yield case.smaller()
    if case.student_layers == ((6, 10),) and case.alike and not case.fixed:
        least = case.made.smallest_batch
        for shape in ((least, 2), (least + 2, 7), (8, 100)):
            yield case.reshaped(lambda _, shape=shape: shape)


@pytest.mark.parametrize(
    "path", sorted(Path(reference.__file__).parent.glob("*.py")), ids=lambda path: path.stem
)
def test_derivations_do_not_know_the_code_they_check(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        imported = [each.name for each in node.names] if isinstance(node, ast.Import) else []
        imported += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        assert {name.split(".")[0] for name in imported} <= PLAIN
