"""Several processes: killed ones, two writers, readers beside a writer."""

import os
import random
import signal
import time

import pytest
import torch

from cache.stored import files, filled, forked, header, put, records, right
from limbeck.cache.store import Store
from limbeck.cache.view import View
from limbeck.errors import LimbeckError

COUNT, VIEWS, BATCH = 1500, 2, 16
SURE_KILLS = 4


def fill(folder, most=None):
    """Write what is missing, in an order of its own; after ``most`` batches that were missing, wait to be killed."""
    if (folder / "cache.json").exists():
        store = Store.open(folder, write=True)
    else:
        store = Store.create(folder, header(COUNT, VIEWS), torch.arange(COUNT) * 3)
    for view in range(VIEWS):
        for index in torch.randperm(COUNT).split(BATCH):
            before = store.filled
            put(store, index * 3, view)
            if most is not None and store.filled > before:
                most -= 1
            if most == 0:
                signal.pause()
    store.close()


def ended(number):
    """Wait for a process and return how it ended."""
    return os.waitstatus_to_exitcode(os.waitpid(number, 0)[1])


def killed_until_done(folder, draw, took):
    """Fill, killed after a random part of what all takes; the first kills come before it can have ended."""
    for kill in range(100):
        most = draw.randrange(1, 40) if kill < SURE_KILLS else None
        child = forked(lambda most=most: fill(folder, most))
        time.sleep(draw.uniform(0, took))
        os.kill(child, signal.SIGKILL)
        if ended(child) == 0:
            assert kill >= SURE_KILLS
            return
    assert ended(forked(lambda: fill(folder))) == 0


def killed_at_random(tmp_path, seed):
    """Assert that a cache whose filling was killed again and again equals one that was filled at once."""
    begun = time.perf_counter()
    fill(tmp_path / "whole")
    killed_until_done(tmp_path / "killed", random.Random(seed), time.perf_counter() - begun)
    assert files(tmp_path / "killed") == files(tmp_path / "whole"), f"seed {seed}"
    with Store.open(tmp_path / "killed") as store:
        assert store.complete
        store.verify()


@pytest.mark.parametrize("repeat", range(3))
def test_killed_at_random_moments_ends_with_the_same_bytes(tmp_path, repeat):
    killed_at_random(tmp_path, random.SystemRandom().randrange(10**6))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_killed_very_often(tmp_path, seed):
    killed_at_random(tmp_path, seed)


def test_a_record_without_its_mark_was_never_written(tmp_path):
    filled(tmp_path, part=0.5)
    shard = tmp_path / "view-0001.logits.npy"
    contents = bytearray(shard.read_bytes())
    contents[-13 * 20 :] = bytes(range(130)) * 2  # 20 records half written by a process that died
    shard.write_bytes(contents)
    with Store.open(tmp_path, write=True) as store:
        assert store.filled == 300
        put(store, torch.arange(200), 1)
        assert store.complete
        assert right(store, torch.arange(200), torch.ones(200, dtype=torch.int64))


@pytest.mark.parametrize("view", [0, 1])
def test_a_block_filled_but_not_sealed_is_sealed_when_opened(tmp_path, monkeypatch, view):
    """The last block of all as well: then only the header had to be written."""
    filled(tmp_path / "whole")

    def died(*_):
        raise KeyboardInterrupt

    store = Store.create(tmp_path / "killed", header(), torch.arange(200))
    for number in range(view):
        put(store, torch.arange(200), number)
    with monkeypatch.context() as patched:
        patched.setattr(View, "_sum", died)
        with pytest.raises(KeyboardInterrupt):
            put(store, torch.arange(200), view)
    store._lock.release()
    with Store.open(tmp_path / "killed") as reader:
        assert right(reader, torch.arange(200), torch.full((200,), view))  # by their marks
    with Store.open(tmp_path / "killed", write=True) as store:
        assert store.complete == (view == 1)
        put(store, torch.arange(200), 1)
    assert files(tmp_path / "killed") == files(tmp_path / "whole")


@pytest.mark.parametrize("written", [0, 1, 2, 3])
def test_killed_while_a_view_is_made(tmp_path, monkeypatch, written):
    """Nothing of the view counts before its last file is there, and parts left behind are removed."""
    from limbeck.cache import view as module

    filled(tmp_path / "whole")
    store = Store.create(tmp_path / "killed", header(), torch.arange(200))
    real, made = module.reserve, []

    def dies(path, *described):
        if len(made) == written:
            path.with_name(f".{path.name}.abc_1.part").write_bytes(b"half")
            raise KeyboardInterrupt
        made.append(path)
        real(path, *described)

    with monkeypatch.context() as patched:
        patched.setattr(module, "reserve", dies)
        with pytest.raises(KeyboardInterrupt):
            put(store, torch.arange(200), 0)
    store._lock.release()
    with Store.open(tmp_path / "killed") as reader:
        assert not reader.present(torch.arange(400)).any()
    with Store.open(tmp_path / "killed", write=True) as store:
        for view in range(2):
            put(store, torch.arange(200), view)
    assert files(tmp_path / "killed") == files(tmp_path / "whole")


def test_killed_before_the_header_was_written(tmp_path):
    """What is left of making the same cache does not hinder making it; what is another's does."""
    samples = torch.arange(200) * 3
    filled(tmp_path / "whole", samples)
    folder = tmp_path / "killed"
    filled(folder, samples)
    for each in folder.iterdir():
        if each.name not in {"samples.npy", "lock"}:
            each.unlink()
    (folder / ".cache.json.x1_y.part").write_text("{")
    with pytest.raises(LimbeckError, match=r"holds other files \(samples.npy\)"):
        filled(folder, samples + 1)
    filled(folder, samples)
    (folder / ".cache.json.x1_y.part").unlink(missing_ok=True)
    assert files(folder) == files(tmp_path / "whole")


def test_two_writers(tmp_path):
    filled(tmp_path, part=0.5)
    ready, told = os.pipe()

    def hold():
        store = Store.open(tmp_path, write=True)
        put(store, torch.tensor([100]), 1)
        os.write(told, b"!")
        time.sleep(60)

    child = forked(hold)
    try:
        os.read(ready, 1)
        with pytest.raises(LimbeckError, match=r"being written by another process\. Wait until it has ended"):
            Store.open(tmp_path, write=True)
        with pytest.raises(LimbeckError, match="already"):
            Store.create(tmp_path, header(), torch.arange(200))
        with Store.open(tmp_path) as reader:  # readers are welcome
            assert right(reader, torch.arange(100), torch.ones(100, dtype=torch.int64))
    finally:
        os.kill(child, signal.SIGKILL)
        ended(child)
    Store.open(tmp_path, write=True).close()  # the lock died with its process


def test_two_writers_in_one_process(tmp_path):
    filled(tmp_path, part=0.5)
    with Store.open(tmp_path, write=True), pytest.raises(LimbeckError, match="being written"):
        Store.open(tmp_path, write=True)
    Store.open(tmp_path, write=True).close()


def test_a_forked_process_does_not_write_and_does_not_free_the_lock(tmp_path):
    filled(tmp_path, part=0.5)
    with Store.open(tmp_path, write=True) as store:

        def tries():
            with pytest.raises(LimbeckError, match="only by the process that opened it"):
                put(store, torch.tensor([199]), 1)
            store.close()

        assert ended(forked(tries)) == 0
        with pytest.raises(LimbeckError, match="being written"):
            Store.open(tmp_path, write=True)
        put(store, torch.arange(200), 1)
        assert store.complete


def test_two_readers_while_one_writes(tmp_path):
    store = Store.create(tmp_path, header(COUNT, VIEWS), torch.arange(COUNT))

    def reads():
        generator, seen = torch.Generator().manual_seed(os.getpid()), 0
        with Store.open(tmp_path) as reader:
            while seen < COUNT * VIEWS:
                seen = reader.filled
                index = torch.randint(COUNT, (64,), generator=generator)
                view = torch.randint(VIEWS, (64,), generator=generator)
                there = reader.present(reader.places(index, view))
                assert right(reader, index[there], view[there])
            reader.verify()

    children = [forked(reads) for _ in range(2)]
    for view in range(VIEWS):
        for index in torch.randperm(COUNT).split(BATCH):
            put(store, index, view)
    store.close()
    assert [ended(each) for each in children] == [0, 0]


def test_a_reader_looks_again_at_a_record_that_arrives_after_its_mark(tmp_path, monkeypatch):
    """Some processors show another process two writes in the other order."""
    filled(tmp_path, part=0.5)
    shard = tmp_path / "view-0001.logits.npy"
    whole = shard.read_bytes()
    end = len(whole) - 13 * 101
    with Store.open(tmp_path) as reader:
        with shard.open("r+b") as file:
            file.seek(end)
            file.write(bytes(13))

        def arrives(_):
            with shard.open("r+b") as file:
                file.seek(end)
                file.write(whole[end : end + 13])

        monkeypatch.setattr(time, "sleep", arrives)
        assert right(reader, torch.arange(90, 100), torch.ones(10, dtype=torch.int64))
    assert records(torch.arange(1), torch.arange(1)).keys() == {"logits", "features"}
