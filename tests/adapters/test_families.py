"""Every family of timm's and torchvision's classifiers is matched without naming a layer."""

import warnings

import pytest
import torch

from adapters.wired import shapes_agree
from limbeck.adapters import match_layers
from limbeck.data import InputTransform
from limbeck.models import open_model

SIDE = 64
DOZEN = {
    "torchvision": """
        mobilenet_v3_small squeezenet1_1 googlenet
    """,
    "timm": """
        densenet121 hrnet_w18_small levit_128s mvitv2_tiny pit_ti_224 xcit_nano_12_p16_224 mixer_s16_224
        nest_tiny cait_xxs24_224
    """,
}
REST = {
    "torchvision": """
        alexnet convnext_tiny densenet121 efficientnet_b0 inception_v3 maxvit_t mnasnet0_5 mobilenet_v2
        regnet_y_400mf resnet18 resnext50_32x4d shufflenet_v2_x0_5 swin_t swin_v2_t vgg11 vit_b_32
        wide_resnet50_2
    """,
    "timm": """
        beit_base_patch16_224 botnet26t_256 gcresnet33ts coat_tiny convit_tiny convmixer_768_32
        convnext_atto cpubone_b0_bfrobust crossvit_9_240 csatv2 cs3darknet_focus_s cspnext_tiny davit_tiny
        deit_tiny_distilled_patch16_224 dla46_c dpn48b edgenext_xx_small efficientformer_l1
        efficientformerv2_s0 efficientnet_b0 efficientvim_m1 efficientvit_b0 efficientvit_m0
        eva02_tiny_patch14_224 fasternet_t0 fastvit_t8 focalnet_tiny_srf gcvit_xxtiny ghostnet_050
        hardcorenas_a hgnetv2_b0 hiera_tiny_224 hieradet_small iformer_s inception_next_atto
        inception_resnet_v2 inception_v3 inception_v4 lcnetv2_small lowformer_b0 mambaout_femto
        maxvit_pico_rw_256 poolformer_s12 gmlp_s16_224 resmlp_12_224 mobilenetv3_small_050 mobilevit_xxs
        mobilevitv2_050 mobilenetv5_base naflexvit_base_patch16_gap nextvit_small nfnet_l0
        pit_ti_distilled_224 pnasnet5large pvt_v2_b0 rdnet_tiny regnetx_002 repghostnet_050 repvit_m0_9
        res2net50_48w_2s resnest14d resnet18 resnetv2_50 resnet50_clip rexnet_100 selecsls42
        legacy_seresnet18 sequencer2d_s shvit_s1 skresnet18 starnet_s050 swiftformer_xs
        swin_tiny_patch4_window7_224 swinv2_tiny_window8_256 swinv2_cr_tiny_224 tiny_vit_5m_224
        tnt_s_patch16_224 tresnet_m twins_svt_small vgg11 visformer_tiny vit_tiny_patch16_224
        vit_tiny_r_s16_p8_224 vit_relpos_small_patch16_224 samvit_base_patch16_224
        vit_small_patch14_reg4_dinov2 vitamin_small_224 volo_d1_224 ese_vovnet19b_slim_dw legacy_xception
        xception41 nasnetalarge
    """,
}


def specs(names):
    return [f"{zoo}:{name}" for zoo, several in names.items() for name in several.split()]


@pytest.fixture(scope="module")
def teacher():
    return open_model("timm:test_convnext", outputs=10, shape=(3, SIDE, SIDE)).module


def is_matched(spec, teacher):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the zoos' own
        model = open_model(spec, outputs=10, shape=(3, SIDE, SIDE))
    assert isinstance(model.inputs, InputTransform)
    examples = torch.randn(2, 3, *model.inputs.size), torch.randn(2, 3, SIDE, SIDE)
    matches = match_layers(model.module, teacher, examples)
    assert len(matches.embedding.student_shape) == 1
    assert matches.embedding.student != "logits"
    assert len(matches.every_map) >= 3
    shapes_agree(model.module, teacher, examples, matches)
    other_way = match_layers(teacher, model.module, examples[::-1])
    assert other_way.embedding.teacher == matches.embedding.student


@pytest.mark.parametrize("spec", specs(DOZEN))
def test_unusual_family_is_matched(spec, teacher):
    is_matched(spec, teacher)


@pytest.mark.slow
@pytest.mark.parametrize("spec", specs(REST))
def test_every_family_is_matched(spec, teacher):
    is_matched(spec, teacher)
