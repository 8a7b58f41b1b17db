import pytest
import torch

from laws.samples import random
from limbeck.functional import cosines, distances, gram, squared_distances
from limbeck.functional.relation import centred, flattened, unit


def by_differences(samples):
    return (samples[:, None] - samples[None]).square().sum(2)


@pytest.mark.parametrize(
    "samples",
    [
        random(0, (6, 9)),
        random(0, (6, 9)) + 1e4,
        1e-3 * random(0, (6, 9)) + random(1, (1, 9)),
        random(0, (6, 1)),
        random(0, (150, 700)),
    ],
    ids=["ordinary", "large common mean", "near rows", "one feature", "many of many"],
)
def test_distances_are_those_of_differences_in_double_precision(samples):
    expected = by_differences(samples.double())
    torch.testing.assert_close(squared_distances(samples), expected, rtol=1e-7, atol=0)
    torch.testing.assert_close(distances(samples), expected.sqrt().float(), rtol=2e-7, atol=0)


def test_two_near_rows_among_others_keep_their_distance():
    samples = random(0, (6, 9))
    samples[1] = samples[0] + 1e-4 * random(1, (9,))
    torch.testing.assert_close(
        squared_distances(samples), by_differences(samples.double()), rtol=1e-6, atol=0
    )


def test_equal_rows_are_at_distance_zero_and_get_no_gradient_from_each_other():
    samples = random(0, (300, 7))[torch.arange(300) % 3].requires_grad_()  # sums of 300 equal rows round
    apart = distances(samples)
    same = torch.arange(300)[:, None] % 3 == torch.arange(300) % 3
    assert torch.equal(apart == 0, same)
    (gradient,) = torch.autograd.grad(apart[same].sum(), samples)
    assert torch.equal(gradient, torch.zeros_like(gradient))


def test_distance_has_the_gradient_of_finite_differences():
    samples = random(0, (5, 3)).double().requires_grad_()
    assert torch.autograd.gradcheck(distances, (samples,))
    assert torch.autograd.gradcheck(lambda known: cosines(known.flatten(1)), (samples,))


def test_gram_can_be_differentiated_twice():
    assert torch.autograd.gradgradcheck(gram, (random(0, (2, 3, 4)).double().requires_grad_(),))


def test_gram_keeps_full_precision_under_autocast_forward_and_backward():
    samples = random(0, (6, 9))
    found = []
    for autocast in (False, True):
        leaf = samples.clone().requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            product = gram(leaf)
            product.square().sum().backward()
        found.append((product.detach(), leaf.grad))
    assert torch.equal(found[0][0], found[1][0])
    assert torch.equal(found[0][1], found[1][1])


def test_zero_rows_have_no_direction_and_no_gradient():
    samples = torch.tensor([[0.0, 0.0], [1.0, 0.0]], requires_grad=True)
    cosines(samples).sum().backward()
    assert torch.equal(samples.grad, torch.zeros(2, 2))
    assert torch.equal(unit(samples.detach()), samples.detach())


def test_centring_equal_values_leaves_nothing():
    assert torch.equal(centred(torch.full((7, 3), 0.1), 0), torch.zeros(7, 3))
    assert centred(torch.tensor([0.1, 0.1, 0.1 + 1e-4]), 0).abs().min() > 0


def test_subnormal_half_precision_counts_as_zero():
    samples = torch.tensor([[1e-6, 1.0]], dtype=torch.float16)
    assert flattened(samples).tolist() == [[0.0, 1.0]]
    assert flattened(samples.bfloat16()).tolist() != [[0.0, 1.0]]


def test_distances_can_be_differentiated_twice():
    samples = random(0, (4, 3)).double().requires_grad_()
    assert torch.autograd.gradgradcheck(lambda known: distances(known).square(), (samples,))
    assert torch.autograd.gradgradcheck(squared_distances, (samples,))
