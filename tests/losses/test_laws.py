"""Every loss against the laws. The table is ``tests/cases``: a new loss adds one entry to it."""

import pytest

from cases import CASES, feature, relation, response
from laws import ALWAYS, OPTIONAL, WRITTEN
from limbeck import losses
from limbeck.errors import LimbeckError

FIRST = list({case.made: case for case in reversed(CASES)}.values())[::-1]
every_case = pytest.mark.parametrize("case", CASES, ids=str)


@pytest.mark.parametrize("name", sorted(set(losses.__all__) - {"DistillationLoss"}))
def test_every_loss_has_an_entry_under_its_kind(name):
    tables = {"response": response.CASES, "feature": feature.CASES, "relation": relation.CASES}
    found = {kind for kind, cases in tables.items() for case in cases if case.made.__name__ == name}
    kind = getattr(losses, name).kind
    assert found == {kind}, f"{name} is of kind {kind}: its Case belongs into tests/cases/{kind}.py"


def test_entries_differ_and_name_laws_that_exist():
    assert len({str(case) for case in CASES}) == len(CASES)
    for case in CASES:
        assert case.made.__name__ in losses.__all__, case
        assert case.laws <= set(OPTIONAL), case
        assert set(case.exempt) <= set(ALWAYS) | set(WRITTEN), case


@pytest.mark.parametrize("law", ALWAYS)
@every_case
def test_law_of_every_loss(case, law):
    if law in case.exempt:
        refutes(case, ALWAYS[law])
    else:
        ALWAYS[law](case)


@pytest.mark.parametrize("law", OPTIONAL)
@every_case
def test_law_holds_where_it_is_declared_and_nowhere_else(case, law):
    if law in case.laws:
        OPTIONAL[law](case)
    else:
        refutes(case, OPTIONAL[law])


@pytest.mark.parametrize("law", WRITTEN)
@pytest.mark.parametrize("case", FIRST, ids=lambda case: case.made.__name__)
def test_law_of_every_class(case, law):
    if law in case.exempt:
        refutes(case, WRITTEN[law])
    else:
        WRITTEN[law](case)


def refutes(case, law):
    """Assert that the law fails; a loss that refuses the law's input in words does not obey it either."""
    try:
        law(case)
    except (AssertionError, LimbeckError, pytest.fail.Exception):
        return
    pytest.fail(
        f"{law.__name__} holds for {case}: declare it among its laws, or take it out of its exemptions"
    )
