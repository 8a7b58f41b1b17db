"""Wrong flags, assignments and config files."""

from pathlib import Path

import pytest

PAIR = ["--teacher", "mlp:8", "--student", "mlp:4"]


def test_an_unknown_flag_names_near_ones(limbeck, small):
    result = limbeck("distill", *PAIR, *small, "--los", "KD", "--out", "new")
    assert result.code == 2
    assert "--los" in result.err
    assert "--loss" in result.err
    assert not Path("new").exists()


def test_an_unknown_verb_names_the_near_one(limbeck):
    result = limbeck("distil", *PAIR)
    assert result.code == 2
    assert "Did you mean 'distill'?" in result.err


def test_a_flag_of_the_wrong_type(limbeck, small):
    result = limbeck("distill", *PAIR, *small, "--lr", "fast", "--out", "new")
    assert result.code == 2
    assert "Invalid value for '--lr'" in result.err


def test_an_unknown_loss_names_the_near_one(refused, small):
    said = refused("distill", *PAIR, *small, "--loss", "KDD", "--out", "new")
    assert "no loss 'KDD'" in said
    assert "Did you mean 'KD'" in said


def test_an_unknown_setting_names_the_near_one(refused, small):
    said = refused("distill", *PAIR, *small, "--set", "kd.tmperature=2", "--out", "new")
    assert "kd.tmperature: no such setting. Did you mean 'temperature'?" in said


def test_all_that_is_wrong_is_told_at_once(refused):
    said = refused(
        "distill", "--teacher", "mlp:8", "--set", "kd.tmperature=2", "--epochs", "0", "--out", "new", lines=5
    )
    assert said.startswith("4 settings are wrong:")
    assert "data: is missing" in said
    assert "student: is missing" in said
    assert "kd.tmperature: no such setting. Did you mean 'temperature'?" in said
    assert "train.epochs: input should be greater than or equal to 1, not 0" in said


@pytest.mark.parametrize(
    ("assignment", "told"),
    [
        ("abc", "--set takes key=value, such as kd.temperature=2, not 'abc'"),
        ("=3", "--set takes key=value"),
        ("kd.temperature=[1", "is not plain YAML"),
        ("train.lr=!!python/object/apply:os.getcwd []", "is not plain YAML"),
        ("train.lr=!!int x", "is not plain YAML"),
        ("train.lr=fast", "train.lr: input should be a valid number"),
        ("train.lr=.nan", "train.lr: input should be a finite number"),
        ("train.lr=0", "train.lr: input should be greater than 0, not 0"),
        ("train=3", "train: is a group of settings, such as train.epochs"),
        ("trackers=tensorboard", "trackers: takes a list, such as [tensorboard]"),
        ("trackers=[wandb]", "'tensorboard' or 'mlflow', not 'wandb'"),
        ("limit=2.5", "limit: input should be a valid integer"),
        ("skip_bad=maybe", "skip_bad: input should be a valid boolean"),
        ("kd={loss: KD, kd_weight: 2}", "give both weights"),
        ("kd.kd_weight=-1", "kd.kd_weight: must be a finite number of at least 0"),
        ("kd={kd_weight: 0, task_weight: 0}", "nothing to learn from"),
        ("kd.temperature=0", "kd.temperature: must be above 0"),
        ("kd={loss: KD, options: {temperture: 4}}", "KD has no setting 'temperture'; it has temperature."),
        ("kd.options={temperature: hot}", "temperature must be a number above 0"),
        ("kd={loss: LogitRegression, temperature: 4}", "LogitRegression has no setting 'temperature'"),
    ],
)
def test_a_wrong_assignment(refused, small, assignment, told):
    assert told in refused("distill", *PAIR, *small, "--set", assignment, "--out", "new")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("teacher: !!python/object/apply:os.getcwd []", "with no tags"),
        ("teacher: mlp:8\ntrain:\n  lr: 1\n  lr: 2\n", "The key 'lr' is given twice, again on line 4"),
        ("- teacher", "must hold settings such as 'teacher: timm:resnet34', not list"),
        ("mlp:8", "not str"),
        ("", "is empty"),
        ("teacher: [1, 2", "is not plain YAML on line 1"),
        ("1: 2", "The key 1 on line 1 is not a name"),
        ("? [a]\n: 2", "is not a name"),
        ("data: 2020-99-99", "month must be in 1..12"),
        ("data: !!int x", "is not plain YAML"),
        ("kd: &k {options: *k}", "is not plain YAML"),
        ("a: " + "[" * 5000, "is not plain YAML"),
    ],
)
def test_a_file_that_holds_no_settings(refused, text, told):
    Path("run.yaml").write_text(text)
    said = refused("distill", "run.yaml", "--out", "new")
    assert told in said
    assert "run.yaml" in said


def test_a_file_with_settings_of_the_wrong_kind_is_told_them_all(refused):
    Path("run.yaml").write_text(
        "teacher: 3\nstudent: mlp:4\ndata: digits\nkd: 3\ntrain: {epochs: many, lrr: 1}\nlimt: 100\n"
    )
    said = refused("distill", "run.yaml", "--out", "new", lines=6)
    assert "teacher: input should be a valid string, not 3" in said
    assert "kd: is a group of settings, such as kd.loss, not one value" in said
    assert "train.epochs: input should be a valid integer" in said
    assert "train.lrr: no such setting. Did you mean 'lr'?" in said
    assert "limt: no such setting. Did you mean 'limit'?" in said


def test_a_misspelt_short_setting_in_a_file_names_the_near_one(refused):
    Path("run.yaml").write_text("teacher: mlp:8\nstudent: mlp:4\ndata: digits\ntemprature: 3\n")
    said = refused("distill", "run.yaml", "--out", "new")
    assert "temprature: no such setting. Did you mean 'temperature'" in said


@pytest.mark.parametrize(("name", "told"), [("no.yaml", "No such file"), (".", "Is a directory")])
def test_a_file_that_is_not_there(refused, name, told):
    said = refused("distill", name, "--out", "new")
    assert f"Cannot read the config file {name}" in said
    assert told in said


def test_a_file_that_is_not_text(refused):
    Path("run.yaml").write_bytes(b"\xff\xfe\x00")
    assert "Cannot read the config file run.yaml" in refused("distill", "run.yaml", "--out", "new")


def test_a_file_for_the_other_verb(refused):
    Path("run.yaml").write_text("teacher: mlp:8\nstudent: mlp:4\ndata: digits\n")
    said = refused("train", "run.yaml", "--out", "new", lines=4)
    assert "model: is missing" in said
    assert "student: no such setting" in said


def test_merge_keys_are_plain_data(refused):
    Path("run.yaml").write_text("teacher: mlp:8\n<<: {student: mlp:4}\nlimit: 0\n")
    said = refused("distill", "run.yaml", "--out", "new", lines=3)
    assert "data: is missing" in said
    assert "limit: input should be greater" in said
    assert "student" not in said


def test_flags_win_over_the_file(refused):
    Path("run.yaml").write_text("teacher: mlp:8\nstudent: mlp:4\ndata: nothing\n")
    assert "No data 'digit'" in refused("distill", "run.yaml", "--data", "digit", "--out", "new")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--device", "gpu"], "No device 'gpu': use auto, cpu, cuda or mps."),
        (["--set", "train.device=gpu"], "No device 'gpu'"),
        (["--precision", "int8"], "train.precision: input should be 'fp32', 'bf16' or 'fp16', not 'int8'"),
        (["--device", "cpu", "--precision", "fp16"], "use precision bf16 or fp32"),
        (["--seeds", "0"], "seeds: input should be greater than or equal to 1, not 0"),
        (["--workers", "-1"], "train.workers: input should be greater than or equal to 0, not -1"),
        (["--size", "0"], "size: input should be greater than or equal to 1, not 0"),
        (["--limit", "3"], "A limit of 3 training samples is too small"),
        (["--augment", "shft"], "Did you mean 'shift'?"),
    ],
)
def test_a_wrong_flag_leaves_nothing(refused, small, words, told):
    assert told in refused("train", "--model", "mlp:4", *small, *words, "--out", "new")


@pytest.mark.parametrize("setting", ["train.device=cuda", "teacher_train.device=cuda"])
def test_a_device_that_is_not_here(refused, small, setting, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    said = refused("distill", *PAIR, *small, "--set", setting, "--out", "new")
    assert said == "This machine has no cuda device that torch can use: use --device auto or cpu."


def test_the_teachers_precision_is_looked_at_too(refused, small):
    settings = ["--set", "teacher_train={precision: fp16, device: cpu}"]
    assert "fp16 needs a GPU" in refused("distill", *PAIR, *small, *settings, "--out", "new")


@pytest.mark.parametrize("tracker", ["tensorboard", "mlflow"])
def test_a_tracker_that_is_not_installed(refused, small, tracker, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name, *_: None)
    said = refused("train", "--model", "mlp:4", *small, "--tracker", tracker, "--out", "new")
    assert said == f"The tracker {tracker} is not installed: pip install 'limbeck[track]'."


def test_a_batch_larger_than_the_data_is_fine(limbeck, small):
    assert limbeck("train", "--model", "mlp:4", *small, "--batch-size", "100000", "--out", "new").code == 0
