"""What cannot be taught is refused before anything is trained, in a sentence."""

from pathlib import Path

import pytest

HERE = ["--teacher", "cnn:8-12", "--student", "cnn:4-6", "--data", "digits", "--limit", "60", "--seeds", "1"]

REFUSED = {
    "--loss RKDAngle --batch-size 2": "RKDAngle needs batches of at least 3 samples, but batch_size is 2",
    "--student timm:resnet10t --size 32 --batch-size 1": "BatchNorm in the student timm:resnet10t cannot learn",
    "--teacher timm:resnet10t --size 32 --batch-size 1": "BatchNorm in the teacher timm:resnet10t cannot learn",
    "--loss FitNets --kd-weight 50": "After FitNets's first stage comes KD, but kd_weight is 50.0",
    "--loss FitNets --task-weight 3": "After FitNets's first stage comes KD, but task_weight is 3.0",
    "--loss FitNets --also KD=2": "After FitNets's first stage comes KD, but kd_weight is 2.0",
    "--loss FitNets --also DKD --kd-weight 3": "so kd_weight weighs nothing: leave it out",
    "--loss AnnealingKD --task-weight 0.5": "so task_weight weighs nothing: leave it out",
    "--loss FitNets --pair stage1@in=stage1@in": "FitNets would teach nothing",
    "--loss SimKD --also FactorTransfer": "FactorTransfer must learn from the teacher first",
    "--loss KD --also FactorTransfer --set kd.first_stage=0": "FactorTransfer must learn from the teacher first",
    "--temperature nan": "kd.temperature: must be a finite number of at least 0, or a schedule",
    "--set kd.temperature=[1]": "kd.temperature: must be a finite number of at least 0, or a schedule",
    "--loss kd": "Did you mean 'KD'",
    "--loss rkdangle": "Did you mean 'RKDAngle'",
    "--set kd.also=[{loss:\xa0KD,weigth:\xa03}]": "kd.also.0.weigth: no such setting. Did you mean 'weight'",
    "--set kd.also=[KD]": "kd.also.0: is a group of settings, such as kd.also.0.loss",
}


@pytest.mark.parametrize("words", REFUSED)
def test_lessons_that_cannot_be_taught_are_refused_before_anything(refused, words):
    given = [each.replace("\xa0", " ") for each in words.split(" ")]
    here = HERE[2:] if "--teacher" in given else HERE
    assert REFUSED[words] in refused("distill", *here, "--epochs", "2", *given, "--out", "run")


def test_a_stage_of_a_further_loss_is_as_long_as_told(limbeck):
    words = ["--loss", "KD", "--also", "FactorTransfer", "--set", "kd.first_stage=0.5", "--no-alone"]
    assert limbeck("distill", *HERE, "--epochs", "4", *words, "--out", "run").code == 0
    assert Path("run/history.csv").read_text(encoding="utf-8").count("preparation") == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--loss", "KD", "--temperature", "2", "--set", "kd.options.temperature=3"], "given twice"),
        (["--loss", "KD", "--kd-weight", "linear(0, 0)", "--task-weight", "0"], "nothing to learn from"),
    ],
)
def test_settings_that_contradict_or_cancel_are_refused(limbeck, words, said):
    told = limbeck(
        "distill", "--teacher", "mlp:8", "--student", "mlp:4", "--data", "digits", *words, "--out", "new"
    )
    assert told.code == 2
    assert said in told.err
