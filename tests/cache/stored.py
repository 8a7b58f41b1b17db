"""Small caches of known bytes."""

import contextlib
import json
import os
import zlib
from pathlib import Path

import torch

from limbeck.cache.header import Header
from limbeck.cache.store import Store

FIELDS = {"logits": {"width": 13}, "features": {"width": 8}}
ABOUT = {"teacher weights": "1a2b", "augmentation": "shift 2"}


def header(samples=200, views=2, block=32, fields=None, about=None):
    # The version is fixed: it is mixed into every mark, and one alteration in 255 keeps its mark.
    return Header(samples, views, fields or FIELDS, about or ABOUT, block, limbeck="0.1.0")


def records(index, view, fields=None):
    """Return the record that each sample and view has in these tests, by field."""
    words = (index.numpy().astype("u8") * 1000003 + view.numpy().astype("u8") * 7919)[:, None]
    return {
        name: torch.from_numpy(((words * range(3, 3 + each["width"]) + words // 7) % 251).astype("u1"))
        for name, each in (fields or FIELDS).items()
    }


def put(store, index, view):
    """Write the records of samples (N,) in one view."""
    views = torch.full_like(index, view)
    store.write(store.places(index, views), records(index, views, store.header.fields))


def filled(folder, samples=None, views=2, block=32, part=1.0, count=200, **options):
    """Make a cache; of the last view only a part is written."""
    samples = torch.arange(count) if samples is None else samples
    with Store.create(folder, header(len(samples), views, block, **options), samples) as store:
        for view in range(views):
            put(store, samples[: int(len(samples) * (part if view == views - 1 else 1))], view)
    return Path(folder)


def right(store, index, view):
    """Return whether the store gives what was written."""
    places = store.places(index, view)
    expected = records(index, view, store.header.fields)
    return all(torch.equal(store.read(name, places), each) for name, each in expected.items())


def flip(path, byte, bit=0):
    """Change one bit of a file; a negative byte counts from the end."""
    contents = bytearray(path.read_bytes())
    contents[byte] ^= 1 << bit
    path.write_bytes(contents)


def edit(folder, sign=True, drop=(), **changes):
    """Change the header, as somebody would who knows how its checksum is made."""
    path = folder / "cache.json"
    contents = {**json.loads(path.read_text()), **changes}
    contents.pop("sum", None)
    for name in drop:
        contents.pop(name, None)
    if "sum" not in drop:
        text = json.dumps(contents, sort_keys=True, separators=(",", ":"))
        contents["sum"] = changes.get("sum", zlib.crc32(text.encode()) if sign else 1)
    path.write_text(json.dumps(contents))


def files(folder):
    """Return the bytes of every file of a cache, by name."""
    return {each.name: each.read_bytes() for each in folder.iterdir() if each.name != "lock"}


@contextlib.contextmanager
def ordinary_person():
    """Take away root's right to write everywhere, where the tests run as root."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def forked(work):
    """Run ``work`` in a forked process and return its number; it ends with 0 unless something is raised."""
    number = os.fork()
    if number:
        return number
    status = 1
    try:
        work()
        status = 0
    finally:
        os._exit(status)
