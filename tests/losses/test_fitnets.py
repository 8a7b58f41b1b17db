"""What is special to FitNets beyond the laws."""

import pytest
import torch

from laws.samples import pair
from limbeck import losses
from limbeck.errors import LimbeckError


def test_weight_means_the_same_at_every_size_of_map():
    student, teacher = pair((4, 3, 5, 2))
    larger = [each.repeat_interleave(3, 2).repeat_interleave(2, 3) for each in (student, teacher)]
    torch.testing.assert_close(losses.FitNets()(*larger), losses.FitNets()(student, teacher))


def test_refusal_names_both_shapes_and_the_adapter():
    with pytest.raises(LimbeckError, match=r"\(2, 3, 4, 4\).*\(2, 8, 4, 4\).*adapter"):
        losses.FitNets()(torch.zeros(2, 3, 4, 4), torch.zeros(2, 8, 4, 4))
