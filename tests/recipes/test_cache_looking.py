"""A run's cache is found where the run keeps it."""

import pytest
import torch

from limbeck import LimbeckError
from limbeck.cache import Header, Store
from limbeck.recipes.cache_looking import cache_info, located, verify_cache


def made(folder):
    with Store.create(folder, Header(2, 1, {"logits": {"width": 1}}), torch.arange(2)):
        return folder


def test_one_cache_is_found_from_its_folder_and_from_its_run(tmp_path):
    place = made(tmp_path / "run" / "cache" / "abc")
    for name in (place, place.parent, tmp_path / "run"):
        assert located(name) == place
        verify_cache(name)
        cache_info(name)


def test_of_several_one_is_to_be_named(tmp_path):
    made(tmp_path / "run" / "cache" / "abc")
    made(tmp_path / "run" / "cache" / "def")
    with pytest.raises(LimbeckError, match=r"has 2 caches: name one of .*abc, .*def\.$"):
        located(tmp_path / "run")


def test_where_there_is_none_its_folder_is_told(tmp_path):
    with pytest.raises(LimbeckError, match=r"No cache in .*nothing"):
        verify_cache(tmp_path / "nothing")
