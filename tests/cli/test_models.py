"""Models that are not there, do not fit, or know other classes."""

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from limbeck.models import open_model


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("timm:resnt18", "timm has no model 'resnt18'. Did you mean 'resnet18'"),
        ("timm:resnet18.nope", "timm:resnet18 has no weights 'nope' (there are: a1_in1k"),
        ("torchvision:resnt18", "torchvision has no classifier 'resnt18'. Did you mean 'resnet18'"),
        ("tim:resnet18", "No model 'tim:resnet18': a model is timm:NAME"),
        ("tim:resnet18", "Did you mean 'timm'"),
        ("resnet18", "Did you mean 'timm:resnet18'?"),
        ("", "No model ''"),
        ("mlp:", "No model 'mlp:'"),
        ("mlp:a-b", "widths are whole numbers above 0 joined by '-'"),
        ("mlp:0", "widths are whole numbers above 0"),
        (
            "cnn:4?dropuot=0.5",
            "cnn has no setting 'dropuot' (there are: dropout, depth). Did you mean 'dropout'?",
        ),
        ("mlp:4?dropout=2", "dropout is a probability"),
        ("run:nowhere", "No run folder nowhere."),
        (".", "to use the model of that run, write 'run:.'"),
        ("run:.", ". holds no saved model: it is no run of limbeck, or one that did not finish."),
        ("plugin:net", "plugin:net needs the file that defines net: pass it with --plugin FILE.py."),
    ],
)
def test_an_unknown_model(refused, small, spec, told):
    assert told in refused("train", "--model", spec, *small, "--out", "new")


def test_what_is_wrong_with_teacher_and_student_is_told_together(refused, small):
    said = refused(
        "distill", "--teacher", "timm:resnt18", "--student", "cnn:x", *small, "--out", "new", lines=2
    )
    assert "'resnt18'" in said
    assert "'cnn:x'" in said


def test_a_network_beyond_all_memory(refused, small, monkeypatch):
    def refuse(*_, **__):
        raise RuntimeError(
            "DefaultCPUAllocator: can't allocate memory: you tried to allocate 25599999744 bytes."
        )

    monkeypatch.setattr("limbeck.models.small.mlp", refuse)
    said = refused("train", "--model", "mlp:99999999-99999999", *small, "--out", "new")
    assert "out of memory" in said
    assert "smaller model" in said


@pytest.mark.parametrize("role", ["teacher", "student"])
def test_a_run_of_another_number_of_classes_says_which_has_what(refused, trained, photos, role):
    models = {"teacher": "mlp:4", "student": "mlp:4", role: f"run:{trained}"}
    words = [word for each in models.items() for word in (f"--{each[0]}", each[1])]
    said = refused("distill", *words, "--data", f"folder:{photos('photos', 'abc')}", "--out", "new")
    assert "run:run has 10 outputs and the data needs 3" in said


def test_a_run_of_other_classes_says_which_has_what(refused, limbeck, photos):
    limbeck(
        "train", "--model", "mlp:4", "--data", f"folder:{photos('ab', 'ab')}", "--epochs", "1", "--out", "run"
    )
    data = f"folder:{photos('bc', 'bc')}"
    said = refused("distill", "--teacher", "run:run", "--student", "mlp:4", "--data", data, "--out", "new")
    assert "knows the classes 2 (a, b)" in said
    assert "folder:bc has 2 (b, c)" in said
    assert "the same classes in the same order" in said


def test_a_run_of_the_same_classes_in_another_order(refused, trained, photos):
    folder = photos("digits", "0123456789", count=2)
    card = trained / "model.json"
    text = card.read_text()
    swapped = text.replace('"0"', '"x"').replace('"1"', '"0"').replace('"x"', '"1"')
    assert swapped != text
    card.write_text(swapped)
    data = f"folder:{folder}"
    said = refused(
        "distill", "--teacher", f"run:{trained}", "--student", "mlp:4", "--data", data, "--out", "new"
    )
    assert "10 (1, 0, 2, 3, …), but folder:digits has 10 (0, 1, 2, 3, …)" in said


def test_a_regression_run_cannot_teach_classes(refused, limbeck, small):
    limbeck("train", "--model", "mlp:4", "--data", "sklearn:diabetes", "--epochs", "1", "--out", "run")
    said = refused("distill", "--teacher", "run:run", "--student", "mlp:4", *small, "--out", "new")
    assert "run:run has 1 outputs and the data needs 10" in said


def test_a_role_that_the_run_does_not_have(refused, trained, small):
    words = ["--teacher", f"run:{trained}#modl", "--student", "mlp:4"]
    said = refused("distill", *words, *small, "--out", "new")
    assert "run has no saved model 'modl' (there are: model). Did you mean 'model'?" in said


@pytest.mark.parametrize(("spec", "theirs"), [("timm:resnet18", 1000), ("torchvision:resnet18", 1000)])
def test_a_pretrained_teacher_of_other_classes(refused, small, spec, theirs):
    words = ["--teacher", spec, "--teacher-pretrained", "--student", "mlp:4"]
    said = refused("distill", *words, *small, "--out", "new")
    assert f"The pretrained {spec} has {theirs} classes and the data has 10" in said
    assert f"limbeck train --model {spec} --pretrained" in said


def test_pretrained_weights_that_cannot_be_fetched(refused, small, monkeypatch):
    def offline(*_, **__):
        raise OSError("Name or service not known")

    monkeypatch.setattr("timm.create_model", offline)
    said = refused("train", "--model", "timm:resnet18", "--pretrained", *small, "--out", "new")
    assert "could not be fetched or read (Name or service not known): check the connection" in said


def test_a_network_without_pretrained_weights(refused, small):
    said = refused("train", "--model", "mlp:4", "--pretrained", *small, "--out", "new")
    assert "mlp:4 has no pretrained weights" in said


def test_weights_for_a_run_that_has_its_own(refused, trained, small, state):
    torch.save(state, "net.pt")
    words = ["--teacher", f"run:{trained}", "--teacher-weights", "net.pt", "--student", "mlp:4"]
    assert "give one of the two" in refused("distill", *words, *small, "--out", "new")


def test_weights_that_do_not_fit_are_accounted_for(refused, small, state):
    del state["head.bias"]
    state["extra"] = torch.ones(3)
    state["linear1.weight"] = torch.ones(3, 3)
    torch.save(state, "net.pt")
    said = refused("train", "--model", "mlp:4", "--weights", "net.pt", *small, "--out", "new")
    assert "net.pt does not fit mlp:4 with 10 outputs" in said
    assert "1 missing (head.bias)" in said
    assert "1 unexpected (extra)" in said
    assert "1 misshapen (linear1.weight is 3×3 and should be 4×64)" in said


def test_a_pickled_module_is_not_opened(refused, small):
    torch.save(open_model("mlp:4", outputs=10, shape=(1, 8, 8)).module, "net.pt")
    said = refused("train", "--model", "mlp:4", "--weights", "net.pt", *small, "--out", "new")
    assert "could run any code: save the tensors alone" in said


def test_weights_that_are_not_finite(refused, small, state):
    state["head.bias"] = torch.full_like(state["head.bias"], float("nan"))
    torch.save(state, "net.pt")
    said = refused("train", "--model", "mlp:4", "--weights", "net.pt", *small, "--out", "new")
    assert "net.pt holds values that are not finite in head.bias" in said


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("net.pt", b"\x80\x03garbage" * 50, "net.pt is damaged or no PyTorch file"),
        ("net.pt", b"", "net.pt is damaged or no PyTorch file"),
        ("net.safetensors", b"\xff" * 500, "net.safetensors is damaged or no safetensors file"),
        ("net.safetensors", b"", "net.safetensors is damaged or no safetensors file"),
        ("net.onnx", b"", "net.onnx is no weights file by its ending"),
        ("gone.pt", None, "No weights file gone.pt"),
    ],
)
def test_a_file_that_holds_no_weights(refused, small, name, content, told):
    if content is not None:
        Path(name).write_bytes(content)
    assert told in refused("train", "--model", "mlp:4", "--weights", name, *small, "--out", "new")


@pytest.mark.parametrize("name", ["net.pt", "net.safetensors"])
def test_a_file_that_was_cut_short(refused, small, state, name):
    if name.endswith(".pt"):
        torch.save(state, name)
    else:
        save_file(state, name)
    content = Path(name).read_bytes()
    Path(name).write_bytes(content[: len(content) * 3 // 4])
    said = refused("train", "--model", "mlp:4", "--weights", name, *small, "--out", "new")
    assert f"{name} is damaged" in said


def test_a_checkpoint_without_weights(refused, small):
    torch.save({"epoch": 3}, "net.pt")
    said = refused("train", "--model", "mlp:4", "--weights", "net.pt", *small, "--out", "new")
    assert "net.pt holds no state dict (keys epoch)" in said


def test_a_saved_model_that_was_changed(refused, trained, small):
    weights = trained / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + b"\0\0\0\0")
    said = refused("distill", "--teacher", f"run:{trained}", "--student", "mlp:4", *small, "--out", "new")
    assert "run/model.safetensors is not the file its card model.json describes" in said


@pytest.mark.parametrize(
    ("text", "function", "told"),
    [
        (None, "net", "--plugin own.py is no Python file"),
        ("\nraise ValueError('boom')\n", "net", "The plugin own.py failed at line 2: ValueError: boom."),
        ("def net(:\n", "net", "The plugin own.py failed at line 1: SyntaxError"),
        ("import no_such_package\n", "net", "No module named 'no_such_package'"),
        ("import sys\nsys.exit(3)\n", "net", "The plugin own.py failed at line 2: SystemExit"),
        ("def nte(outputs, shape): ...\n", "net", "No function 'net' in own.py. Did you mean 'nte'?"),
        ("net = 3\n", "net", "No function 'net' in own.py."),
        ("def net(outputs, shape): return 3\n", "net", "returned an object of type int"),
        (
            "def net(outputs, shape): return {}['k']\n",
            "net",
            "failed when called as net(10, (1, 8, 8)): KeyError",
        ),
        ("def net(outputs): ...\n", "net", "failed when called as net(10, (1, 8, 8)): TypeError"),
        (
            "from torch import nn\n"
            "def net(outputs, shape): return nn.Sequential(nn.Flatten(), nn.Linear(64, 11))\n",
            "net",
            "plugin:net returns (1, 11) for one sample of shape (1, 8, 8); it must be (1, 10).",
        ),
        (
            "from torch import nn\ndef net(outputs, shape): return nn.Linear(3, outputs)\n",
            "net",
            "plugin:net fails on one sample of shape (1, 8, 8)",
        ),
    ],
)
def test_a_plugin_that_gives_no_network(refused, small, text, function, told):
    if text is not None:
        Path("own.py").write_text(text)
    words = ["--model", f"plugin:{function}", "--plugin", "own.py"]
    assert told in refused("train", *words, *small, "--out", "new")


@pytest.mark.parametrize("model", ["cnn:4", "timm:resnet18"])
def test_a_network_for_images_on_a_table(refused, model):
    said = refused("train", "--model", model, "--data", "sklearn:diabetes", "--out", "new")
    assert f"{model} reads images, but a sample here is 10 features: use a net such as mlp:64-64." in said


def test_weights_are_given_by_their_run_after_it_moved(limbeck, trained, small):
    shutil.move(trained, "moved")
    words = ["--teacher", "run:moved", "--student", "mlp:4", "--no-alone"]
    assert limbeck("distill", *words, *small, "--out", "new").code == 0
