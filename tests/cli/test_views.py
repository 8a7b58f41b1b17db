"""--mix and --views-per-decode as a person sees them: trained to the same bits by workers and resumed, or refused."""

from pathlib import Path

import pytest
from safetensors.torch import load_file

from limbeck.report.record import read_run
from limbeck.train import loop
from tones import write_flat

PAIR = ["--teacher", "mlp:8", "--student", "mlp:4"]
DIGITS = ["--data", "digits", "--limit", "60"]
SHORT = ["--epochs", "2", "--seeds", "1", "--batch-size", "20"]
TOLD = ["--mix", "cutmix-1.0", "--views-per-decode", "2"]


def students(*folders):
    return [Path(each, "student.safetensors").read_bytes() for each in folders]


def test_workers_and_a_cache_filled_ahead_or_not_change_no_bit(limbeck):
    words = ["distill", *PAIR, *DIGITS, *SHORT, *TOLD, "--epochs", "4", "--cache-views", "2"]
    assert limbeck(*words, "--out", "run").code == 0
    assert limbeck(*words, "--workers", "2", "--out", "loaded").code == 0
    one, other = students("run", "loaded")
    assert one == other
    record = read_run(Path("run"))
    assert record.recipe["mix"] == "cutmix-1.0"
    cites = limbeck("cite", "run").out
    assert all(key in cites for key in ("yun2019cutmix", "hoffer2020augment", "berman2019multigrain"))
    assert "zhang2018mixup" not in cites


def test_a_mixed_run_that_was_interrupted_ends_with_the_same_bits(limbeck, monkeypatch):
    words = ["distill", *PAIR, *DIGITS, *SHORT, *TOLD, "--set", "train.checkpoint_every=1"]
    assert limbeck(*words, "--out", "whole").code == 0
    step, seen = loop._Training.step, []

    def stopped(self, *given):
        seen.append(None)
        if len(seen) == 16:
            raise KeyboardInterrupt
        return step(self, *given)

    with monkeypatch.context() as patch:
        patch.setattr(loop._Training, "step", stopped)
        assert limbeck(*words, "--out", "run").code != 0
    assert limbeck("distill", "--resume", "run").code == 0
    one, other = students("run", "whole")
    assert one == other


def test_the_student_alone_is_mixed_too_and_the_teacher_not(limbeck, monkeypatch):
    seen = {}
    epoch = loop._Training.epoch

    def noted(self, number, request):
        seen[self.label] = self.train.part.views.mix, self.train.part.views_per_decode
        assert self.validation.part.views.mix is None
        return epoch(self, number, request)

    monkeypatch.setattr(loop._Training, "epoch", noted)
    assert limbeck("distill", *PAIR, *DIGITS, *SHORT, *TOLD, "--out", "run").code == 0
    assert seen["teacher"] == (None, 1)
    assert seen["alone"][0].name == seen["student"][0].name == "cutmix-1.0"
    assert seen["alone"][1] == seen["student"][1] == 2


def test_one_model_is_trained_with_both(limbeck):
    words = ["train", "--model", "mlp:4", *DIGITS, *SHORT]
    assert limbeck(*words, "--mix", "mixup-0.4", "--views-per-decode", "2", "--out", "mixed").code == 0
    assert limbeck(*words, "--out", "plain").code == 0
    mixed, plain = (load_file(Path(each, "model.safetensors")) for each in ("mixed", "plain"))
    assert any(not mixed[name].equal(plain[name]) for name in plain)


def test_decoding_is_shared_and_labels_of_some_are_mixed(limbeck, photos):
    folder = f"folder:{photos('photos')}"
    words = ["distill", *PAIR, "--data", folder, *SHORT]
    assert limbeck(*words, "--views-per-decode", "2", "--out", "several").code == 0
    mixed = ["--scheme", "SemiSupervised", "--labels", "0.5", "--mix", "mixup-1"]
    assert limbeck(*words, *mixed, "--out", "mixed").code == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--mix", "mixup"], "needs an alpha, a finite number above 0, behind its kind: 'mixup-0.2'"),
        (["--mix", "cutmx-1"], "No mixing 'cutmx-1'; take mixup or cutmix with its alpha"),
        (
            ["--mix", "mixup-0.2", "--loss", "DKD"],
            "DKD needs one class for each sample, and a mixed sample has",
        ),
        (
            ["--mix", "mixup-0.2", "--loss", "LabelSmoothingTeacher"],
            "LabelSmoothingTeacher needs one class for each",
        ),
        (["--mix", "mixup-0.2", "--also", "NKD"], "NKD needs one class for each sample"),
        (
            ["--mix", "mixup-0.2", "--scheme", "AugmentationByTeacher"],
            "AugmentationByTeacher needs one class for",
        ),
        (
            ["--mix", "mixup-0.2", "--scheme", "PrivateTeachers"],
            "PrivateTeachers needs one class for each sample",
        ),
        (["--mix", "mixup-0.2", "--scheme", "DataFree"], "DataFree reads no images"),
        (
            ["--mix", "cutmix-1", "--data", "sklearn:diabetes"],
            "cuts boxes out of images, and sklearn:diabetes has none",
        ),
        (
            ["--views-per-decode", "3"],
            "A batch of 20 does not divide into images of 3 views each: take batch_size 18",
        ),
        (
            ["--views-per-decode", "4"],
            "4 views per decode take 4 epochs to show every image, and this training has 2",
        ),
        (
            ["--views-per-decode", "2", "--cache-views", "3"],
            "2 views per decode do not divide a cycle of 3 views",
        ),
        (
            ["--views-per-decode", "2", "--labels", "0.5"],
            "Several views of each decoded image are for labelled",
        ),
    ],
)
def test_what_cannot_be_is_refused_before_anything(refused, monkeypatch, words, says):
    monkeypatch.setattr(loop._Training, "step", lambda *_: pytest.fail("something was trained"))
    assert says in refused("distill", *PAIR, *DIGITS, *SHORT, *words, "--out", "new")


def test_recordings_are_not_mixed(refused):
    recordings = f"wav:{write_flat(Path('words'))}?mels=8&context=2"
    said = refused(
        "train", "--model", "mlp:4", "--data", recordings, *SHORT, "--mix", "mixup-1", "--out", "new"
    )
    assert "Samples are mixed where each has a class or a value" in said


@pytest.mark.parametrize("words", [["--views-per-decode", "0"], ["--set", "views_per_decode=0"]])
def test_no_views_per_decode_are_refused(limbeck, words):
    result = limbeck("distill", *PAIR, *DIGITS, *SHORT, *words, "--out", "new")
    assert result.code == 2
    assert not Path("new").exists()
