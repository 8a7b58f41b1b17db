"""Laws are asserted outside of test modules: let pytest explain them too, before any module imports them."""

import pytest
import torch

pytest.register_assert_rewrite("laws")


@pytest.fixture(autouse=True)
def seeded():
    """Let every test draw the same numbers each time, whatever ran before it."""
    torch.manual_seed(0)
