"""A generator of small images."""

import pytest
import torch

from limbeck import LimbeckError
from limbeck.models import Generator


def noise(rows=16, width=6):
    return torch.randn(rows, width, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 32, 32), (1, 7, 5), (2, 1, 1), (1, 3, 18), (1, 28, 28)])
@pytest.mark.parametrize("width", [1, 6])
def test_makes_images_of_any_size(shape, width):
    made = Generator(6, shape, width=width)(noise())
    assert made.shape == (16, *shape)
    assert torch.isfinite(made).all()


def test_a_batch_has_the_mean_and_spread_of_what_the_teacher_reads():
    made = Generator(6, (2, 9, 9), width=8, mean=(1.0, -3.0), std=(0.5, 2.0))(noise(64))
    torch.testing.assert_close(made.mean((0, 2, 3)), torch.tensor([1.0, -3.0]), atol=1e-4, rtol=0)
    torch.testing.assert_close(made.std((0, 2, 3)), torch.tensor([0.5, 2.0]), atol=1e-2, rtol=1e-2)


def test_all_of_it_learns_and_is_saved():
    net = Generator(6, (1, 8, 8), width=4)
    weights = torch.randn(16, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    (net(noise()) * weights).sum().backward()
    assert all(
        each.grad is not None and each.grad.abs().sum() > 0 for each in net.parameters() if each.dim() < 4
    )
    assert set(dict(net.named_parameters())) <= set(net.state_dict())
    twin = Generator(6, (1, 8, 8), width=4)
    twin.load_state_dict(net.state_dict())
    assert torch.equal(twin.eval()(noise()), net.eval()(noise()))


def test_other_noise_makes_other_images():
    net = Generator(6, (1, 8, 8), width=4).eval()
    assert not torch.allclose(net(noise()), net(noise().flip(0)))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"noise": 0}, "noise must be a whole number"),
        ({"shape": (8, 8)}, r"not of \(8, 8\): for tables of features"),
        ({"shape": (1, 0, 8)}, "each size of an image"),
        ({"shape": 5}, "not of 5"),
        ({"width": 0}, "width must be"),
        ({"std": 0.0}, "std must be"),
        ({"mean": float("nan")}, "mean must be"),
        ({"mean": (1.0, 2.0)}, "one for each of 1 channels, not 2"),
    ],
)
def test_what_cannot_be_made_is_refused(given, message):
    with pytest.raises(LimbeckError, match=message):
        Generator(**{"noise": 6, "shape": (1, 8, 8), **given})
