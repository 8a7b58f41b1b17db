"""Small pictures, teachers and readings for the tests of answers that are kept."""

import torch
from torch import nn

from limbeck import Frozen
from limbeck.data import Data, InputTransform, Mixture, Shift, TensorSource, Views, without_labels
from limbeck.data.loader import Loader, Part
from limbeck.teachers import Cached
from limbeck.teachers.known import about_teacher

COUNT, FEW = 24, 16
"""Samples; and the most answers that may be asked for again when a cache is opened."""
GREY = InputTransform(None, 1, (0.4,), (0.3,))
SMALLER = InputTransform((6, 6), 1, (0.5,), (0.2,))
SHIFT = Shift(2, flip=True)


def pictures(seed=0, targets=None, count=COUNT):
    """Return random pictures of 8×8 pixels in three classes, whose every draw looks different."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(256, (count, 1, 8, 8), generator=generator, dtype=torch.uint8)
    return TensorSource(images, torch.arange(count) % 3 if targets is None else targets)


def darker(image):
    """Draw an image less bright."""
    return (image * torch.rand(())).to(image.dtype)


def views(source=None, augment=SHIFT, inputs=GREY, seed=3, **options):
    return Views(source or pictures(), augment, inputs, seed, **options)


def part(cycle=2, count=COUNT, **options):
    return Part(views(**options), torch.arange(count), cycle=cycle)


def mixture(cycle=2, ratio=2.0, **options):
    """Return a part of 24 samples, nine of them labelled, both kinds in every batch."""
    nothing = torch.empty(0, dtype=torch.int64)
    source = pictures()
    data = Data("mine", "classification", source, torch.arange(COUNT), nothing, nothing, None, (1, 8, 8))
    half = without_labels(data, 9)
    return Mixture(views(half.source, **options), half.train, half.unlabelled, ratio, cycle)


def network(outputs=3, seed=0, pixels=64):
    """Return a net that would answer otherwise in train mode, the same for the same arguments."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        layers = [nn.Flatten(), nn.Linear(pixels, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5)]
        net = nn.Sequential(*layers, nn.Linear(8, outputs))
        net(torch.randn(50, pixels))  # statistics of its own
        net[-1].weight.data *= 4
    return net


def teacher(outputs=3, seed=0, precision="fp32", **options):
    return Frozen(network(outputs, seed, **options), precision=precision)


class Silent:
    """Has the facts of a teacher, and answers only so often."""

    def __init__(self, known, most=0):
        self.known, self.most, self.forwards = known, most, 0

    def facts(self):
        return about_teacher(self.known)

    def fingerprint(self):
        return self.known.fingerprint()

    def __call__(self, batch, task=None, names=()):
        self.forwards += len(batch)
        assert self.forwards <= self.most, "the teacher was asked"
        return self.known(batch, task, names)


def batches(read, epochs, workers=0, batch_size=8, seed=1, start=0):
    """Yield the batches of some epochs, shuffled as training has them."""
    loader = Loader(read, batch_size, seed=seed, workers=workers)
    try:
        for epoch in range(start, start + epochs):
            for step in loader.epoch(epoch):
                yield from (share.batch for share in step.shares)
    finally:
        loader.close()


def keys(batch):
    return list(zip(batch.index.tolist(), batch.view.tolist(), strict=True))


def heard(given, read, epochs, name="logits", task=None, names=(), **how):
    """Return everything a teacher said, by sample and view, in lists of rows."""
    found = {}
    for batch in batches(read, epochs, **how):
        rows = given(batch, task, names)[name]
        assert len(rows) == len(batch)
        for key, row in zip(keys(batch), rows, strict=True):
            found.setdefault(key, []).append(row)
    return found


def live(given, read, wanted, name="logits", task=None, names=()):
    """Return what a teacher says of samples in views, each asked about alone: by another batch than any other."""
    found = {}
    for index, view in wanted:
        batch = read.views.read(torch.tensor([index]), torch.tensor([view]))
        found[index, view] = given(batch, task, names)[name][0]
    return found


def contents(folder):
    """Return the bytes of every file below a folder."""
    return {path.name: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def silent(given=None):
    """Return a teacher that may be asked for a few answers again and no more."""
    return Silent(given or teacher(), FEW)


def serves(folder, read, given=None):
    """Assert that a cache answers everything without the teacher."""
    with Cached(silent(given), folder, read) as asked:
        assert len(heard(asked, read, read.cycle)) == read.cycle * len(read)
