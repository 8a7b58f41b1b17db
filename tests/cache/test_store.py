"""What is written is read again, whichever way it was written."""

import pickle
import tempfile

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings

from cache.stored import FIELDS, filled, header, put, records, right
from limbeck.cache.header import Header
from limbeck.cache.store import Store
from limbeck.errors import LimbeckError

SPARSE = torch.tensor([3, 4, 17, 900, 901, 5_000_000_000])


@given(
    samples=st.sets(st.integers(0, 10**12), min_size=1, max_size=40),
    views=st.integers(1, 3),
    block=st.integers(1, 50),
    batch=st.integers(1, 30),
    reopened=st.integers(0, 8),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=25, deadline=None)
def test_any_order_of_writing_and_reading(samples, views, block, batch, reopened, seed):
    draw = torch.Generator().manual_seed(seed)
    known = torch.tensor(sorted(samples))
    with tempfile.TemporaryDirectory() as folder:
        store = Store.create(
            folder, header(len(known), views, block), known[torch.randperm(len(known), generator=draw)]
        )
        pairs = torch.cartesian_prod(known, torch.arange(views)).view(-1, 2)
        order = torch.randint(len(pairs), (2 * len(pairs),), generator=draw)  # some twice, some never
        written = torch.zeros(len(pairs), dtype=torch.bool)
        for number, chosen in enumerate(order.split(batch)):
            if number == reopened:
                store.close()
                store = Store.open(folder, write=True)
            index, view = pairs[chosen].unbind(1)
            places = store.places(index, view)
            assert torch.equal(store.present(places), written[chosen])
            store.write(places, records(index, view))
            written[chosen] = True
            assert right(store, index, view)
        assert store.filled == written.sum()
        assert store.complete == written.all()
        store.verify()
        store.close()
        with Store.open(folder) as again:
            index, view = pairs[written].unbind(1)
            assert right(again, index, view)
            assert torch.equal(again.present(again.places(*pairs.unbind(1))), written)
            assert (again.filled, again.complete) == (written.sum(), written.all())


@pytest.mark.parametrize("samples", [torch.arange(200), SPARSE], ids=["0 to M - 1", "listed"])
def test_several_views_in_one_batch_and_samples_in_any_order(tmp_path, samples):
    filled(tmp_path, samples, views=3)
    assert (tmp_path / "samples.npy").exists() == (samples is SPARSE)
    with Store.open(tmp_path) as store:
        assert store.complete
        index = samples[torch.randint(len(samples), (64,))]
        assert right(store, index, torch.randint(3, (64,)))
        assert right(store, index, torch.full_like(index, 2))
        assert store.read("logits", torch.zeros(0, dtype=torch.int64)).shape == (0, 13)


def test_what_was_written_first_stays(tmp_path):
    with Store.create(tmp_path, header(5), torch.arange(5)) as store:
        put(store, torch.tensor([1, 1, 2]), 0)
        places = store.places(torch.tensor([1, 3]), torch.tensor([0, 0]))
        other = {name: torch.full((2, each["width"]), 9, dtype=torch.uint8) for name, each in FIELDS.items()}
        store.write(places, other)
        assert right(store, torch.tensor([1]), torch.tensor([0]))
        assert (store.read("logits", places[1:]) == 9).all()
        assert store.filled == 3


def test_any_program_with_numpy_reads_a_shard(tmp_path):
    filled(tmp_path)
    for name, each in records(torch.arange(200), torch.ones(200, dtype=torch.int64)).items():
        found = np.load(tmp_path / f"view-0001.{name}.npy", allow_pickle=False)
        assert np.array_equal(found, each.numpy())


def test_all_records_of_a_field_in_memory(tmp_path):
    filled(tmp_path, SPARSE)
    with Store.open(tmp_path) as store:
        found = store.resident("features", "cpu")
        places = store.places(SPARSE.flip(0), torch.ones(6, dtype=torch.int64))
        assert torch.equal(found[places], store.read("features", places))
        assert found.shape == (12, 8)


def test_an_incomplete_cache_is_not_held_in_memory(tmp_path):
    filled(tmp_path, part=0.5)
    with Store.open(tmp_path) as store, pytest.raises(LimbeckError, match="not complete"):
        store.resident("logits")


@pytest.mark.parametrize("part", [0.0, 0.4, 1.0])
def test_some_records_to_recompute(tmp_path, part):
    filled(tmp_path, 10 * torch.arange(200), part=part)
    with Store.open(tmp_path) as store:
        index, view = store.some(50, seed=3)
        assert len(set(zip(index.tolist(), view.tolist(), strict=True))) == 50
        assert store.present(store.places(index, view)).all()
        assert right(store, index, view)
        assert all(torch.equal(*pair) for pair in zip(store.some(50, seed=3), (index, view), strict=True))
        assert not torch.equal(store.some(50, seed=4)[0], index)
        assert len(store.some(10**6, seed=0)[0]) == store.filled == 200 + int(200 * part)
        assert part == 0.0 or view.unique().tolist() == [0, 1]


def test_nothing_written_has_no_records_to_recompute(tmp_path):
    with Store.create(tmp_path, header(), torch.arange(200)) as store:
        index, view = store.some(4, seed=0)
        assert len(index) == len(view) == store.filled == 0
        assert not store.present(torch.arange(400)).any()


def test_bytes_on_the_disk(tmp_path):
    filled(tmp_path / "a", count=4096, block=1024)
    with Store.open(tmp_path / "a") as store:
        records_alone = 4096 * 2 * store.bytes_per_view
        assert store.bytes_per_view == 13 + 8 + 1 + 4 / 1024
        assert records_alone < store.bytes < records_alone + 8 * 128 + 1024


def test_a_complete_cache_takes_nothing_more_and_says_nothing(tmp_path):
    filled(tmp_path)
    with Store.open(tmp_path, write=True) as store:
        put(store, torch.tensor([3]), 1)
        assert (store.complete, store.filled) == (True, 400)


def test_header_comes_back_as_it_was(tmp_path):
    fields = {"logits": {"width": 4, "kept": (1, 2), "scale": 0.1}}
    before = Header(4, 1, fields, {"data": "Größe"})
    Store.create(tmp_path, before, torch.arange(4)).close()
    with Store.open(tmp_path) as store:
        assert store.header == before
        assert store.header.differences({"data": "Größe"}) == []
        assert store.header.differences({"view seed": "1"}) == [
            "data: was Größe, is not told",
            "view seed: was not told, is 1",
        ]


def test_another_process_gets_a_reader_not_the_bytes(tmp_path):
    filled(tmp_path)
    with Store.open(tmp_path) as store:
        sent = pickle.dumps(store)
        assert len(sent) < 500
        with pickle.loads(sent) as again:
            assert right(again, torch.arange(9), torch.zeros(9, dtype=torch.int64))
