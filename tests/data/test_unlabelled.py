"""Labels hidden on purpose, and a second door for samples that have none."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from limbeck.data import TensorSource, Views, augmentation, dataset_data, fit, open_data
from limbeck.data.source import Data
from limbeck.data.unlabelled import with_unlabelled, without_labels
from limbeck.errors import LimbeckError


def photos(place, count=6, size=(14, 18), mode="RGB", seed=9):
    place.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    for number in range(count):
        channels = () if mode == "L" else (3,)
        pixels = rng.integers(0, 256, (*size, *channels), dtype=np.uint8)
        Image.fromarray(pixels).save(place / f"{number:03d}.png")
    return place


def read(data, indices):
    drawn = augmentation("shift", data.canvas) if data.is_image else None
    views = Views(data.source, drawn, None, canvas=data.canvas)
    return views.read(indices, torch.zeros_like(indices))


@settings(max_examples=30, deadline=None)
@given(share=st.floats(0.02, 0.98), seed=st.integers(0, 10**6))
def test_each_class_keeps_its_share_of_labels(share, seed):
    targets = torch.tensor([0] * 120 + [1] * 60 + [2] * 20)
    data = toy(targets)
    kept = without_labels(data, share, seed)
    truth = targets[kept.train]
    assert len(kept.train) == round(share * 200)
    counts = torch.bincount(truth, minlength=3)
    assert counts.min() >= 1
    for each, size in enumerate((120, 60, 20)):
        assert abs(int(counts[each]) - share * size) <= 1.5
    assert sorted([*kept.train.tolist(), *kept.unlabelled.tolist()]) == data.train.tolist()
    assert torch.equal(kept.transfer_set.sort().values, data.train)


def toy(targets, extra=10):
    count = len(targets)
    source = TensorSource(torch.rand(count + extra, 2), torch.cat([targets, targets[:extra]]))
    rest = torch.arange(count, count + extra)
    classes = tuple(f"class {each}" for each in range(int(targets.max()) + 1))
    return Data("toy", "classification", source, torch.arange(count), rest[::2], rest[1::2], classes, (2,))


def test_hidden_labels_reach_no_batch():
    data = open_data("digits")
    truth = data.source.targets.clone()
    few = without_labels(data, 0.1)
    batch = read(few, few.unlabelled)
    assert batch.targets.tolist() == [0] * len(few.unlabelled)
    assert not batch.labelled.any()
    assert len(truth[few.unlabelled].unique()) == 10
    assert torch.equal(
        few.source.targets[few.unlabelled], torch.zeros(len(few.unlabelled), dtype=torch.int64)
    )
    shown = read(few, few.train)
    assert shown.labelled.all()
    assert torch.equal(shown.targets, truth[few.train])
    for part in ("validation", "test"):
        indices = getattr(data, part)
        assert torch.equal(getattr(few, part), indices)
        assert read(few, indices).labelled.all()
        assert torch.equal(read(few, indices).targets, truth[indices])
    assert torch.equal(data.source.targets, truth)  # the data given is left alone
    assert torch.equal(read(data, data.train).inputs, read(few, data.train).inputs)


def test_more_labels_contain_fewer_and_other_seeds_draw_others():
    data = open_data("digits")
    few, more = without_labels(data, 20), without_labels(data, 0.3)
    assert set(few.train.tolist()) < set(more.train.tolist())
    assert not torch.equal(without_labels(data, 20, seed=1).train, few.train)
    assert torch.equal(without_labels(data, 20).train, few.train)


def test_labels_can_be_hidden_twice():
    once = without_labels(open_data("digits"), 200)
    twice = without_labels(once, 50)
    assert (len(twice.train), len(twice.unlabelled)) == (50, 1100)
    assert not read(twice, twice.unlabelled).labelled.any()


def test_values_are_hidden_too():
    few = without_labels(open_data("sklearn:diabetes"), 40)
    assert len(few.train) == 40
    assert few.source.targets[few.unlabelled].unique().tolist() == [0.0]


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        (
            9,
            "leave 9 of 1,150 training samples their label: it must leave at least one of each of the 10 classes",
        ),
        (0, "leave 0 of 1,150"),
        (-3, "leave -3 of"),
        (1150, "and at least one sample without"),
        (10**6, "at least one sample without"),
        (0.001, "leave 1 of 1,150"),
        (1.0, "is no share between 0 and 1: a number of samples is written whole"),
        (0.0, "no share"),
        (-0.1, "no share"),
        (float("nan"), "no share"),
        (True, "not True"),
        ("0.1", "not '0.1'"),
    ],
)
def test_numbers_of_labels_that_leave_nothing_are_refused(labels, says):
    with pytest.raises(LimbeckError, match=says):
        without_labels(open_data("digits"), labels)


def test_other_targets_are_refused(write_photos):
    boxes = dataset_data([(torch.rand(3, 8, 8), {"boxes": []})] * 20)
    with pytest.raises(LimbeckError, match="can hide labels of data for classification and regression, but"):
        without_labels(boxes, 0.5)
    with pytest.raises(LimbeckError, match="can add unlabelled samples to data for"):
        with_unlabelled(boxes, "digits")


def test_fingerprint_is_as_before_without_unlabelled_samples():
    """Runs and caches of earlier versions are known by it."""
    data = open_data("digits")
    assert data.unlabelled.tolist() == []
    assert data.unlabelled.dtype == torch.int64
    assert data.fingerprint()[:16] == "22357d8a3b98d52d"
    more = with_unlabelled(open_data("digits@0,1"), "digits@2,3")
    kinds = [data, without_labels(data, 50), without_labels(data, 60), without_labels(data, 50, seed=1), more]
    assert len({each.fingerprint() for each in kinds}) == 5
    assert len({more.fingerprint(), replace(more, unlabelled=more.unlabelled[:-1]).fingerprint()}) == 2


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_flat_folder_gives_unlabelled_images(write_photos, tmp_path, mode):
    data = open_data(f"folder:{write_photos()}", size=12)
    place = photos(tmp_path / "more", mode=mode)
    both = with_unlabelled(data, f"folder:{place}")
    assert len(both.unlabelled) == 6
    assert both.shape == data.shape
    batch = read(both, both.transfer_set)
    assert batch.inputs.shape == (len(data.train) + 6, 3, 12, 12)
    assert batch.labelled.tolist() == [True] * len(data.train) + [False] * 6
    assert torch.equal(read(data, data.train).inputs, batch.inputs[: len(data.train)])
    assert len(batch.inputs[-6:].flatten(1).unique(dim=0)) == 6
    assert any("6 samples without labels come from folder:" in each for each in both.notes)


def test_a_folder_by_date_is_read_to_the_bottom(write_photos, tmp_path):
    data = open_data(f"folder:{write_photos()}", size=12)
    for day in ("2024/05/01", "2024/05/02", "2023/12/31"):
        photos(tmp_path / "more" / day, 2, seed=len(day))
    photos(tmp_path / "more" / ".thumbnails", 3)
    (tmp_path / "more" / "notes.txt").write_text("no image")
    both = with_unlabelled(data, f"folder:{tmp_path / 'more'}")
    assert len(both.unlabelled) == 6


def test_images_come_in_the_colours_and_the_size_of_the_data(tmp_path):
    place = photos(tmp_path / "more", size=(20, 10))
    both = with_unlabelled(open_data("digits"), f"folder:{place}")
    batch = read(both, both.unlabelled)
    assert batch.inputs.shape == (6, 1, 8, 8)
    assert batch.inputs.dtype == torch.uint8


def test_floats_stay_floats(tmp_path):
    pairs = [(torch.rand(3, 8, 8), k % 2) for k in range(20)]
    both = with_unlabelled(dataset_data(pairs), f"folder:{photos(tmp_path / 'more')}")
    inputs = read(both, both.unlabelled).inputs
    assert inputs.dtype == torch.float32
    assert 0.5 < float(inputs.max()) <= 1


def test_bad_images_are_told_or_left_out(write_photos, tmp_path):
    data = open_data(f"folder:{write_photos()}")
    place = photos(tmp_path / "more")
    (place / "broken.png").write_bytes(b"no image")
    with pytest.raises(LimbeckError, match=r"broken\.png cannot be read as an image"):
        with_unlabelled(data, f"folder:{place}")
    both = with_unlabelled(data, f"folder:{place}", skip_bad=True)
    assert len(both.unlabelled) == 6
    assert both.skipped == (str(place / "broken.png"),)


@pytest.mark.parametrize("spec", ["digits@3,4", "idx"])
def test_other_doors_give_their_training_part_without_labels(write_idx, spec):
    spec = spec if spec != "idx" else f"idx:{write_idx(side=10)}"
    both, other = with_unlabelled(open_data("digits@0,1,2"), spec), open_data(spec)
    assert len(both.unlabelled) == len(other.train)
    batch = read(both, both.unlabelled)
    assert not batch.labelled.any()
    assert batch.targets.unique().tolist() == [0]
    assert batch.inputs.shape[1:] == (1, 8, 8)
    assert both.classes == ("0", "1", "2")


def test_a_table_of_the_same_columns_gives_unlabelled_rows(tmp_path):
    rng = np.random.default_rng(0)

    def table(name, columns):
        rows = [",".join(f"{each:.3f}" for each in rng.random(columns)) for _ in range(30)]
        header = ",".join(f"c{k}" for k in range(columns))
        (tmp_path / name).write_text(f"{header}\n" + "\n".join(rows))
        return f"csv:{tmp_path / name}"

    data = open_data(table("a.csv", 4))
    both = with_unlabelled(data, table("b.csv", 4))
    assert len(both.unlabelled) == len(data.train)
    assert read(both, both.unlabelled).targets.unique().tolist() == [0.0]
    with pytest.raises(
        LimbeckError, match="samples of 4 features, which cannot be brought to the 3 features"
    ):
        with_unlabelled(data, table("c.csv", 5))


def test_both_ways_together_and_in_either_order(tmp_path):
    place = f"folder:{photos(tmp_path / 'more')}"
    data = open_data("digits")
    for both in (
        with_unlabelled(without_labels(data, 100), place),
        without_labels(with_unlabelled(data, place), 100),
    ):
        assert (len(both.train), len(both.unlabelled)) == (100, 1056)
        batch = read(both, both.transfer_set)
        assert batch.labelled.sum() == 100
        assert batch.targets[~batch.labelled].unique().tolist() == [0]
        assert torch.equal(batch.targets[:100], data.source.targets[both.train])
        # what a model is fed is fitted to the same samples either way
        fit(both.source, both.train, both.shape)
    assert len(with_unlabelled(with_unlabelled(data, place), place).unlabelled) == 12


def test_a_labelled_folder_is_no_unlabelled_one(write_photos, tmp_path):
    path = write_photos()
    data = open_data(f"folder:{path}")
    for place in (path, _split(tmp_path)):
        with pytest.raises(
            LimbeckError, match=r"named like the classes 'cat' and 'dog' .* it is labelled: give it as"
        ):
            with_unlabelled(data, f"folder:{place}")


def _split(tmp_path):
    for part in ("train", "test"):
        for each in ("cat", "dog", "emu"):
            photos(tmp_path / "others" / part / each, 1)
    return tmp_path / "others"


def test_the_datas_own_images_are_no_unlabelled_ones(write_photos):
    path = write_photos()
    with pytest.raises(LimbeckError, match=r"cat/\d+\.png .* is an image of folder:.* itself"):
        with_unlabelled(open_data(f"folder:{path}"), f"folder:{path / 'cat'}")
    with pytest.raises(
        LimbeckError, match=r"--unlabelled digits is the labelled data itself: .*--labels 0.1"
    ):
        with_unlabelled(open_data("digits"), "digits")


def test_images_of_a_class_left_out_may_be_unlabelled(write_photos):
    path = write_photos(classes=("cat", "dog", "emu"))
    both = with_unlabelled(open_data(f"folder:{path}@cat,dog"), f"folder:{path / 'emu'}")
    assert len(both.unlabelled) == 10


def test_a_flat_folder_is_no_labelled_one(tmp_path):
    place = photos(tmp_path / "more")
    with pytest.raises(
        LimbeckError, match=r"more has no folders: .* or give images without classes as --unlabelled"
    ):
        open_data(f"folder:{place}")


def test_an_empty_folder_is_refused(tmp_path):
    (tmp_path / "more" / "below").mkdir(parents=True)
    with pytest.raises(LimbeckError, match="more has no images, in it or in folders below it"):
        with_unlabelled(open_data("digits"), f"folder:{tmp_path / 'more'}")
    (tmp_path / "more" / "a.png").write_bytes(b"")
    with pytest.raises(LimbeckError, match="has no image that can be read"):
        with_unlabelled(open_data("digits"), f"folder:{tmp_path / 'more'}", skip_bad=True)


def test_samples_of_another_kind_are_refused(tmp_path):
    place = photos(tmp_path / "more")
    with pytest.raises(LimbeckError, match="has images, but sklearn:diabetes has samples of 10 features"):
        with_unlabelled(open_data("sklearn:diabetes"), f"folder:{place}")
    with pytest.raises(
        LimbeckError, match="digits has samples of 1×8×8, which cannot be brought to the 10 features"
    ):
        with_unlabelled(open_data("sklearn:diabetes"), "digits")
    with pytest.raises(
        LimbeckError, match="samples of 10 features, which cannot be brought to the 1×8×8 of digits"
    ):
        with_unlabelled(open_data("digits"), "sklearn:diabetes")
    bands = dataset_data([(torch.rand(5, 8, 8), k % 2) for k in range(20)], name="bands")
    with pytest.raises(LimbeckError, match="has images, but bands has samples of 5×8×8"):
        with_unlabelled(bands, f"folder:{place}")


def test_normalised_images_are_refused(tmp_path):
    pairs = [(torch.randn(3, 8, 8), k % 2) for k in range(20)]
    with pytest.raises(
        LimbeckError, match=r"images of dataset have values outside 0\.\.1, so those of folder:"
    ):
        with_unlabelled(dataset_data(pairs), f"folder:{photos(tmp_path / 'more')}")


def test_unknown_doors_are_told(tmp_path):
    with pytest.raises(LimbeckError, match="No file or folder 'nowhere'"):
        with_unlabelled(open_data("digits"), "folder:nowhere")
    with pytest.raises(LimbeckError, match="Did you mean 'digits'"):
        with_unlabelled(open_data("digits"), "digit")
