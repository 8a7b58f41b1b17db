"""Some of the classes, by a suffix of any door; and classes that training lacks."""

import pytest
import torch

from limbeck.data import Views, augmentation, default_augmentation, open_data
from limbeck.data.classes import omitting, only
from limbeck.data.unlabelled import without_labels
from limbeck.errors import LimbeckError


def test_only_some_classes_in_the_order_named():
    whole, data = open_data("digits"), open_data("digits@7,1,4")
    assert (data.name, data.classes) == ("digits@7,1,4", ("7", "1", "4"))
    old = torch.tensor([7, 1, 4])
    for part in ("train", "validation", "test"):
        indices, every = getattr(data, part), getattr(whole, part)
        was = whole.source.targets[indices]
        assert torch.equal(old[data.source.targets[indices]], was)
        assert torch.equal(indices, every[torch.isin(whole.source.targets[every], old)])


def test_samples_keep_their_index_and_their_views():
    whole, data = open_data("digits"), open_data("digits@7,1,4")
    drawn = augmentation("shift", (8, 8))
    before, after = (
        Views(each.source, drawn, None, 3).read(data.train, data.train) for each in (whole, data)
    )
    assert torch.equal(before.inputs, after.inputs)
    assert after.labelled is None


def test_all_classes_in_their_order_change_no_label():
    whole, data = open_data("digits"), only(open_data("digits"), [str(each) for each in range(10)])
    assert torch.equal(data.source.targets, whole.source.targets)
    assert torch.equal(data.train, whole.train)


def test_a_suffix_goes_with_every_door_of_classes(write_photos, write_idx):
    folder = open_data(f"folder:{write_photos(classes=('cat', 'dog', 'emu'))}@emu, cat")
    assert folder.classes == ("emu", "cat")
    assert open_data(f"idx:{write_idx()}@3,2,5").classes == ("3", "2", "5")
    assert len(open_data("digits@0,1", limit=20).train) == 20
    assert open_data("digits@0,1", size=16).shape == (1, 16, 16)


def test_a_path_with_an_at_sign_is_taken_as_it_is(write_photos, tmp_path):
    path = write_photos()
    strange = path.rename(tmp_path / "me@home")
    assert open_data(f"folder:{strange}").classes == ("cat", "dog")
    assert open_data(f"folder:{strange}@dog,cat").classes == ("dog", "cat")
    below = strange.rename(tmp_path / "x@y" if (tmp_path / "x@y").mkdir() else tmp_path / "x@y" / "photos")
    assert open_data(f"folder:{below}").classes == ("cat", "dog")
    with pytest.raises(LimbeckError, match=r"No file or folder '.*x@y/photo', .* Did you mean 'photos'"):
        open_data(f"folder:{below.with_name('photo')}")
    table = tmp_path / "me@home.csv"
    table.write_text("a,b\n" + "\n".join(f"{k},{k}" for k in range(9)))
    assert open_data(f"csv:{table}#b").task == "regression"


def test_the_usual_augmentation_is_the_doors(write_photos):
    assert default_augmentation(open_data("digits@0,1")) == "shift"
    assert default_augmentation(open_data(f"folder:{write_photos()}@cat,dog")) == "resized-crop-flip"


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("digits@1,x", r"digits has no class 'x' \(there are: 0, 1, 2"),
        ("digits@1,1", "class '1' of digits is named twice"),
        ("digits@3", "must keep two or more classes to tell apart, not 1"),
        ("digits@", "names no class behind its @"),
        ("digits@1,", "no class ''"),
        ("digit@1,2", "No data 'digit@1,2'; .* Did you mean 'digits'"),
        ("folder:nowhere@cat,dog", "No file or folder 'nowhere'"),
    ],
)
def test_classes_that_are_not_there_are_refused(spec, says):
    with pytest.raises(LimbeckError, match=says):
        open_data(spec)


def test_a_class_nearby_is_offered(write_photos):
    with pytest.raises(LimbeckError, match=r"no class 'dgo' .* Did you mean 'dog'\?"):
        open_data(f"folder:{write_photos()}@cat,dgo")


def test_data_without_classes_is_refused():
    with pytest.raises(LimbeckError, match="is for regression: only data for classification has classes"):
        only(open_data("sklearn:diabetes"), ["a", "b"])


def test_fingerprints_differ():
    kinds = ["digits", "digits@0,1", "digits@1,0", "digits@0,2", "digits@0,1,2"]
    assert len({open_data(each).fingerprint() for each in kinds}) == 5
    data = open_data("digits")
    assert len({each.fingerprint() for each in (data, omitting(data, "3"), omitting(data, ["3", "4"]))}) == 3


def test_training_lacks_the_classes_omitted():
    data = open_data("digits")
    less = omitting(data, ["3", "5"])
    assert less.source.targets[less.train].unique().tolist() == [0, 1, 2, 4, 6, 7, 8, 9]
    assert (less.classes, less.name, less.source) == (data.classes, data.name, data.source)
    assert torch.equal(less.validation, data.validation)
    assert torch.equal(less.test, data.test)
    assert "lacks the classes 3, 5" in less.notes[-1]
    left = set(data.train.tolist()) - set(less.train.tolist())
    assert set(data.source.targets[list(left)].tolist()) == {3, 5}


def test_classes_that_cannot_be_omitted_are_refused():
    data = open_data("digits@0,1")
    with pytest.raises(LimbeckError, match="no class '3'"):
        omitting(data, "3")
    with pytest.raises(LimbeckError, match="has no training samples: leave at least one class in"):
        omitting(data, ["0", "1"])
    assert len(omitting(data, ["0"]).train)


def test_hidden_labels_stay_hidden():
    data = only(without_labels(open_data("digits"), 100), ["7", "1", "4"])
    assert data.source.targets[data.unlabelled].unique().tolist() == [0]
    assert not data.source.labelled[data.unlabelled].any()
    assert data.source.labelled[data.train].all()
    assert sorted(data.source.targets[data.train].unique().tolist()) == [0, 1, 2]
