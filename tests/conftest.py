"""Laws are asserted outside of test modules: let pytest explain them too, before any module imports them."""

import pytest

pytest.register_assert_rewrite("laws")
