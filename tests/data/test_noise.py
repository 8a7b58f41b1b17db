"""Noise that can be drawn again."""

import pytest
import torch

from limbeck.data import Noise, Views
from limbeck.data.loader import Loader, Part
from limbeck.errors import LimbeckError
from limbeck.train import Feed


def part(count=40, seed=0, dimensions=6):
    return Part(Views(Noise(dimensions, count), seed=seed), torch.arange(count))


def drawn(epoch=0, start=0, **options):
    given = part(seed=options.pop("seed", 0))
    loader = Loader(given, 16, seed=1, **options)
    try:
        return [share.batch for step in loader.epoch(epoch, start) for share in step.shares]
    finally:
        loader.close()


def test_vectors_are_a_function_of_seed_index_and_view():
    whole = drawn(1)
    assert [each.inputs.shape for each in whole] == [(16, 6), (16, 6), (8, 6)]
    for again in (drawn(1), drawn(1, workers=2), [*whole[:1], *drawn(1, start=1)]):
        assert all(torch.equal(one.inputs, other.inputs) for one, other in zip(whole, again, strict=True))
    views = part().views
    for batch in whole:
        for sample, index, view in zip(batch.inputs, batch.index.tolist(), batch.view.tolist(), strict=True):
            assert torch.equal(views[(index, view)].inputs[0], sample)
    halves = [drawn(1, rank=rank, world=2) for rank in (0, 1)]
    for number, batch in enumerate(whole):
        assert torch.equal(halves[0][number].inputs, batch.inputs[::2])
        assert torch.equal(halves[1][number].inputs, batch.inputs[1::2])


def test_no_vector_comes_twice():
    every = torch.cat(
        [batch.inputs for seed in (0, 1) for epoch in (0, 1) for batch in drawn(epoch, seed=seed)]
    )
    assert len(every.unique(dim=0)) == len(every) == 160


def test_it_is_standard_normal():
    given = part(4000)
    values = given.views.read(given.indices, torch.zeros_like(given.indices)).inputs
    assert values.dtype == torch.float32
    assert values.mean(0).abs().max() < 0.1
    assert (torch.cov(values.T) - torch.eye(6)).abs().max() < 0.1


def test_there_are_no_targets_and_the_generators_are_left_alone():
    before = torch.get_rng_state()
    batch = drawn()[0]
    assert torch.equal(torch.get_rng_state(), before)
    assert batch.targets is None
    assert batch.labelled is None
    assert len(Feed(part()).train) == 40


def test_fingerprints_differ():
    kinds = [part(), part(seed=1), part(dimensions=7), part(41)]
    assert len({each.fingerprint() for each in kinds}) == 4
    assert part().fingerprint() == kinds[0].fingerprint()


@pytest.mark.parametrize(
    ("given", "says"), [((0, 4), "dimensions .* not 0"), ((4, -1), "count"), ((4.5, 4), "4.5")]
)
def test_nothing_to_draw_is_refused(given, says):
    with pytest.raises(LimbeckError, match=says):
        Noise(*given)
