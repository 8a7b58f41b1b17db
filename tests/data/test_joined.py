"""Several data sets as one, over the union of their classes."""

import numpy as np
import pytest
import torch

from limbeck.data import (
    Views,
    augmentation,
    dataset_data,
    default_augmentation,
    joined,
    open_data,
    without_labels,
)
from limbeck.errors import LimbeckError

PARTS = ("train", "validation", "test")


def read(data, indices):
    drawn = augmentation("shift", data.canvas)
    return Views(data.source, drawn, None, 3, data.canvas).read(indices, torch.zeros_like(indices))


def names_of(data, indices):
    return [data.classes[each] for each in data.source.targets[indices].tolist()]


def test_classes_are_united_in_order_of_appearance():
    origins = [open_data("digits@3,1"), open_data("digits@1,7,3"), open_data("digits@5,0")]
    both = joined(origins)
    assert both.data.classes == ("3", "1", "7", "5", "0")
    assert both.data.name == "digits@3,1 + digits@1,7,3 + digits@5,0"
    assert both.names == (("3", "1"), ("1", "7", "3"), ("5", "0"))
    for part in PARTS:
        assert names_of(both.data, getattr(both.data, part)) == [
            name for each in origins for name in names_of(each, getattr(each, part))
        ]


def test_each_part_holds_its_origin_alone():
    origins = [open_data("digits@3,1"), open_data("digits@1,7,3")]
    both = joined(origins)
    for part, origin in zip(both.parts, origins, strict=True):
        assert (part.name, part.classes, part.source) == (origin.name, both.data.classes, both.data.source)
        for each in PARTS:
            mine, theirs = getattr(part, each), getattr(origin, each)
            assert names_of(part, mine) == names_of(origin, theirs)
            samples, was = (d.source.read_many(i) for d, i in ((part, mine), (origin, theirs)))
            assert torch.equal(samples, was)
    for each in PARTS:
        assert torch.equal(getattr(both.data, each), torch.cat([getattr(part, each) for part in both.parts]))


def test_names_tell_apart_or_bring_together():
    digits, other = open_data("digits@0,1"), open_data("digits@2,3")
    assert joined([digits, other], [["a", "b"], ["b", "c"]]).data.classes == ("a", "b", "c")
    apart = joined([digits, digits], [["x 0", "x 1"], ["y 0", "y 1"]])
    assert apart.data.classes == ("x 0", "x 1", "y 0", "y 1")
    assert apart.data.notes == ()
    same = joined([digits, digits])
    assert same.data.classes == ("0", "1")
    assert same.data.notes == (
        "The classes 0, 1 of digits@0,1 and digits@0,1 bear one name and are taken for the same.",
    )


def test_sizes_and_colours_are_brought_together(write_photos):
    photos = open_data(f"folder:{write_photos()}", size=12)
    both = joined([open_data("digits"), photos])
    assert both.data.shape == (3, 12, 12)
    batch = read(both.data, both.data.test)
    assert batch.inputs.shape == (len(both.data.test), 3, 12, 12)
    assert batch.inputs.dtype == torch.uint8
    greys = read(both.parts[0], both.parts[0].test).inputs
    assert torch.equal(greys[:, 0], greys[:, 1])
    assert default_augmentation(both.data) == "shift"


def test_bytes_and_floats_are_brought_together():
    floats = dataset_data([(torch.rand(1, 6, 10), k % 2) for k in range(30)], classes=("a", "b"))
    both = joined([open_data("digits"), floats])
    assert both.data.shape == (1, 8, 10)
    batch = read(both.data, torch.cat([each.train[:3] for each in both.parts]))
    assert batch.inputs.dtype == torch.float32
    assert 0 <= float(batch.inputs.min()) <= float(batch.inputs.max()) <= 1


def test_features_of_one_width_are_joined():
    def table(classes, width=3):
        inputs = torch.from_numpy(np.random.default_rng(0).random((30, width), dtype=np.float32))
        pairs = [(row, k % 2) for k, row in enumerate(inputs)]
        return dataset_data(pairs, classes=classes, name=f"table {width}")

    both = joined([table(("a", "b")), table(("b", "c"))])
    assert both.data.shape == (3,)
    assert both.data.classes == ("a", "b", "c")
    with pytest.raises(
        LimbeckError, match=r"table 3 has samples of shape \(3,\) and table 4 of shape \(4,\)"
    ):
        joined([table(("a", "b")), table(("b", "c"), 4)])


def test_hidden_labels_stay_hidden():
    origins = [without_labels(open_data("digits@0,1,2"), 30), open_data("digits@3,4")]
    both = joined(origins)
    assert len(both.data.unlabelled) == len(origins[0].unlabelled)
    batch = read(both.data, both.data.transfer_set)
    assert batch.labelled.tolist() == [True] * len(both.data.train) + [False] * len(both.data.unlabelled)
    assert batch.targets[~batch.labelled].unique().tolist() == [0]
    assert torch.equal(both.parts[0].unlabelled, both.data.unlabelled)
    assert len(both.parts[1].unlabelled) == 0


def test_fingerprints_cover_order_and_names():
    one, other = open_data("digits@0,1"), open_data("digits@2,3")
    kinds = [
        joined([one, other]),
        joined([other, one]),
        joined([one, other], [["a", "b"], ["c", "d"]]),
        joined([one, other], [["a", "b"], ["b", "a"]]),
    ]
    assert len({each.data.fingerprint() for each in kinds}) == 4
    again = joined([open_data("digits@0,1"), open_data("digits@2,3")])
    assert again.data.fingerprint() == kinds[0].data.fingerprint()
    assert len({again.data.fingerprint(), *(each.fingerprint() for each in again.parts)}) == 3


@pytest.mark.parametrize(
    ("specs", "names", "says"),
    [
        (["digits"], None, "needs two data sets or more, but 1 was given"),
        (
            ["digits", "sklearn:diabetes"],
            None,
            "sklearn:diabetes is for regression: only data for classification",
        ),
        (["digits@0,1", "digits@2,3"], [["a", "b"]], "There are 2 data sets but names for 1"),
        (
            ["digits@0,1", "digits@2,3"],
            [["a", "b"], ["c"]],
            r"digits@2,3 has 2 classes but got 1 names: .* \(2, 3\)",
        ),
        (["digits@0,1", "digits@2,3"], [["a", "b"], "cd"], "got the text 'cd'"),
        (["digits@0,1", "digits@2,3"], [["a", "a"], ["c", "d"]], "are both called 'a'"),
    ],
)
def test_data_that_cannot_be_joined_is_refused(specs, names, says):
    with pytest.raises(LimbeckError, match=says):
        joined([open_data(each) for each in specs], names)


def test_samples_of_other_kinds_are_refused():
    images = dataset_data([(torch.rand(5, 8, 8), k % 2) for k in range(20)], name="bands")
    with pytest.raises(
        LimbeckError, match=r"digits has samples of shape \(1, 8, 8\) and bands of shape \(5, 8, 8\)"
    ):
        joined([open_data("digits"), images])
    normal = dataset_data([(torch.randn(1, 8, 8), k % 2) for k in range(20)], name="normal")
    with pytest.raises(
        LimbeckError, match=r"images of normal have values outside 0\.\.1 and those of digits have not"
    ):
        joined([open_data("digits"), normal])
    assert joined([normal, normal]).data.source.read(0).min() < 0
    own = dataset_data(
        [(torch.rand(1, 8, 8), k % 2) for k in range(20)], name="own", collate_fn=lambda pairs: pairs
    )
    with pytest.raises(LimbeckError, match="own puts its samples together by a collate_fn"):
        joined([open_data("digits"), own])
    doubles = open_data("digits")
    doubles.source.inputs = doubles.source.inputs.double()
    with pytest.raises(LimbeckError, match="neither all bytes nor all floats"):
        joined([doubles, open_data("digits")])
