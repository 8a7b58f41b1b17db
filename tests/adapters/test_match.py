"""Layers are found and paired without a name, and by the names a person gives."""

import copy

import pytest
import timm
import torch
import torchvision
from torch import nn

from adapters.wired import shapes_agree
from limbeck.adapters import ChannelsFirst, Conv, Linear, Pool, Resize, TokensToMap, match_layers, pair_of
from limbeck.errors import LimbeckError
from limbeck.models.small import cnn, mlp
from limbeck.types import Batch

SIDE = 64


def small_vgg():
    """Make a VGG as torchvision runs it, without the 120 million parameters of its classifier."""
    with torch.device("meta"):
        net = torchvision.models.VGG(nn.Identity(), init_weights=False)
    net.features = torchvision.models.vgg.make_layers([8, "M", 16, "M", 16, "M", 32, 32, "M", 32, "M"])
    hidden = [
        nn.Linear(32 * 49, 24),
        nn.ReLU(True),
        nn.Dropout(),
        nn.Linear(24, 24),
        nn.ReLU(True),
        nn.Dropout(),
    ]
    net.classifier = nn.Sequential(*hidden, nn.Linear(24, 5))
    return net


NETS = {
    "resnet": lambda: timm.create_model("test_resnet", num_classes=5),
    "mobilenetv3": lambda: timm.create_model("mobilenetv3_small_050", num_classes=5),
    "vit": lambda: timm.create_model("test_vit", num_classes=5, img_size=SIDE),
    "convnext": lambda: timm.create_model("test_convnext", num_classes=5),
    "efficientnet": lambda: timm.create_model("test_efficientnet", num_classes=5),
    "regnet": lambda: timm.create_model("regnetx_002", num_classes=5),
    "vgg": small_vgg,
    "shufflenet": lambda: torchvision.models.shufflenet_v2_x0_5(num_classes=5),
    "swin": lambda: timm.create_model(
        "swin_tiny_patch4_window7_224",
        num_classes=5,
        img_size=SIDE,
        window_size=2,
        embed_dim=12,
        depths=(1, 1, 2, 1),
    ),
}
PAIRS = [
    ("resnet", "mobilenetv3"),
    ("vit", "resnet"),
    ("convnext", "efficientnet"),
    ("regnet", "vit"),
    ("vgg", "shufflenet"),
    ("vit", "swin"),
]


@pytest.fixture(scope="module")
def nets():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return {name: make() for name, make in NETS.items()}


@pytest.fixture
def images():
    return torch.randn(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))


def taps(pairs, side):
    return [getattr(pair, side) for pair in pairs]


@pytest.mark.parametrize(("teacher", "student"), [*PAIRS, *((b, a) for a, b in PAIRS)])
def test_pairs_of_unlike_networks_agree_in_shape_while_the_student_trains(nets, images, teacher, student):
    ours, theirs = copy.deepcopy(nets[student]), copy.deepcopy(nets[teacher])
    matches = match_layers(ours, theirs, images)
    assert len(matches.every_map) >= 3
    assert len(matches.embedding.student_shape) == len(matches.embedding.teacher_shape) == 1
    shapes_agree(ours, theirs, (images, images), matches)


@pytest.mark.parametrize(
    ("name", "embedding", "maps"),
    [
        ("resnet", "fc@in", ["layer1", "layer2", "layer3", "layer4"]),
        ("mobilenetv3", "classifier@in", ["blocks.0", "blocks.1", "blocks.3", "blocks.5"]),
        ("vit", "head@in", ["blocks.1", "blocks.2", "blocks.3", "norm"]),
        ("convnext", "head.fc@in", ["stages.0", "stages.1", "stages.2", "stages.3"]),
        ("efficientnet", "classifier@in", ["blocks.1", "blocks.2", "blocks.3", "bn2"]),
        ("regnet", "head.fc@in", ["s1", "s2", "s3", "s4"]),
        ("vgg", "classifier.5@in", ["features.4", "features.7", "features.12", "features.15"]),
        ("shufflenet", "fc@in", ["stage2", "stage3", "conv5"]),
        ("swin", "head.fc@in", ["layers.0", "layers.1", "layers.2", "norm"]),
    ],
)
def test_a_network_beside_itself_gives_its_own_stages(nets, images, name, embedding, maps):
    matches = match_layers(nets[name], nets[name], images)
    assert taps(matches.every_map, "student") == taps(matches.every_map, "teacher") == maps
    assert matches.embedding.student == embedding
    assert all(pair.adapter() is None for pair in (matches.embedding, *matches.every_map))


def test_forms_bring_other_layouts_to_maps(nets, images):
    matches = match_layers(nets["vit"], nets["swin"], images)
    assert {type(pair.student_form) for pair in matches.every_map} == {TokensToMap}
    assert {type(pair.teacher_form) for pair in matches.every_map} == {ChannelsFirst}
    assert "student TokensToMap; teacher ChannelsFirst; Conv" in matches.last_map.bridge


def test_same_resolutions_are_paired_however_deep_they_lie(images):
    shallow = cnn((4, 8, 12, 16), 5, (3, SIDE, SIDE))
    deep = cnn((4, 8, 12), 5, (3, SIDE, SIDE), depth=4)
    matches = match_layers(shallow, deep, images)
    assert taps(matches.every_map, "student") == [
        "stage1",
        "stage2",
        "stage4",
    ]  # the last belongs to the last
    assert taps(matches.every_map, "teacher") == ["stage1", "stage2", "stage3"]


def test_equal_depth_decides_where_there_is_one_resolution(images):
    deep = timm.create_model("test_vit", depth=12, num_classes=5, img_size=SIDE)
    shallow = timm.create_model("test_vit", depth=6, num_classes=5, img_size=SIDE)
    matches = match_layers(shallow, deep, images)
    assert taps(matches.every_map, "student") == ["blocks.1", "blocks.2", "blocks.3", "norm"]
    assert taps(matches.every_map, "teacher") == ["blocks.3", "blocks.5", "blocks.7", "norm"]


def test_middle_and_last_are_of_every_map(nets, images):
    matches = match_layers(nets["resnet"], nets["convnext"], images)
    assert matches.middle_map is matches.every_map[1]
    assert matches.last_map is matches.every_map[-1]
    assert matches.at("last map") == (matches.last_map,)
    assert matches.at("middle map") == (matches.middle_map,)
    assert matches.at("every map") == matches.every_map
    assert matches.at("embedding") == (matches.embedding,)
    assert matches.at("logits")[0].student == "logits"


def test_unknown_place_is_refused_with_a_near_one(nets, images):
    matches = match_layers(nets["resnet"], nets["resnet"], images)
    with pytest.raises(LimbeckError, match="Did you mean 'last map'"):
        matches.at("last maps")


def test_table_tells_every_place_in_words(nets, images):
    rows = match_layers(nets["resnet"], nets["vit"], images).table()
    assert [row["place"] for row in rows] == [
        "logits", "embedding", "last map", "middle map", *["every map"] * 4,
    ]  # fmt: skip
    assert rows[2]["student"] == "layer4"
    assert rows[2]["teacher shape"] == "64×4×4"
    assert rows[2]["bridge"] == "teacher TokensToMap; Conv 96→64, 2×2→4×4"
    assert "1/32 and 1/16" in rows[2]["why"]
    assert all(isinstance(cell, str) for row in rows for cell in row.values())


def test_networks_may_read_different_examples(nets):
    small, large = torch.randn(1, 3, 32, 32), torch.randn(1, 3, SIDE, SIDE)
    expected = match_layers(nets["resnet"], nets["vit"], (small, large)).table()
    by_role = {"student": small, "teacher": large}
    assert match_layers(nets["resnet"], nets["vit"], by_role).table() == expected
    assert match_layers(nets["resnet"], nets["vit"], Batch(by_role)).table() == expected
    assert "1×1→4×4" in expected[2]["bridge"]


def test_images_need_not_be_square(nets):
    images = torch.randn(2, 3, SIDE, 96)
    matches = match_layers(nets["resnet"], nets["mobilenetv3"], images)
    assert matches.last_map.student_shape[1:] == (2, 3)
    wide = timm.create_model("test_vit", num_classes=5, img_size=(SIDE, 96))
    shapes_agree(
        copy.deepcopy(nets["resnet"]), wide, (images, images), match_layers(nets["resnet"], wide, images)
    )


def test_mlp_has_an_embedding_and_no_maps():
    teacher, student = mlp((8,), 5, (3, 8, 8)), cnn((4, 8), 5, (3, 8, 8))
    matches = match_layers(student, teacher, torch.randn(2, 3, 8, 8))
    assert (matches.embedding.student, matches.embedding.teacher) == ("head@in", "head@in")
    assert isinstance(matches.embedding.adapter(), type(None))
    assert matches.every_map == ()
    assert matches.last_map is None
    for place in ("last map", "middle map", "every map"):
        with pytest.raises(
            LimbeckError, match=r"The teacher Sequential has no feature maps.*embedding or the logits"
        ):
            matches.at(place)
    assert [row["place"] for row in matches.table()] == ["logits", "embedding"]


def test_features_of_a_table_are_no_images():
    matches = match_layers(mlp((8, 4), 1, (6,)), mlp((8, 16), 1, (6,)), torch.randn(2, 6))
    assert isinstance(matches.embedding.adapter(), Linear)
    assert matches.embedding.adapter()(torch.zeros(2, 4)).shape == (2, 16)


def test_each_adapter_is_new(nets, images):
    pair = match_layers(nets["resnet"], nets["convnext"], images).last_map
    assert pair.adapter() is not pair.adapter()


class Wrapped(nn.Module):
    """A backbone that pools at its end, a head beside it, and a functional classifier if asked."""

    def __init__(self, functional=False):
        super().__init__()
        self.backbone = cnn((4, 8, 12), 6, (3, SIDE, SIDE), depth=2)
        self.backbone.head = nn.Identity()
        self.head = nn.Sequential(nn.Dropout(0.5), nn.Linear(12, 5))
        self.prototypes = nn.Parameter(torch.randn(5, 12)) if functional else None

    def forward(self, x):
        features = self.backbone(x)
        return self.head(features) if self.prototypes is None else features @ self.prototypes.T


def test_wrapped_backbone_is_opened_and_dropout_is_left_behind(images):
    matches = match_layers(Wrapped(), Wrapped(), images)
    assert matches.embedding.student == "head.0@in"
    assert taps(matches.every_map, "student") == ["backbone.stage1", "backbone.stage2", "backbone.stage3"]


def test_network_without_a_classifier_layer_is_embedded_by_its_last_map(images):
    matches = match_layers(Wrapped(functional=True), Wrapped(), images)
    assert matches.embedding.student == "backbone.stage3"
    assert isinstance(matches.embedding.student_form, Pool)
    assert matches.embedding.student_shape == (12,)


def test_pools_of_any_kind_are_no_stage(images):
    net = small_vgg()
    for side in (
        SIDE,
        224,
    ):  # the adaptive pool changes nothing at 224, and enlarges the map of smaller images
        matches = match_layers(net, net, torch.randn(1, 3, side, side))
        assert matches.last_map.student == "features.15"


def test_network_may_make_an_image_of_what_it_reads():
    net = nn.Sequential(nn.Unflatten(1, (1, 8)), cnn((4, 8), 5, (1, 8, 12), depth=2))
    matches = match_layers(net, net, torch.randn(2, 8, 12))
    assert matches.last_map.student_shape == (8, 4, 6)


def test_network_of_sequences_has_no_maps():
    class Attentive(nn.Module):
        def __init__(self):
            super().__init__()
            self.drop, self.mix, self.head = nn.Dropout(0.1), nn.Linear(4, 4), nn.Linear(4, 3)

        def forward(self, x):
            weights = self.drop((x @ x.mT).softmax(-1)[:, None].repeat(1, 2, 1, 1))  # (N, heads, L, L)
            return self.head(self.mix(weights.mean(1) @ x).mean(1))

    matches = match_layers(Attentive(), Attentive(), torch.randn(2, 9, 4))
    assert matches.embedding.student == "head@in"
    assert matches.every_map == ()


def test_two_heads_that_are_averaged_are_read_before_the_first(images):
    net = timm.create_model("deit_tiny_distilled_patch16_224", num_classes=5, img_size=SIDE, depth=4)
    matches = match_layers(net, net, images)
    assert matches.embedding.student == "head@in"
    assert matches.last_map.student_form.prefix == 2


def test_map_that_is_changed_in_place_is_tapped_as_a_copy(images):
    net = torchvision.models.DenseNet(8, (1, 1, 1, 1), 8, num_classes=5)
    matches = match_layers(net, net, images)
    assert matches.last_map.student == "features.norm5@copy"
    shapes_agree(net, copy.deepcopy(net), (images, images), matches)


# What a person names


def test_named_layers_are_bridged(nets, images):
    pair = pair_of(nets["vit"], nets["resnet"], images, "blocks.0", "layer2.0.conv1")
    assert (pair.student, pair.teacher) == ("blocks.0", "layer2.0.conv1")
    assert isinstance(pair.student_form, TokensToMap)
    assert pair.teacher_form is None
    known = pair.adapter()(pair.student_form(torch.zeros(2, 17, 64)))
    assert tuple(known.shape[1:]) == pair.teacher_shape


def test_named_vector_and_map_meet_as_vectors(nets, images):
    pair = pair_of(nets["resnet"], nets["vit"], images, "layer3", "head@in")
    assert isinstance(pair.student_form, Pool)
    assert isinstance(pair.adapter(), Linear)
    assert pair.adapter()(pair.student_form(torch.zeros(2, *[192, 4, 4]))).shape == (2, 64)


def test_named_outputs_pair_with_anything(nets, images):
    pair = pair_of(nets["resnet"], nets["vit"], images, "logits", "norm")
    assert pair.student_shape == (5,)
    assert pair.teacher_shape == (64,)


def test_equal_widths_need_only_a_resize(nets, images):
    pair = pair_of(nets["resnet"], nets["resnet"], images, "layer1", "conv1")
    assert isinstance(pair.adapter(), Resize)
    assert pair.bridge == "Resize 16×16→32×32"


def test_named_layer_that_does_not_exist_or_run_is_refused(nets, images):
    with pytest.raises(LimbeckError, match=r"ResNet has no layer 'layer5'\. Did you mean 'layer"):
        pair_of(nets["resnet"], nets["vit"], images, "layer5", "norm")
    net = nn.Sequential(nn.Flatten(), nn.Linear(3 * SIDE * SIDE, 5))
    net[1].spare = nn.ReLU()
    with pytest.raises(LimbeckError, match="did not run"):
        pair_of(net, nets["vit"], images, "1.spare", "norm")


def test_named_layer_with_several_outputs_is_refused_with_the_way_to_one():
    net = nn.Sequential(nn.LSTM(4, 6, batch_first=True))
    x = torch.randn(2, 3, 4)
    with pytest.raises(LimbeckError, match=r"'0' of the student gives a tuple.*0@out\.0"):
        pair_of(net, net, x, "0", "0@out.0")
    pair = pair_of(net, net, x, "0@out.0", "0@in")
    assert (pair.student_shape, pair.teacher_shape) == ((6, 3, 1), (4, 3, 1))
    assert isinstance(pair.adapter(), Conv)


def test_layers_that_nothing_bridges_are_named_with_their_shapes(images):
    text = nn.Sequential(nn.LSTM(4, 6, batch_first=True))
    told = r"the student's '0@out\.0' gives \(2, 7, 6\) and the teacher's 'stage1' gives \(2, 4, 32, 32\)"
    with pytest.raises(LimbeckError, match=told):
        pair_of(text, cnn((4, 8), 5, (3, SIDE, SIDE)), (torch.randn(2, 7, 4), images), "0@out.0", "stage1")


def test_tensor_that_no_loss_reads_is_refused():
    net = nn.Sequential(nn.Conv3d(1, 2, 1), nn.Flatten(), nn.Linear(16, 3))
    with pytest.raises(LimbeckError, match=r"shape \(1, 2, 2, 2, 2\), from which no loss"):
        pair_of(net, net, torch.randn(1, 1, 2, 2, 2), "0", "2")
