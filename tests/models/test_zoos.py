"""timm and torchvision: cheapest size that works, inputs, pretrained weights and what is refused of them."""

from typing import Any

import pytest
import torch
from torch import nn

from limbeck.data import InputTransform
from limbeck.errors import LimbeckError
from limbeck.evaluate.cost import macs
from limbeck.models import Model, open_model
from limbeck.models.sizing import candidates, fitting, whole_patches
from limbeck.models.torchvision_door import replace_head


def answer(model: Model, batch: int = 2) -> torch.Tensor:
    images = torch.randint(0, 256, (batch, *model.shape), dtype=torch.uint8)
    result: torch.Tensor = model.module.train()(model.inputs(images))
    return result


@pytest.mark.parametrize(
    ("name", "side"),
    [
        ("vit_tiny_patch16_224", 64),
        ("mobilenetv3_small_050", 32),
        ("convnext_atto", 32),
        ("test_efficientnet", 32),
        ("regnetx_002", 32),
        ("resnet18", 32),
        ("swin_tiny_patch4_window7_224", 32),
        ("mixer_s32_224", 128),
    ],
)
def test_timm_networks_take_grey_28_pixel_images_with_no_options(name: str, side: int) -> None:
    model = open_model(f"timm:{name}", outputs=10, shape=(1, 28, 28))
    assert isinstance(model.inputs, InputTransform)
    assert (model.inputs.size, model.inputs.channels, model.weights) == ((side, side), 1, None)
    assert answer(model).shape == (2, 10)


def test_a_small_vit_on_small_images_is_cheap() -> None:
    model = open_model("timm:vit_tiny_patch16_224", outputs=10, shape=(1, 28, 28))
    assert macs(model.module, torch.zeros(1, 1, 64, 64)) < 0.1e9  # 1.1e9 at its own 224 pixels


def test_a_network_that_knows_one_size_only_gets_it() -> None:
    model = open_model("timm:efficientformer_l1", outputs=3, shape=(3, 28, 28))
    assert model.inputs.size == (224, 224)


def test_colour_is_normalised_as_the_zoo_does() -> None:
    model = open_model("timm:resnet18", outputs=2, shape=(3, 40, 48))
    assert isinstance(model.inputs, InputTransform)
    assert (model.inputs.size, model.inputs.mean) == ((40, 48), (0.485, 0.456, 0.406))


@pytest.mark.parametrize("name", ["resnet18", "shufflenet_v2_x0_5", "regnet_y_400mf", "googlenet"])
def test_torchvision_networks_take_grey_images_repeated(name: str) -> None:
    model = open_model(f"torchvision:{name}", outputs=10, shape=(1, 28, 28))
    assert isinstance(model.inputs, InputTransform)
    assert (model.inputs.channels, model.inputs.size) == (3, (32, 32))
    assert answer(model).shape == (2, 10)


def test_finding_a_size_draws_no_random_numbers() -> None:
    specs = ("timm:resnet18", "torchvision:regnet_y_400mf")  # tried without memory, and tried for real
    for spec in specs:
        states = []
        for shape in ((1, 28, 28), (1, 32, 32)):
            torch.manual_seed(0)
            states.append(open_model(spec, outputs=2, shape=shape).module.state_dict())
        assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


@pytest.mark.parametrize(
    ("spec", "shape", "size", "told"),
    [
        ("timm:vit_tiny_patch16_224", (3, 28, 28), 40, "patches of 16×16 pixels, and 40×40 is no multiple"),
        ("timm:inception_v3", (3, 28, 28), 32, "does not take images of 32×32 pixels"),
        ("timm:resnet18", (10,), None, "a sample here is 10 features"),
        ("torchvision:resnet18", (10,), None, "a sample here is 10 features"),
        ("torchvision:resnet18", (4, 28, 28), None, "reads images of 3 channels and the data has 4"),
        ("torchvision:vit_b_16", (3, 28, 28), 40, "does not take images of 40×40 pixels"),
    ],
)
def test_what_a_zoo_cannot_do_is_told(spec: str, shape: tuple[int, ...], size: int | None, told: str) -> None:
    with pytest.raises(LimbeckError) as caught:
        open_model(spec, outputs=2, shape=shape, size=size)
    assert told in str(caught.value)


@pytest.mark.parametrize("spec", ["timm:resnet18", "torchvision:resnet18"])
def test_a_pretrained_teacher_of_other_classes_is_refused_before_any_download(spec: str) -> None:
    with pytest.raises(LimbeckError) as caught:
        open_model(spec, outputs=10, shape=(3, 64, 64), pretrained=True, role="teacher")
    assert f"{spec} has 1000 classes and the data has 10" in str(caught.value)
    assert f"limbeck train --model {spec} --pretrained" in str(caught.value)


def test_pretrained_weights_that_do_not_exist_are_told() -> None:
    with pytest.raises(LimbeckError, match="timm has no pretrained weights for timm:test_vit4"):
        open_model("timm:test_vit4", outputs=10, shape=(3, 64, 64), pretrained=True)


@pytest.mark.parametrize("spec", ["timm:resnet18", "torchvision:resnet18"])
def test_a_failing_download_is_one_sentence(spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import timm
    import torchvision.models

    def unreachable(name: str, **options: Any) -> nn.Module:
        raise OSError("no route to host\nand much more")

    monkeypatch.setattr(timm, "create_model", unreachable)
    monkeypatch.setattr(torchvision.models, "get_model", _only_when_trained(unreachable))
    with pytest.raises(LimbeckError) as caught:
        open_model(spec, outputs=10, shape=(3, 64, 64), pretrained=True)
    assert f"weights of {spec} could not be fetched or read (no route to host)" in str(caught.value)
    assert "\n" not in str(caught.value)


def _only_when_trained(instead: Any, keep: list[Any] | None = None) -> Any:
    """Return torchvision's ``get_model`` with the branch that downloads replaced."""
    import torchvision.models

    real = torchvision.models.get_model

    def get_model(name: str, weights: Any = None, **options: Any) -> nn.Module:
        if weights is None:
            built: nn.Module = real(name, weights=None, **options)
            return built
        if keep is not None:
            keep.append(weights)
        faked: nn.Module = instead(name, **options)
        return faked

    return get_model


def test_pretrained_timm_takes_its_own_size_and_repeats_grey(monkeypatch: pytest.MonkeyPatch) -> None:
    import timm

    real, asked = timm.create_model, {}

    def offline(name: str, pretrained: bool = False, **options: Any) -> nn.Module:
        asked.update(options, pretrained=pretrained)
        built: nn.Module = real(name, pretrained=False, **options)
        return built

    monkeypatch.setattr(timm, "create_model", offline)
    model = open_model("timm:test_resnet", outputs=10, shape=(1, 28, 28), pretrained=True, role="student")
    assert asked == {"pretrained": True, "num_classes": 10, "in_chans": 3}
    assert isinstance(model.inputs, InputTransform)
    assert (model.inputs.size, model.inputs.channels) == ((160, 160), 3)
    assert model.weights == "timm:test_resnet pretrained (test_resnet.r160_in1k)"
    assert answer(model).shape == (2, 10)
    assert not open_model("timm:test_resnet", outputs=10, shape=(1, 28, 28)).weights
    assert asked["pretrained"] is False


def test_pretrained_torchvision_keeps_a_teachers_head_and_replaces_a_students(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import torchvision.models

    from limbeck.models.torchvision_door import build_torchvision

    asked: list[Any] = []
    fake = _only_when_trained(lambda name, **_: build_torchvision(name, {"num_classes": 1000}), asked)
    monkeypatch.setattr(torchvision.models, "get_model", fake)
    name = "shufflenet_v2_x0_5"
    teacher = open_model(
        f"torchvision:{name}", outputs=1000, shape=(3, 64, 64), pretrained=True, role="teacher"
    )
    student = open_model(
        f"torchvision:{name}", outputs=10, shape=(3, 64, 64), pretrained=True, role="student"
    )
    assert len(asked) == 2
    assert teacher.classes is not None
    assert teacher.classes[0] == "tench"
    assert student.classes is None
    assert student.module.fc.out_features == 10
    assert (teacher.inputs.size, student.options) == ((224, 224), {"num_classes": 10})


def test_a_head_made_of_a_convolution_is_replaced_too() -> None:
    net = nn.Sequential(nn.Conv2d(3, 1000, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    replace_head(net, 1000, 7)
    assert net(torch.zeros(1, 3, 4, 4)).shape == (1, 7)
    with pytest.raises(LimbeckError, match="no last layer with 1000 outputs"):
        replace_head(net, 1000, 7)


def test_candidate_sizes_are_cheapest_first_and_keep_the_aspect() -> None:
    assert candidates((28, 56), None, (224, 224))[0] == (32, 64)
    assert candidates((8, 8), (4, 4), (224, 224))[0] == (32, 32)
    assert candidates((300, 300), None, (224, 224)) == [(300, 300), (224, 224)]
    assert whole_patches((65, 10), (16, 16)) == (80, 64)


def test_a_network_of_another_width_is_not_mistaken_for_one_that_fits() -> None:
    with pytest.raises(LimbeckError, match=r"it returns \(1, 3\) instead of \(1, 2\)"):
        fitting(
            "mine",
            lambda: nn.Sequential(nn.Flatten(), nn.Linear(16, 3)),
            "img_size",
            [(4, 4)],
            channels=1,
            outputs=2,
        )
