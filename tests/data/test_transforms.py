"""What a model is fed."""

import json

import pytest
import torch
from torchvision.transforms.v2 import functional as tv

from limbeck.data import InputTransform, Standardise, TensorSource, fit, open_data, transform_from_dict
from limbeck.errors import LimbeckError

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def images(count=3, channels=3, height=20, width=14):
    return torch.randint(0, 256, (count, channels, height, width), dtype=torch.uint8)


def test_equals_torchvisions_own_steps():
    batch = images()
    expected = tv.to_dtype(batch, torch.float32, scale=True)
    expected = tv.resize(expected, [10, 24], antialias=True)
    expected = tv.normalize(expected, *map(list, IMAGENET))
    found = InputTransform((10, 24), 3, *IMAGENET)(batch)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_grey_is_repeated_for_a_model_of_three_channels():
    batch = images(channels=1)
    found = InputTransform(None, 3, *IMAGENET)(batch)
    expected = InputTransform(None, 3, *IMAGENET)(batch.expand(-1, 3, -1, -1))
    assert torch.equal(found, expected)


def test_colour_becomes_grey_for_a_model_of_one_channel():
    batch = images()
    found = InputTransform(None, 1, (0.0,), (1.0,))(batch)
    expected = tv.rgb_to_grayscale(tv.to_dtype(batch, torch.float32, scale=True))
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=0)


def test_floats_pass_as_they_are():
    batch = torch.rand(2, 1, 5, 5)
    assert torch.equal(InputTransform(None, 1, (0.0,), (1.0,))(batch), batch)


def test_input_is_not_changed():
    batch = torch.rand(2, 1, 5, 5)
    before = batch.clone()
    InputTransform(None, 1, (0.5,), (0.5,))(batch)
    assert torch.equal(batch, before)


def test_impossible_channels_are_refused():
    with pytest.raises(LimbeckError, match="reads images of 3 channels, but these have 4"):
        InputTransform(None, 3, *IMAGENET)(images(channels=4))


def test_something_else_than_images_is_refused():
    with pytest.raises(LimbeckError, match="four axes"):
        InputTransform(None, 3, *IMAGENET)(torch.rand(4, 10))


def test_wrong_number_of_features_is_refused():
    with pytest.raises(LimbeckError, match="reads 2 features, but the data has 3"):
        Standardise((0.0, 0.0), (1.0, 1.0))(torch.rand(4, 3))


@pytest.mark.parametrize(
    ("mean", "std", "says"),
    [((0.5,), (0.5,) * 3, "needs 3 means"), ((0.5,) * 3, (0.5, 0.0, 0.5), "std .* above 0")],
)
def test_bad_statistics_are_refused(mean, std, says):
    with pytest.raises(LimbeckError, match=says):
        InputTransform(None, 3, mean, std)


@pytest.mark.parametrize(
    "transform",
    [
        InputTransform((32, 16), 3, *IMAGENET),
        InputTransform(None, 1, (0.1307,), (0.3081,)),
        Standardise((1.5, 2.0), (0.1, 3.0)),
    ],
)
def test_survives_json(transform):
    again = transform_from_dict(json.loads(json.dumps(transform.to_dict())))
    assert again == transform
    assert again.fingerprint() == transform.fingerprint()
    assert again.describe() == transform.describe()
    assert isinstance(again.mean, tuple)


@pytest.mark.parametrize(
    "values", [{}, {"kind": "sound"}, {"kind": "image", "size": 3}, {"kind": "features"}]
)
def test_incomplete_description_is_refused(values):
    with pytest.raises(LimbeckError, match="one of the kinds image, features"):
        transform_from_dict(values)


def test_fingerprints_differ():
    each = [
        InputTransform(None, 1, (0.5,), (0.5,)),
        InputTransform((8, 8), 1, (0.5,), (0.5,)),
        InputTransform(None, 1, (0.4,), (0.5,)),
        InputTransform(None, 1, (0.5,), (0.4,)),
        Standardise((0.5,), (0.5,)),
    ]
    assert len({transform.fingerprint() for transform in each}) == len(each)


def test_description_is_for_people():
    assert InputTransform((32, 16), 3, *IMAGENET).describe() == (
        "32×16 RGB, mean 0.485 0.456 0.406, std 0.229 0.224 0.225"
    )


def test_fit_standardises_the_training_images_alone():
    data = open_data("digits")
    fitted = fit(data.source, data.train, data.shape)
    fed = fitted(data.source.read_many(data.train))
    assert abs(fed.mean().item()) < 1e-4
    assert abs(fed.std().item() - 1) < 1e-3
    assert fitted != fit(data.source, data.test, data.shape)
    assert fitted.size == (8, 8)


def test_fit_reads_a_part_of_many_images():
    source = TensorSource(images(50, 1), torch.zeros(50))
    few = fit(source, torch.arange(50), (1, 20, 14), most=10)
    assert few == fit(source, torch.arange(50), (1, 20, 14), most=10)
    assert few != fit(source, torch.arange(50), (1, 20, 14))


def test_fit_keeps_the_size_a_model_wants(write_photos):
    data = open_data(f"folder:{write_photos()}")
    assert fit(data.source, data.train, data.shape, size=(48, 48)).size == (48, 48)


def test_fit_copes_with_a_constant_feature():
    features = torch.tensor([[1.0, 2.0], [1.0, 4.0]])
    fitted = fit(TensorSource(features, torch.zeros(2)), torch.arange(2), (2,))
    assert fitted == Standardise((1.0, 3.0), (1.0, 1.0))
    assert torch.equal(fitted(features), torch.tensor([[0.0, -1.0], [0.0, 1.0]]))
