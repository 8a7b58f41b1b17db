"""Laws are asserted outside of test modules: let pytest explain them too."""

import pytest

pytest.register_assert_rewrite("laws")
