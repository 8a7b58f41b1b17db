import re
import subprocess
import sys

import pytest

from limbeck import losses
from limbeck.citations import citations_for, entries


def record(loss="KD", data="digits", models=("cnn:16-32",), **recipe):
    return {
        "recipe": {"kd": {"loss": loss, "temperature": 4.0}, "data": {"name": data}, **recipe},
        "data": {"name": data},
        "models": [{"name": each} for each in models],
    }


def keys(text: str) -> set[str]:
    return set(re.findall(r"^@\w+\{([^,]+),$", text, flags=re.MULTILINE))


ALWAYS = {"ansel2024pytorch", "gugger2022accelerate", "detlefsen2022torchmetrics"}


def test_cites_what_was_used_and_nothing_else():
    assert keys(citations_for(record())) == ALWAYS | {
        "hinton2015distilling",
        "alpaydin1998optical",
        "pedregosa2011scikit",
    }


@pytest.mark.parametrize(
    ("data", "key"),
    [
        ("idx:../shared/data/fashion-mnist", "xiao2017fashion"),
        ("idx:/data/MNIST", "lecun1998gradient"),
        ("sklearn:diabetes", "efron2004least"),
    ],
)
def test_data_is_known_by_its_name(data, key):
    found = keys(citations_for(record(data=data)))
    assert key in found
    others = {"xiao2017fashion", "lecun1998gradient", "efron2004least", "alpaydin1998optical"}
    assert not (others - {key}) & found


def test_unknown_data_is_left_to_the_person():
    assert citations_for(record(data="folder:photos")).startswith(
        "% data folder:photos: cite where it comes from\n"
    )


@pytest.mark.parametrize(
    ("spec", "wanted"),
    [
        ("timm:resnet18", {"wightman2019timm", "he2016deep"}),
        ("timm:mobilenetv3_small_050.lamb_in1k", {"wightman2019timm", "howard2019searching"}),
        ("torchvision:mobilenet_v3_small", {"torchvision2016", "howard2019searching"}),
        ("torchvision:efficientnet_v2_s", {"torchvision2016", "tan2021efficientnetv2"}),
        ("timm:efficientnet_b0", {"wightman2019timm", "tan2019efficientnet"}),
        ("timm:vit_tiny_patch16_224", {"wightman2019timm", "dosovitskiy2021image"}),
        ("timm:resnext50_32x4d", {"wightman2019timm"}),
        ("timm:vitamin_small_224", {"wightman2019timm"}),
        ("cnn:16-32", set()),
    ],
)
def test_networks_and_zoos_are_cited(spec, wanted):
    base = keys(citations_for(record()))
    assert keys(citations_for(record(models=("cnn:8", spec)))) - base == wanted


def test_settings_are_found_however_deep_and_in_lists():
    found = keys(citations_for(record(loss=["LogitRegression"], train={"optimizer": {"optimizer": "AdamW"}})))
    assert {"ba2014deep", "loshchilov2019decoupled"} <= found
    assert "hinton2015distilling" not in found


def test_record_without_the_parts_still_cites_the_libraries():
    assert keys(citations_for({})) == ALWAYS
    assert keys(citations_for({"recipe": None, "data": None, "models": None})) == ALWAYS


@pytest.mark.parametrize("name", sorted(set(losses.__all__) - {"DistillationLoss"}))
def test_every_loss_is_cited_by_the_paper_it_names(name):
    known = {use: entry for uses, entry in entries() for use in uses}
    assert f"loss:{name}" in known, f"its paper belongs into citations.bib, below a line '% loss:{name}'"
    paper, entry = getattr(losses, name).paper, known[f"loss:{name}"]
    number = re.search(r"arXiv (\d{4}\.\d{4,5})", paper)
    if number:
        assert number[1] in entry
    else:
        year, surname = re.search(r"\b(19|20)\d\d\b", paper)[0], paper.split(",")[0]
        assert f"{{{year}}}" in entry
        assert re.search(rf"author\s+= \{{{surname}\b", entry)


def test_entries_are_well_formed():
    found = entries()
    text = "\n".join(entry for _, entry in found)
    assert len(keys(text)) == len(found), "a key stands twice"
    for _, entry in found:
        assert entry.count("{") == entry.count("}")
        assert all(f"  {field} " in entry for field in ("title", "author", "year")), entry


def test_no_entry_is_lost_by_its_comment():
    from importlib.resources import files

    text = files("limbeck").joinpath("citations.bib").read_text(encoding="utf-8")
    assert len(entries()) == len(re.findall("^@", text, flags=re.MULTILINE))


def test_needs_no_torch():
    script = (
        "import sys; from limbeck.citations import citations_for as c; c({}); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_mixing_and_views_per_decode_are_cited_where_they_were_used():
    several = {"hoffer2020augment", "berman2019multigrain"}
    found = keys(citations_for(record(mix="mixup-0.2", views_per_decode=4)))
    assert {"zhang2018mixup", *several} <= found
    assert "yun2019cutmix" not in found
    found = keys(citations_for(record(mix="cutmix-1e-1", views_per_decode=1)))
    assert "yun2019cutmix" in found
    assert not {"zhang2018mixup", *several} & found
