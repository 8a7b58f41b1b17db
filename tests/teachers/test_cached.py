"""A teacher that is asked once: what is kept is what it says, whatever the order, the batch, the worker."""

import pytest
import torch
from torch import nn

from limbeck import Batch, Frozen, LimbeckError, Predictor, Regression
from limbeck.cache import Dense8, Dense16, Exact, TopK
from limbeck.data import Mix, Shift, TensorSource, Views
from limbeck.data.loader import Part
from limbeck.tasks import Classification
from limbeck.teachers import Cached, Ensemble, Teacher, resident
from teachers import kept
from teachers.kept import COUNT, FEW, batches, heard, keys, live, mixture, part, teacher, views

ROUNDING = 2e-5
"""What a batch of another size may change in single precision."""
LAYOUTS = {
    "Dense8": Dense8(12),
    "Dense16": Dense16(12),
    "Exact": Exact(12),
    "TopK": TopK(12, k=4),
    "TopK with label": TopK(12, k=4, label=True),
}


def off(layout, said, true):
    """Return by how much more than the stated error a row (D,) is off, where an error is stated."""
    true = true.reshape(1, -1).float()
    said = said.reshape(1, -1)
    if isinstance(layout, TopK):
        where = true.topk(layout.k, dim=1).indices
        assert torch.equal(said.argmax(1), true.argmax(1))
        return float((said - true).gather(1, where).abs().max() - layout.bound(true)[0])
    return float((said - true).abs().max() - layout.bound(true)[0])


def agree(layout, found, true):
    """Hold everything said to what is true, and to what was said before of the same sample and view."""
    assert found.keys() == true.keys()
    for key, rows in found.items():
        assert all(torch.equal(row, rows[0]) for row in rows), key
        assert off(layout, rows[0], true[key]) <= ROUNDING, key


@pytest.fixture(params=["held", "on the disk"])
def read_from(request, monkeypatch):
    """A complete cache is held in memory where it fits, and nowhere else."""
    if request.param == "on the disk":
        monkeypatch.setattr(resident, "MOST", 0)


@pytest.mark.usefixtures("read_from")
@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("name", LAYOUTS)
def test_kept_equals_live_under_shuffling_for_every_layout(tmp_path, name, workers):
    layout, read = LAYOUTS[name], part(cycle=2)
    with Cached(teacher(12), tmp_path / "cache", read, layouts={"logits": layout}) as asked:
        found = heard(asked, read, 4, workers=workers)
    assert all(len(rows) == 2 for rows in found.values())
    agree(layout, found, live(teacher(12), read, found))
    if not isinstance(layout, TopK):  # which learns first from answers that it asks for
        assert (asked.forwards, asked.answers) == (2 * COUNT, 4 * COUNT)


@pytest.mark.parametrize("cycle", [1, 2, 3])
@pytest.mark.parametrize("epochs", [1, 3, 4])
def test_views_come_round(tmp_path, cycle, epochs):
    read = part(cycle)
    with Cached(teacher(), tmp_path / "cache", read) as asked:
        found = heard(asked, read, epochs)
        assert sorted(found) == [
            (index, view) for index in range(COUNT) for view in range(min(cycle, epochs))
        ]
        assert (asked.forwards, asked.answers) == (len(found), epochs * COUNT)
        assert asked.full == (epochs >= cycle)
        index, view = torch.arange(COUNT), torch.full((COUNT,), cycle - 1)
        assert asked.lacking(index, view).all() == (epochs < cycle)
    agree(Dense8(3), found, live(teacher(), read, found))


def test_draws_differ_so_that_a_wrong_view_would_show(tmp_path):
    read = part(2)
    found = live(teacher(), read, [(index, view) for index in range(COUNT) for view in range(2)])
    apart = torch.stack([(found[index, 0] - found[index, 1]).abs().max() for index in range(COUNT)])
    step = torch.stack([Dense8(3).bound(row[None])[0] for row in found.values()]).max()
    assert (apart > 4 * step).sum() > COUNT - 4


def test_it_keeps_the_protocol(tmp_path):
    net = kept.network().train()
    asked = Cached(Frozen(net, precision="fp32"), tmp_path / "cache", part())
    assert isinstance(asked, Teacher)
    first = next(batches(part(), 1))
    for _ in range(2):
        logits = asked(first)["logits"]
        assert not logits.requires_grad
        assert (logits.dtype, logits.shape) == (torch.float32, (8, 3))
    assert not any(module.training for module in net.modules())
    assert not any(parameter.requires_grad for parameter in net.parameters())
    assert asked.model is net
    assert not isinstance(asked, nn.Module)
    assert len(asked.fingerprint()) == 64
    asked.close()


def test_with_no_folder_every_answer_is_asked_for_and_given_as_it_would_be_kept(tmp_path):
    read = part()
    bare, filled = Cached(teacher()), Cached(teacher(), tmp_path / "cache", read)
    assert bare.store is None
    found = heard(bare, read, 4)
    assert (bare.forwards, bare.answers) == (4 * COUNT, 4 * COUNT)
    for key, rows in heard(filled, read, 2).items():
        torch.testing.assert_close(rows[0], found[key][0], rtol=0, atol=0.05)
        assert off(Dense8(3), found[key][0], live(teacher(), read, [key])[key]) <= ROUNDING
    filled.close()


def test_a_fill_that_was_left_goes_on(tmp_path):
    read, folder = part(2), tmp_path / "cache"
    with Cached(teacher(), folder, read) as asked:
        first = [
            (batch, asked(batch)["logits"]) for batch, _ in zip(batches(read, 1), range(2), strict=False)
        ]
        before = asked.forwards
    with Cached(teacher(), folder, read) as asked:
        found = heard(asked, read, 4)
        assert asked.forwards <= 2 * COUNT - before + FEW
        assert asked.full
    for batch, rows in first:
        for key, row in zip(keys(batch), rows, strict=True):
            assert torch.equal(row, found[key][0])
    agree(Dense8(3), found, live(teacher(), read, found))


@pytest.mark.usefixtures("read_from")
@pytest.mark.parametrize("name", LAYOUTS)
def test_some_samples_of_a_complete_cache_that_has_more(tmp_path, name):
    """Samples and views with gaps, read in another order by another training."""
    folder, layouts = tmp_path / "cache", {"logits": LAYOUTS[name]}
    every, some = part(3), Part(views(), torch.tensor([19, 2, 7, 5, 23, 11]), cycle=2)
    with Cached(teacher(12), folder, every, layouts=layouts) as asked:
        found = heard(asked, every, 3)
    with Cached(kept.Silent(teacher(12), FEW), folder, some) as asked:
        again = heard(asked, some, 4, batch_size=4)
    assert sorted(again) == [(index, view) for index in (2, 5, 7, 11, 19, 23) for view in (0, 1)]
    assert all(torch.equal(row, found[key][0]) for key, rows in again.items() for row in rows)


@pytest.mark.usefixtures("read_from")
def test_samples_that_were_not_to_be_read(tmp_path):
    folder, every, some = tmp_path / "cache", part(2), Part(views(), torch.tensor([2, 5, 19]), cycle=2)
    with Cached(teacher(), folder, every) as asked:
        found = heard(asked, every, 2)
    with Cached(kept.Silent(teacher(), FEW), folder, some) as asked:
        heard(asked, some, 1)
        for index in (3, 19, 23):  # a gap, and beyond the last
            batch = every.views.read(torch.tensor([index]), torch.tensor([1]))
            assert torch.equal(asked(batch)["logits"][0], found[index, 1][0])
        strange = Batch(batch.inputs, batch.targets, index=torch.tensor([24]), view=torch.tensor([0]))
        with pytest.raises(LimbeckError, match="Sample 24 is not in the cache"):
            asked(strange)
        strange = Batch(batch.inputs, batch.targets, index=torch.tensor([2]), view=torch.tensor([2]))
        with pytest.raises(LimbeckError, match="View 2 is not in the cache"):
            asked(strange)


def test_a_large_cache_is_left_on_the_disk(tmp_path, monkeypatch):
    read, folder = part(2), tmp_path / "cache"
    with Cached(teacher(), folder, read) as asked:
        heard(asked, read, 2)
        layouts, samples, here = asked.layouts, torch.arange(COUNT), torch.device("cpu")
        needed = 2 * COUNT * (1 + 5 + 4 * 3) + 8 * COUNT
        monkeypatch.setattr(resident, "MOST", needed)
        assert resident.fits(asked.store, layouts, samples, here)
        monkeypatch.setattr(resident, "MOST", needed - 1)
        assert not resident.fits(asked.store, layouts, samples, here)


@pytest.mark.usefixtures("read_from")
def test_a_complete_cache_never_runs_the_teacher_again(tmp_path):
    read, folder = part(2), tmp_path / "cache"
    with Cached(teacher(), folder, read) as asked:
        found = heard(asked, read, 2)
    before = kept.contents(folder)
    with Cached(kept.Silent(teacher(), FEW), folder, read) as asked:
        again = heard(asked, read, 4, batch_size=5, seed=9)
        assert asked.full
        assert asked.answers == 4 * COUNT
    assert all(torch.equal(row, found[key][0]) for key, rows in again.items() for row in rows)
    assert kept.contents(folder) == before


@pytest.mark.usefixtures("read_from")
@pytest.mark.parametrize("workers", [0, 2])
def test_mixtures_of_labelled_and_unlabelled_samples(tmp_path, workers):
    read, layout = mixture(cycle=2), TopK(6, k=2, label=True)
    with Cached(teacher(6), tmp_path / "cache", read, layouts={"logits": layout}) as asked:
        found = heard(asked, read, 6, workers=workers, batch_size=9)
        assert asked.full
    assert len(found) == 2 * COUNT
    agree(layout, found, live(teacher(6), read, found))


@pytest.mark.parametrize("name", ["mixup-0.4", "cutmix-1"])
@pytest.mark.parametrize(
    "layout", [Exact(3), Dense8(3), TopK(3, k=2, label=True)], ids=["Exact", "8", "TopK"]
)
def test_mixed_samples_are_the_same_in_every_batch(tmp_path, name, layout):
    read = part(2, mix=Mix(name, torch.arange(COUNT), 3))
    with Cached(teacher(), tmp_path / "cache", read, layouts={"logits": layout}) as asked:
        found = heard(asked, read, 2, batch_size=8)
        for key, rows in heard(asked, read, 4, batch_size=5, seed=4, workers=2).items():
            found[key] += rows
    agree(layout, found, live(teacher(), read, found))


def test_mixed_mixtures(tmp_path):
    read = mixture(2, mix=Mix("mixup-1", torch.arange(COUNT), 3))
    with Cached(teacher(), tmp_path / "cache", read) as asked:
        found = heard(asked, read, 6, batch_size=9)
    agree(Dense8(3), found, live(teacher(), read, found))


def test_the_teacher_s_own_inputs_and_draws(tmp_path):
    feeds = {"teacher": kept.GREY, "student": kept.SMALLER}
    read = part(2, augment={"teacher": Shift(1), "student": kept.SHIFT}, inputs=feeds)
    with Cached(teacher(), tmp_path / "cache", read) as asked:
        found = heard(asked, read, 4)
        spared = Part(read.views, read.indices, cycle=2, spared=("teacher",))
        again = heard(asked, spared, 2)
    assert all(torch.equal(rows[0], found[key][0]) for key, rows in again.items())
    agree(Dense8(3), found, live(teacher(), read, found))


def test_vectors_of_layers_are_kept_too(tmp_path):
    read, names = part(2), ("logits", "5@in")
    with Cached(teacher(), tmp_path / "cache", read) as asked:
        layer = heard(asked, read, 4, name="5@in", names=names)
        logits = heard(asked, read, 2, names=("logits",))
        assert asked.forwards == 2 * COUNT
    agree(Dense8(8), layer, live(teacher(), read, layer, "5@in", names=names))
    agree(Dense8(3), logits, live(teacher(), read, logits))
    with Cached(kept.Silent(teacher(), FEW), tmp_path / "cache", read) as asked:
        again = heard(asked, read, 2, name="5@in", names=("5@in",))
    assert all(torch.equal(rows[0], layer[key][0]) for key, rows in again.items())


def test_layers_asked_for_later_than_the_first_time_are_refused(tmp_path):
    read = part(2)
    with Cached(teacher(), tmp_path / "cache", read) as asked:
        heard(asked, read, 2)
        with pytest.raises(LimbeckError, match="5@in"):
            heard(asked, read, 1, name="5@in", names=("logits", "5@in"))
    with (
        Cached(teacher(), tmp_path / "cache", read) as asked,
        pytest.raises(LimbeckError, match="5@in"),
    ):
        heard(asked, read, 1, name="5@in", names=("5@in",))


def test_maps_are_refused_in_words(tmp_path):
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 3))
    asked = Cached(Frozen(net, precision="fp32"), tmp_path / "cache", part())
    with pytest.raises(LimbeckError, match=r"one vector for each sample.*\b0\b.*2×6×6.*without a cache"):
        asked(next(batches(part(), 1)), names=("logits", "0"))
    asked.close()


def test_values_are_kept_as_they_are(tmp_path):
    values = torch.randn(COUNT, generator=torch.Generator().manual_seed(1))
    read = part(2, source=kept.pictures(targets=values))
    task = Regression(mean=0.5, std=2.0)
    with Cached(teacher(1), tmp_path / "cache", read) as asked:
        found = heard(asked, read, 4, name="value", task=task)
        batch = next(batches(read, 1))
        assert asked(batch, task)["value"].shape == teacher(1)(batch, task)["value"].shape == (8,)
        assert asked.forwards == 2 * COUNT
    agree(Exact(1), found, live(teacher(1), read, found, "value", task=task))


def test_values_on_another_scale_are_never_given(tmp_path):
    """The same data under a task of slightly other mean and deviation, a part of other samples say."""
    read, task = part(1), Regression(mean=0.5, std=2.0)
    with Cached(teacher(1), tmp_path / "cache", read) as asked:
        heard(asked, read, 1, name="value", task=task)
    other = Regression(mean=0.52, std=2.01)
    with Cached(teacher(1), tmp_path / "cache", read) as asked:
        try:
            found = heard(asked, read, 1, name="value", task=other)
        except LimbeckError:
            return
    agree(Exact(1), found, live(teacher(1), read, found, "value", task=other))


@pytest.mark.parametrize("combine", ["probabilities", "logits", "oracle"])
def test_several_teachers_inside(tmp_path, combine):
    """An oracle sees the labels, which are the samples' own, and gives -30,000 for what is impossible."""

    def panel():
        return Ensemble([teacher(seed=0), teacher(seed=5)], combine)

    read = part(2)
    with Cached(panel(), tmp_path / "cache", read) as asked:
        found = heard(asked, read, 4, task=Classification(), workers=0)
        assert (asked.forwards, asked.answers) == (2 * 2 * COUNT, 4 * COUNT)
    true = live(panel(), read, found, task=Classification())
    agree(Dense8(3), found, true)
    with Cached(kept.Silent(panel(), FEW), tmp_path / "cache", read) as asked:
        again = heard(asked, read, 2, task=Classification())
    assert all(torch.equal(rows[0], found[key][0]) for key, rows in again.items())


@pytest.mark.parametrize("lacking", ["index", "view"])
def test_a_batch_that_does_not_say_what_it_has(tmp_path, lacking):
    batch = next(batches(part(), 1))
    given = {"index": batch.index, "view": batch.view, lacking: None}
    asked = Cached(teacher(), tmp_path / "cache", part())
    with pytest.raises(LimbeckError, match=r"sample|view|index"):
        asked(Batch(batch.inputs, batch.targets, **given))
    assert asked.forwards == 0
    asked.close()


def test_a_part_that_draws_anew_and_teachers_that_nobody_knows_again(tmp_path):
    folder = tmp_path / "cache"
    with pytest.raises(LimbeckError, match=r"cycle=4"):
        Cached(teacher(), folder, part(cycle=None))
    with pytest.raises(LimbeckError):
        Cached(kept.network(), folder, part())
    source = TensorSource(torch.randn(COUNT, 4), torch.randn(COUNT))
    read = Part(Views(source, None, None), torch.arange(COUNT), cycle=1)
    with pytest.raises(LimbeckError, match="fingerprint"):
        Cached(Predictor(lambda rows: rows.sum(1)), folder, read)(next(batches(read, 1)), Regression())
    with pytest.raises(LimbeckError, match=r"Dense8|layout"):
        Cached(teacher(), folder, part(), layouts={"logits": Dense8(4)})(next(batches(part(), 1)))
    assert not folder.exists()


def test_nothing_random_changes(tmp_path):
    read = Part(views(), torch.arange(COUNT), cycle=1)
    before = torch.get_rng_state()
    with Cached(teacher(12), tmp_path / "cache", read, layouts={"logits": TopK(12, k=3)}) as asked:
        for index in torch.arange(COUNT).split(7):
            asked(read.views.read(index, torch.zeros_like(index)))
    assert torch.equal(torch.get_rng_state(), before)
