"""The loss that ``docs/howto/add-a-loss.md`` adds obeys the laws, its formula and its frozen value as it says there."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest

import reference.response
from cases import response
from golden import waves
from laws import ALWAYS, OPTIONAL, WRITTEN

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "add-a-loss.md"


@pytest.fixture(scope="module")
def case():
    """Return the page's entry, of the page's loss and formula."""
    code, formula, entry, *_ = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.M | re.S)
    made, derived = {"__name__": "spherical_kd"}, dict(vars(reference.response))
    exec(code, made)
    exec(formula, derived)
    known = {"losses": SimpleNamespace(**made), "derive": SimpleNamespace(**derived)}
    return eval(entry.strip().rstrip(","), {**vars(response), **known})


@pytest.mark.parametrize("law", [*ALWAYS, *OPTIONAL, *WRITTEN])
def test_law(case, law):
    if law in ALWAYS or law in WRITTEN or law in case.laws:
        (ALWAYS | OPTIONAL | WRITTEN)[law](case)
    else:
        with pytest.raises(AssertionError):
            OPTIONAL[law](case)


def test_value_is_that_of_the_formula_and_frozen(case):
    small, student, teacher, loss = waves(case)
    value = small(student, teacher, loss).item()
    assert value == pytest.approx(small.expected(student, teacher, loss), rel=1e-9)
    assert value == pytest.approx(case.frozen[0], rel=1e-7)
