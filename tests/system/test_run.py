"""T11 and T14 of the pitfalls on a whole run: what a person gave is unchanged, what is deployed is the bare student."""

import copy
import dataclasses
import json

import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from torch.utils.data import TensorDataset

import limbeck
from limbeck.models import load_model, open_model, save_model
from train.toys import feed, mlp, problem, same_state

OPTIONS = {"epochs": 1, "batch_size": 20, "lr": 0.01, "device": "cpu"}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return limbeck.distill(
        "mlp:48", "mlp:6", "digits", tmp_path_factory.mktemp("runs") / "digits", seeds=1, limit=120, **OPTIONS
    )


def test_t14_file_holds_the_student_and_nothing_else(run):
    weights = load_file(run.folder / "student.safetensors")
    bare = open_model("mlp:6", outputs=10, shape=(1, 8, 8)).module
    assert weights.keys() == bare.state_dict().keys()
    assert all(weights[name].shape == value.shape for name, value in bare.state_dict().items())
    assert all(48 not in value.shape for value in weights.values())
    bare.load_state_dict(weights, strict=True)
    assert (run.folder / "student.safetensors").stat().st_size < 2 * sum(
        v.numel() * 4 for v in weights.values()
    )


def test_t14_file_loads_in_the_bare_model_and_answers_the_same(run):
    weights = load_file(run.folder / "student.safetensors")
    assert same_state(weights, dict(run.student.state_dict()))
    found = load_model(run.folder, "student")
    x = torch.rand(5, 1, 8, 8)
    bare = open_model("mlp:6", outputs=10, shape=(1, 8, 8)).module.eval()
    bare.load_state_dict(weights)
    with torch.no_grad():
        assert torch.equal(found.module.eval()(x), bare(x))
        assert torch.equal(found.module(x), run.student.eval()(x))


def test_t14_teacher_trained_here_has_a_file_of_its_own(run):
    weights = load_file(run.folder / "teacher.safetensors")
    assert any(48 in value.shape for value in weights.values())
    assert all(6 not in value.shape for value in weights.values())


def test_t14_adapters_and_learnable_losses_are_not_deployed(tmp_path):
    student = open_model("mlp:6", outputs=3, shape=(4,))
    bare = {name: value.shape for name, value in student.module.state_dict().items()}
    layer = next(name for name, module in student.module.named_modules() if isinstance(module, nn.Linear))
    hint = limbeck.Term(limbeck.losses.LogitRegression(), layer, "0", 0.1, nn.Linear(6, 12), name="hint")
    teacher = limbeck.Frozen(mlp(1, width=12))
    scheme = limbeck.Offline(student.module, teacher, [limbeck.Term(limbeck.losses.KD()), hint])
    trained = limbeck.fit(scheme, feed(), limbeck.Plan(epochs=1, ema=0.9, device="cpu"))
    save_model(tmp_path, "student", student, trained.best_state)
    found = load_file(tmp_path / "student.safetensors")
    assert {name: value.shape for name, value in found.items()} == bare
    assert same_state(found, trained.best_state)
    assert same_state(dict(load_model(tmp_path, "student").module.state_dict()), trained.best_state)


def test_t14_names_of_a_compiled_network_are_the_bare_ones(tmp_path):
    model = open_model("mlp:6", outputs=3, shape=(4,))
    names = set(model.module.state_dict())
    compiled = dataclasses.replace(model, module=torch.compile(model.module))
    assert set(compiled.module.state_dict()) != names
    save_model(tmp_path, "student", compiled)
    assert set(load_file(tmp_path / "student.safetensors")) == names


def test_t11_settings_and_objects_given_to_a_run_are_unchanged(tmp_path):
    teacher, student = mlp(1), mlp()
    data = [TensorDataset(*problem(40, seed)) for seed in range(3)]
    settings = {"kd": {"temperature": 2.0}, "train": dict(OPTIONS), "seeds": 2}
    kept = copy.deepcopy((settings, [dataset.tensors for dataset in data]))
    weights = [
        {name: value.clone() for name, value in net.state_dict().items()} for net in (teacher, student)
    ]
    limbeck.distill(teacher, student, tuple(data), tmp_path / "run", **settings)
    assert settings == kept[0]
    for dataset, before in zip(data, kept[1], strict=True):
        assert all(torch.equal(now, then) for now, then in zip(dataset.tensors, before, strict=True))
    assert same_state(dict(teacher.state_dict()), weights[0])
    assert same_state(dict(student.state_dict()), weights[1])  # each seed starts from a copy
    assert json.loads((tmp_path / "run" / "run.json").read_text())["recipe"]["kd"]["temperature"] == 2.0
