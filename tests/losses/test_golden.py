"""Values that no refactor may change."""

import pytest

from cases import CASES
from golden import waves


@pytest.mark.parametrize("case", CASES, ids=str)
def test_value_and_gradient_are_as_they_were(case):
    assert case.frozen, f"run python tests/golden/freeze.py {case.made.__name__}"
    small, student, teacher, loss = waves(case)
    value = small(student.requires_grad_(), teacher, loss)
    value.backward()
    found = value.item(), student.grad.norm().item()
    assert found == pytest.approx(case.frozen, rel=1e-7, abs=1e-12)
