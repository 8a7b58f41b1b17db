"""What a cache refuses, in a sentence, before a byte of it is read as a number."""

import contextlib
import errno
import os
import pickle
import re
import resource
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from cache.stored import edit, files, filled, flip, header, ordinary_person, put, right
from limbeck.cache import view as view_module
from limbeck.cache.header import Header
from limbeck.cache.store import Store
from limbeck.cache.view import shapes, shard
from limbeck.errors import LimbeckError
from limbeck.files import NoSpaceError

ALL = torch.arange(200)
WAY_OUT = re.compile(
    r"Did you mean|Raise|Delete|delete|build|Build|Use|Name|Look|Change|Wait|Free|Go on|[Oo]pen it|Ask|ask"
)


def refused(work, *words):
    """Assert that ``work`` is refused in a sentence that holds the words and says what to do."""
    with pytest.raises(LimbeckError) as caught:
        work()
    message = str(caught.value)
    for each in words:
        assert str(each) in message, message
    assert WAY_OUT.search(message), message
    assert message.endswith((".", "?"))
    return caught.value


def open_and_read(folder, view=1, write=False):
    with Store.open(folder, write=write) as store:
        store.read("logits", store.places(ALL, torch.full_like(ALL, view)))


def verify(folder):
    with Store.open(folder) as store:
        store.verify()


# The header


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"format": "something"}, "not the header of a cache"),
        ({"version": 2}, "format version 2"),
        ({"version": "1"}, "format version '1'"),
        ({"version": True}, "format version True"),
        ({"drop": ["block"]}, "lacks block"),
        ({"drop": ["sum"]}, "lacks sum"),
        ({"colour": "red"}, "unknown entries: colour"),
        ({"samples": "200"}, "samples must be of type int"),
        ({"samples": True}, "samples must be of type int"),
        ({"samples": 0}, "samples of a cache"),
        ({"views": -1}, "views of a cache"),
        ({"views": 10_000}, "at most 9999 views"),
        ({"about": {"data": 7}}, "words for words"),
        ({"fields": {}}, "at least one field"),
        ({"fields": {"../../x": {"width": 1}}}, "'../../x'"),
        ({"fields": {"marks": {"width": 1}}}, "'marks'"),
        ({"fields": {"logits": {}}}, "must say its width"),
        ({"fields": {"logits": {"width": 0}}}, "width of the cache's field logits"),
        ({"fields": {"logits": 13}}, "must say its width"),
        ({"complete": 1}, "complete must be of type bool"),
        ({"sign": False, "about": {"augmentation": "none"}}, "was altered"),
    ],
)
def test_header_that_is_not_right(tmp_path, changes, words):
    filled(tmp_path)
    edit(tmp_path, **changes)
    refused(lambda: Store.open(tmp_path), tmp_path / "cache.json", words)
    refused(lambda: Store.open(tmp_path, write=True), words)


@pytest.mark.parametrize("contents", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000, b"null", b'{"a": 1}'])
def test_header_that_is_none(tmp_path, contents):
    filled(tmp_path)
    (tmp_path / "cache.json").write_bytes(contents)
    refused(lambda: Store.open(tmp_path), tmp_path / "cache.json")


def test_header_of_other_numbers_does_not_fit_the_files(tmp_path):
    """Somebody who knows how the checksum is made can change the header, and gains nothing."""
    for number, changes in enumerate(
        [{"samples": 100}, {"views": 3}, {"block": 64}, {"fields": {"logits": {"width": 13}}}, {"about": {}}]
    ):
        folder = filled(tmp_path / str(number))
        edit(folder, **changes)
        refused(lambda folder=folder: open_and_read(folder, view=0), folder)


def test_no_cache(tmp_path):
    refused(lambda: Store.open(tmp_path / "none"), tmp_path / "none", "cache.json is missing")
    refused(lambda: Store.open(tmp_path), "cache.json is missing")
    (tmp_path / "file").write_text("x")
    refused(lambda: Store.open(tmp_path / "file"), "is a file")
    refused(lambda: filled(tmp_path / "file"), "cannot be a cache's folder")


def test_folder_that_holds_something(tmp_path):
    (tmp_path / "photo.jpg").write_text("x")
    refused(lambda: filled(tmp_path), "photo.jpg", "folder of its own")
    assert [each.name for each in tmp_path.iterdir()] == ["photo.jpg"]
    filled(tmp_path / "cache", part=0.5)
    refused(lambda: filled(tmp_path / "cache"), "There is a cache in")


@pytest.mark.parametrize(
    ("samples", "words"),
    [
        (torch.arange(5), "5 are given"),
        (torch.arange(200).float(), "int64"),
        (torch.arange(200).view(2, 100), "int64 (M,)"),
        (torch.arange(200) // 2, "each of them once"),
        (torch.arange(200) - 1, "at least 0"),
    ],
)
def test_samples_that_are_not_right(tmp_path, samples, words):
    with pytest.raises(LimbeckError, match=re.escape(words)):
        Store.create(tmp_path / "new", header(), samples)
    assert not (tmp_path / "new").exists()


# Files


NAMES = [
    "view-0001.logits.npy",
    "view-0001.features.npy",
    "view-0001.marks.npy",
    "view-0001.sums.npy",
    "samples.npy",
]


@pytest.mark.parametrize("write", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_truncated_file(tmp_path, name, write):
    for number, left in enumerate((0, 5, 64, 128, -1)):
        folder = filled(tmp_path / str(number), 3 * ALL)
        contents = (folder / name).read_bytes()
        (folder / name).write_bytes(contents[:left])
        refused(lambda folder=folder: Store.open(folder, write=write), folder / name)
        assert (folder / name).read_bytes() == contents[:left]  # opening does not lengthen it


@pytest.mark.parametrize("name", NAMES)
def test_missing_file(tmp_path, name):
    filled(tmp_path, 3 * ALL)
    (tmp_path / name).unlink()
    refused(lambda: Store.open(tmp_path), tmp_path / name, "is missing")


@pytest.mark.parametrize("name", NAMES)
def test_file_that_is_too_long(tmp_path, name):
    filled(tmp_path, 3 * ALL)
    with (tmp_path / name).open("ab") as file:
        file.write(b"\0")
    refused(lambda: Store.open(tmp_path), tmp_path / name, "too long")


def foreign(kind, shape, dtype):
    generator = np.random.default_rng(0)
    array = generator.integers(0, 255, shape).astype(dtype)
    return {
        "other shape": array[1:],
        "other type": array.astype("<i2"),
        "other order": np.asfortranarray(np.stack([array] * 2)),
        "same shape": array,
    }[kind]


@pytest.mark.parametrize("kind", ["other shape", "other type", "other order", "same shape"])
@pytest.mark.parametrize("name", NAMES)
def test_foreign_array(tmp_path, name, kind):
    filled(tmp_path, 3 * ALL)
    old = np.load(tmp_path / name)
    np.save(tmp_path / name, foreign(kind, old.shape, old.dtype))

    def read():
        with Store.open(tmp_path) as store:
            store.read("logits", ALL + 200)

    refused(read, name)


class Bomb:
    went_off = False

    def __reduce__(self):
        return setattr, (Bomb, "went_off", True)


@pytest.mark.parametrize("name", NAMES)
def test_pickle_in_an_array_is_not_opened(tmp_path, name):
    filled(tmp_path, 3 * ALL)
    old = np.load(tmp_path / name)
    bombs = np.full(old.shape, None, object)
    bombs.flat[0] = Bomb()
    np.save(tmp_path / name, bombs, allow_pickle=True)
    refused(lambda: Store.open(tmp_path), tmp_path / name, "object")
    (tmp_path / name).write_bytes(pickle.dumps(Bomb()))
    refused(lambda: Store.open(tmp_path), tmp_path / name)
    assert not Bomb.went_off


def test_views_of_another_cache_and_of_another_view(tmp_path):
    """Whole and well-formed shards in the wrong place are noticed, too: the checksums are salted."""
    one = filled(tmp_path / "one")
    other = filled(tmp_path / "other", about={"teacher weights": "another teacher's"})
    for each in other.glob("view-0001.*"):
        shutil.copy(each, one)
    open_and_read(one, view=0)
    refused(lambda: open_and_read(one, view=1), "Block 0 of view 1", "view-0001.logits.npy")
    for each in one.glob("view-0000.*"):
        shutil.copy(each, one / each.name.replace("0000", "0001"))
    refused(lambda: open_and_read(one, view=1), "Block 0 of view 1")


# Flipped bits


@pytest.mark.parametrize("name", ["logits", "features", "marks", "sums"])
def test_flipped_bit_in_a_sealed_block(tmp_path, name):
    for number, (byte, bit) in enumerate([(-1, 0), (-1, 7), (-3, 3), (-9, 4), (128, 2)]):
        folder = filled(tmp_path / str(number))
        flip(folder / f"view-0001.{name}.npy", byte, bit)
        open_and_read(folder, view=0)
        for look in (open_and_read, verify):
            refused(
                lambda folder=folder, look=look: look(folder), f"view-0001.{name}.npy", "of view 1", "damaged"
            )


def test_only_the_damaged_block_is_refused_until_it_is_touched(tmp_path):
    filled(tmp_path)
    flip(tmp_path / "view-0001.logits.npy", -1)
    with Store.open(tmp_path) as store:
        assert right(store, ALL[:192], torch.ones_like(ALL[:192]))
        refused(lambda: store.read("logits", torch.tensor([200 + 192])), "samples 192 to 199")
        refused(lambda: store.read("features", torch.tensor([200 + 192])), "Block 6 of view 1")
        refused(lambda: store.resident("features"), "Block 6 of view 1")


def test_flipped_bit_is_seen_although_the_block_was_read_before(tmp_path):
    """Reading checks a block once; verify checks all of them again."""
    filled(tmp_path)
    with Store.open(tmp_path) as store:
        assert right(store, ALL, torch.ones_like(ALL))
        path = tmp_path / "view-0001.logits.npy"
        with path.open("r+b") as file:
            file.seek(-1, 2)
            file.write(b"\xee")
        refused(store.verify, "Block 6 of view 1")


@pytest.mark.parametrize("name", ["logits", "features", "marks"])
def test_flipped_bit_in_an_unsealed_block(tmp_path, monkeypatch, name):
    """The last block of a view half written: of 200 records, 192 lie in sealed blocks and 3 behind them."""
    monkeypatch.setattr(view_module, "PAUSE", 0)
    width = {"logits": 13, "features": 8, "marks": 1}[name]
    folder = filled(tmp_path, part=195 / 200)
    path, start = folder / f"view-0001.{name}.npy", -width * (200 - 193)

    for byte in range(width):
        for bit in range(8):
            flip(path, start + byte, bit)
            with Store.open(folder) as store:
                assert right(store, ALL[:192], torch.ones_like(ALL[:192]))
                with contextlib.suppress(LimbeckError):
                    store.read("logits", torch.tensor([200 + 193]))
                    pytest.fail(f"bit {bit} of byte {byte} was not noticed")

                refused(store.verify, "sample 193, view 1")
            flip(path, start + byte, bit)

    verify(folder)


def test_flipped_bit_in_a_block_that_is_filled_later_is_not_sealed(tmp_path):
    filled(tmp_path, part=195 / 200)
    flip(tmp_path / "view-0001.logits.npy", -13 * 7)
    with Store.open(tmp_path, write=True) as store:
        refused(lambda: put(store, ALL, 1), "sample 193, view 1")
        assert not store.complete
    refused(lambda: verify(tmp_path), "sample 193, view 1")


def test_mark_lost_from_a_sealed_block_is_refused_to_a_writer(tmp_path):
    filled(tmp_path, part=0.5)
    np.load(tmp_path / "view-0001.marks.npy", mmap_mode="r+")[3] = 0
    refused(lambda: Store.open(tmp_path, write=True), "Block 0 of view 1")
    with Store.open(tmp_path) as store:
        refused(lambda: store.read("logits", torch.tensor([200])), "Block 0 of view 1")


def test_flipped_bits_in_the_list_of_samples(tmp_path):
    """A record is never given to another sample, whichever bit of the list is flipped."""
    samples = 4 * ALL
    folder = filled(tmp_path, samples)
    for byte in range(-8 * 100, -8 * 99):  # the 100th
        flip(folder / "samples.npy", byte, byte % 8)
        with Store.open(folder) as store:
            listed = torch.from_numpy(np.load(folder / "samples.npy"))[100:101]
            for index in (samples[100:101], listed):
                with pytest.raises(LimbeckError):
                    store.read("logits", store.places(index, torch.zeros(1, dtype=torch.int64)))
            refused(store.verify, "samples.npy")
        flip(folder / "samples.npy", byte, byte % 8)
    verify(folder)


def test_checksum_that_became_nought(tmp_path):
    filled(tmp_path)
    np.load(tmp_path / "view-0001.sums.npy", mmap_mode="r+")[2] = 0
    refused(lambda: Store.open(tmp_path), tmp_path / "view-0001.sums.npy", "lacks checksums")


def test_pages_lost_in_a_power_failure(tmp_path):
    """Marks and checksums reached the disk, a page of records did not."""
    filled(tmp_path, count=4000, block=1024)
    path = tmp_path / "view-0001.logits.npy"
    contents = bytearray(path.read_bytes())
    contents[8192:12288] = bytes(4096)
    path.write_bytes(contents)
    refused(lambda: verify(tmp_path), "Block 0 of view 1")


# What is asked


def test_questions_that_have_no_answer(tmp_path):
    filled(tmp_path, 3 * ALL, part=0.5)
    store = Store.open(tmp_path)
    one = torch.tensor([1])
    refused(lambda: store.places(one, one), "Sample 1 is not in the cache", "200 samples from 0 to 597")
    refused(lambda: store.places(3 * one, 2 * one), "holds views 0 to 1. Build")
    refused(lambda: store.places(3 * one, -one), "View -1")
    with pytest.raises(LimbeckError, match="2 samples and 1 views"):
        store.places(torch.tensor([0, 3]), one)
    with pytest.raises(LimbeckError, match="int64"):
        store.places(one.float(), one)
    refused(lambda: store.read("logits", torch.tensor([400])), "ask it for places")
    refused(lambda: store.read("logits", torch.tensor([-1])), "ask it for places")
    refused(lambda: store.read("logit", one), "no field 'logit'. Did you mean 'logits'?")
    refused(lambda: store.resident("colours"), "Use features or logits")
    refused(lambda: store.read("logits", torch.tensor([399])), "sample 597, view 1", "not written yet")
    refused(lambda: store.write(one, {}), "opened for reading only")
    store.close()
    refused(lambda: store.read("logits", one), "was closed")
    store.close()


@pytest.mark.parametrize(
    "rows",
    [
        {"logits": torch.zeros(1, 13, dtype=torch.uint8)},
        {"logits": torch.zeros(1, 13), "features": torch.zeros(1, 8, dtype=torch.uint8)},
        {"logits": torch.zeros(2, 13, dtype=torch.uint8), "features": torch.zeros(1, 8, dtype=torch.uint8)},
        {"logits": torch.zeros(1, 12, dtype=torch.uint8), "features": torch.zeros(1, 8, dtype=torch.uint8)},
    ],
)
def test_records_that_do_not_fit(tmp_path, rows):
    with Store.create(tmp_path, header(), ALL) as store:
        with pytest.raises(LimbeckError, match="field"):
            store.write(torch.tensor([0]), rows)
        assert store.filled == 0


def test_nothing_of_a_view_is_written(tmp_path):
    with Store.create(tmp_path, header(), ALL) as store:
        put(store, ALL, 0)
        refused(lambda: store.read("logits", torch.tensor([200])), "view 1 is written yet")


# The place


@pytest.fixture
def anybodys():
    """A folder that everybody may enter, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize("part", [0.5, 1.0])
def test_read_only_folder(anybodys, part):
    folder = filled(anybodys / "cache", part=part)
    folder.chmod(0o555)
    before = files(folder)
    with ordinary_person():
        with Store.open(folder) as store:
            assert right(store, ALL[:100], torch.ones_like(ALL[:100]))
            store.verify()
        refused(lambda: Store.open(folder, write=True), folder, "for reading only")
        refused(lambda: filled(folder / "new"), "cannot be a cache's folder")
    assert files(folder) == before
    folder.chmod(0o755)


def test_files_that_may_not_be_read(anybodys):
    folder = filled(anybodys / "cache")
    for name in ("view-0001.logits.npy", "cache.json"):
        (folder / name).chmod(0)
        with ordinary_person():
            refused(lambda: Store.open(folder), folder / name, "permissions")


def test_more_views_than_files_may_be_open(tmp_path):
    filled(tmp_path, views=30)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (sum(1 for _ in Path("/dev/fd").iterdir()) + 50, hard))
    try:
        refused(lambda: Store.open(tmp_path), "Too many open files. Raise the limit")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def full(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("after", range(4))
def test_disk_full_while_filling(tmp_path, monkeypatch, after):
    """Nothing is lost whichever file of the second view finds no space, and filling goes on when there is some."""
    filled(tmp_path / "whole")
    real, calls = os.posix_fallocate, []

    def fallocate(*arguments):
        calls.append(arguments)
        if len(calls) > after:
            full()
        real(*arguments)

    store = Store.create(tmp_path / "cache", header(), ALL)
    put(store, ALL, 0)
    before = files(tmp_path / "cache")
    with monkeypatch.context() as patched:
        patched.setattr(os, "posix_fallocate", fallocate)
        error = refused(
            lambda: put(store, ALL, 1), tmp_path / "cache", "No space left", "nothing written before is lost"
        )
    assert isinstance(error, NoSpaceError)
    assert files(tmp_path / "cache") == before
    assert right(store, ALL, torch.zeros_like(ALL))
    put(store, ALL, 1)
    store.close()
    assert files(tmp_path / "cache") == files(tmp_path / "whole")


def test_systems_that_cannot_reserve_space_write_it(tmp_path, monkeypatch):
    filled(tmp_path / "whole")

    def unsupported(*_):
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(os, "posix_fallocate", unsupported)
    filled(tmp_path / "written")
    monkeypatch.delattr(os, "posix_fallocate")
    filled(tmp_path / "older")
    assert files(tmp_path / "whole") == files(tmp_path / "written") == files(tmp_path / "older")


def test_a_disk_that_is_really_full(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(disk)]
    try:
        subprocess.run(mount, check=True, capture_output=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        pytest.skip("no small disk may be made here")
    try:
        with Store.create(disk / "cache", header(5000, 3, 1024), torch.arange(5000)) as store:
            put(store, torch.arange(5000), 0)
            put(store, torch.arange(3000), 1)
            refused(lambda: put(store, torch.arange(2000), 2), "No space left", "view 2 of the cache")
            put(store, torch.arange(5000), 1)
            assert right(store, torch.arange(5000), torch.ones(5000, dtype=torch.int64))
        with Store.open(disk / "cache") as store:
            assert store.filled == 10_000
            store.verify()
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=False, capture_output=True, timeout=20)


# Size


def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(
    not Path("/proc/self/statm").exists(), reason="this system does not tell what is in memory"
)
@pytest.mark.parametrize("complete", [True, False])
def test_opening_a_large_cache_takes_little_memory(tmp_path, complete):
    """A hundred million records, none of which has room on the disk: the files are holes."""
    samples = 100_000_000
    large = Header(samples, 1, {"logits": {"width": 30}})
    (large.completed() if complete else large).write(tmp_path)
    for name, (shape, dtype) in shapes(large).items():
        with shard(tmp_path, 0, name).open("wb") as file:
            described = {"descr": dtype, "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, described)
            size = int(np.prod(shape)) * np.dtype(dtype).itemsize
            if name == "sums" and complete:
                file.write(b"\1" * size)
            else:
                file.truncate(file.tell() + size)
    before, clock = resident(), time.perf_counter()
    with Store.open(tmp_path) as store:
        assert store.complete == complete
        assert store.header.samples == samples
        seconds = time.perf_counter() - clock
        places = store.places(torch.tensor([samples - 1]), torch.tensor([0]))
        with pytest.raises(LimbeckError):
            store.read("logits", places)
        assert resident() - before < 32 << 20, f"{seconds} s"
