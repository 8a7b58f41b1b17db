"""Every scheme of the methods' section D on digits, from the command line and from Python, end to end."""

import json
import os
import random
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import limbeck
from limbeck.cli import main
from limbeck.data import open_data
from limbeck.recipes.config import DistillConfig
from limbeck.recipes.distillation import Distilled
from limbeck.recipes.schemes import NAMES
from limbeck.recipes.settings import settings_from
from limbeck.train import loop
from quick import quick_clocks, undrawn
from train.toys import same_state

SMALL: dict[str, Any] = {"limit": 80, "epochs": 1, "seeds": 1, "batch_size": 20, "lr": 0.02}
"""The least from which something can be learnt."""
FILES = {"config.yaml", "run.json", "history.csv", "report.html", "student.safetensors", "student.json"}

ROWS = {
    "Offline": ("Offline", "Hinton 2015"),
    "hints then distillation": ("HintsThenDistillation", "FitNets"),
    "shallow mimic": ("ShallowMimic", "Ba & Caruana 2014"),
    "Mutual": ("Mutual", "DML, Zhang 2018, arXiv 1706.00384"),
    "Collaborative": ("Collaborative", "KDCL, Guo 2020"),
    "BornAgain": ("BornAgain", "1805.04770"),
    "LastEpochs": ("LastEpochs", "self-distillation"),
    "BeYourOwnTeacher": ("BeYourOwnTeacher", "1905.08094"),
    "Progressive": ("Progressive", "PS-KD, Kim 2021, arXiv 2006.12000"),
    "TeacherFree": ("TeacherFree", "1909.11723"),
    "MeanTeacher": ("MeanTeacher", "1703.01780"),
    "SemiSupervised": ("SemiSupervised", "1911.04252"),
    "DataDistillation": ("DataDistillation", "1712.04440"),
    "Assistant": ("Assistant", "1902.03393"),
    "several teachers": ("SeveralTeachers", "Kang 2020"),
    "Merged teachers": ("Merged", "knowledge amalgamation"),
    "specialists": ("Specialists", "Hinton 2015, section 5"),
    "Reverse": ("Reverse", "1909.11723"),
    "omitted classes": ("OmittedClasses", "Hinton 2015, section 3"),
    "augmentation by teacher": ("AugmentationByTeacher", "2003.11342"),
    "short lessons": ("ShortLessons", "1910.01348"),
    "data-free": ("DataFree", "1904.01186"),
    "private teachers": ("PrivateTeachers", "1610.05755"),
}
"""The rows of the methods' section D in their order: what implements each, and its source."""


@dataclass(frozen=True)
class Case:
    """A run of a scheme, as a person asks for it.

    Args:
        name: of the scheme.
        teachers: their specs.
        student: its spec.
        options: settings of the scheme.
        settings: of the run, by their short names.
        measured: the roles that the record measures, in its order.
        trained: the networks that it trains, once for each of their stages.
        cited: key of the scheme's own source.
    """

    name: str
    teachers: tuple[str, ...] = ()
    student: str = "mlp:4?dropout=0.2"
    options: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    measured: str = "alone student"
    trained: str = "alone student"
    cited: str = ""

    def __str__(self) -> str:
        return self.name

    def words(self) -> list[str]:
        """Return what is typed after ``limbeck distill``, but for the folder."""
        flags = {f"--{name.replace('_', '-')}": value for name, value in {**SMALL, **self.settings}.items()}
        told = [str(word) for pair in flags.items() for word in pair]
        told += [word for each in self.teachers for word in ("--teacher", each)]
        told += [word for item in self.options.items() for word in ("--set", _assignment(*item))]
        return ["--scheme", self.name, "--student", self.student, "--data", "digits", *told]

    def distilled(self, out: Any) -> Distilled:
        """Run the same from Python."""
        teachers = {0: None, 1: next(iter(self.teachers), None)}.get(len(self.teachers), list(self.teachers))
        scheme = {"name": self.name, **self.options} if self.options else self.name
        settings = {**SMALL, **self.settings}
        return limbeck.distill(teachers, self.student, "digits", out, scheme=scheme, **settings)


def _assignment(name: str, value: Any) -> str:
    return f"scheme.{name}={json.dumps(value)}"


TAUGHT_BY = {"Assistant": "assistant-2", "BornAgain": "generation"}
"""Whose mistakes the student may inherit, where that is not the teacher."""

ONE, TWO = ("mlp:8",), ("mlp:8", "mlp:6")
MAPS = "cnn:4-6"
BY_ONE = {"measured": "teacher alone student", "trained": "teacher alone student"}
BY_TWO = {
    "measured": "teacher teacher teacher alone student",  # each of the two, and what they are together
    "trained": "teacher-1 teacher-2 alone student",
}

CASES = [
    Case("Offline", ONE, **BY_ONE, cited="huang2022"),  # what is taught among ten classes unless told
    Case(
        "HintsThenDistillation",
        ("cnn:6-8",),
        MAPS,
        settings={"epochs": 2},
        measured="teacher alone student",
        trained="teacher alone student student",
        cited="romero2015",
    ),
    Case("ShallowMimic", ONE, "mlp:40?bottleneck=4", **BY_ONE, cited="ba2014"),
    Case(
        "Mutual", options={"peers": ["mlp:6", "mlp:8"]}, measured="alone student peer peer", cited="zhang2018"
    ),
    Case("Collaborative", options={"combine": "minimum"}, measured="alone student peer", cited="guo2020"),
    Case(
        "BornAgain",
        options={"generations": 2, "ensemble": True},
        measured="alone generation student generation",  # the last one: all generations together
        trained="alone generation-1 student",
        cited="furlanello2018",
    ),
    Case("LastEpochs", options={"start": 0.4}, cited="yang2019"),
    Case("BeYourOwnTeacher", (), MAPS, {"head_weight": 0.5}, cited="zhang2019"),
    Case("Progressive", options={"weight": 0.6}, settings={"epochs": 2}, cited="kim2021"),
    Case("TeacherFree", options={"probability": 0.9}, cited="yuan2020"),
    Case("MeanTeacher", options={"decay": 0.7}, settings={"labels": 0.3, "ratio": 3}, cited="tarvainen2017"),
    Case(
        "SemiSupervised", ONE, options={"threshold": 0.1}, settings={"labels": 40}, **BY_ONE, cited="xie2020"
    ),
    Case(
        "DataDistillation",
        ONE,
        options={"transforms": ["identity", "flip"]},
        settings={"labels": 0.5},
        **BY_ONE,
        cited="radosavovic2018",
    ),
    Case(
        "Assistant",
        ("mlp:12",),
        options={"assistants": ["mlp:9", "mlp:6"]},
        measured="teacher assistant assistant alone student",
        trained="teacher assistant-1 assistant-2 alone student",
        cited="mirzadeh2020",
    ),
    Case("SeveralTeachers", TWO, options={"combine": "oracle"}, **BY_TWO, cited="kang2020"),
    Case(
        "Merged",
        TWO,
        options={"data": ["digits"], "prefixes": ["a ", "b "]},
        measured="teacher teacher teacher alone student student student",  # the student on each part, too
        trained="teacher-1 teacher-2 alone student",
        cited="shen2019",
    ),
    Case(
        "Specialists",
        ONE,
        options={"specialists": 2, "classes_each": 4},
        measured="teacher specialist specialist teacher alone student",
        trained="generalist specialist-1 specialist-2 alone student",
        cited="hinton2015",
    ),
    Case("Reverse", ONE, **BY_ONE, cited="yuan2020"),
    Case("OmittedClasses", ONE, options={"classes": ["3", "7"]}, **BY_ONE, cited="hinton2015"),
    Case("AugmentationByTeacher", ONE, options={"recognised": 0.1}, **BY_ONE, cited="wei2020"),
    Case(
        "ShortLessons",
        ONE,
        options={"until": 0.4, "teacher_share": 0.5},
        settings={"epochs": 2},
        **BY_ONE,
        cited="cho2019",
    ),
    Case(
        "DataFree",
        ONE,
        options={"samples": 80, "noise": 8, "width": 4},
        measured="teacher student",
        trained="teacher student",
        cited="chen2019",
    ),
    Case(
        "PrivateTeachers",
        ONE,
        options={"count": 4, "noise": 2.0, "epsilon": 50, "noise_seed": 1},
        settings={"labels": 40},
        measured="teacher student",
        trained="teacher-1 teacher-2 teacher-3 teacher-4 student",
        cited="papernot2017",
    ),
]


@pytest.fixture(scope="module", autouse=True)
def quickly():
    with quick_clocks():
        yield


@pytest.fixture
def without_figures():
    with undrawn():
        yield


@pytest.fixture(scope="module", params=CASES, ids=str)
def case(request):
    return request.param


@pytest.fixture(scope="module")
def whole(case, tmp_path_factory):
    """A finished run of the scheme from the command line, and the trainings of all its optimizer steps."""
    place = tmp_path_factory.mktemp("schemes") / case.name
    with counted_steps() as steps:
        assert main(["distill", *case.words(), "--out", str(place)]) == 0
    return place, steps


@pytest.fixture(scope="module")
def folder(whole):
    return whole[0]


def read(folder: Path, name: str = "run.json") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / name).read_text(encoding="utf-8"))
    return found


def scores(found: dict[str, Any]) -> list[tuple[str, Any]]:
    """Return all that was measured of all models, but for the time they take."""
    return [(each["role"], each["scores"]) for each in found["models"]]


def weights(folder: Path) -> dict[str, bytes]:
    """Return the files of all networks, and of votes."""
    return {path.name: path.read_bytes() for path in folder.glob("*.safetensors")}


def test_every_scheme_is_listed_and_in_this_table(capsys):
    assert main(["schemes"]) == 0
    listed = re.findall(r"^([A-Z][A-Za-z]+) {2,}", capsys.readouterr().out, re.MULTILINE)
    assert listed == [each.name for each in CASES]
    assert listed == list(NAMES)


def test_every_row_of_the_methods_is_listed_with_its_source(capsys):
    assert main(["schemes"]) == 0
    told = re.split(r"^(?=[A-Z][A-Za-z]+ {2,})", capsys.readouterr().out, flags=re.MULTILINE)[1:]
    for (row, (name, source)), text in zip(ROWS.items(), told, strict=True):
        listed = " ".join(text.split())
        assert listed.startswith(f"{name} ")
        assert row == name or f" {row.lower()}; " in listed
        assert source in listed


def test_a_scheme_is_told_in_full_with_its_source(case, capsys):
    assert main(["schemes", case.name]) == 0
    told = " ".join(capsys.readouterr().out.split())
    source = dict(ROWS.values())[case.name]
    assert told.startswith(f"{case.name}: ")
    assert source in re.findall(r"Paper: (.*)\. Takes: ", told)[0]
    assert all(f"{name} = " in told for name in case.options)


def test_a_run_from_the_command_line_is_whole(case, folder):
    record = read(folder)
    assert {each.name for each in folder.iterdir()} >= FILES
    assert record["recipe"]["scheme"]["name"] == case.name
    assert [each["role"] for each in record["models"]] == case.measured.split()
    assert [each["network"] for each in record["stages"]] == case.trained.split()
    assert all(each["mean"] is not None for _, found in scores(record) for each in found.values())
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert case.name in page
    assert "<svg" in page


def test_the_same_from_python_is_the_same_to_the_bit(case, folder, tmp_path, without_figures):
    run = case.distilled(tmp_path / "python")
    assert weights(run.folder) == weights(folder)
    assert same_state(dict(run.student.state_dict()), load_file(folder / "student.safetensors"))
    assert scores(read(run.folder)) == scores(read(folder))
    assert {each.name for each in run.folder.iterdir()} >= FILES
    settings = [(place / "config.yaml").read_text(encoding="utf-8") for place in (run.folder, folder)]
    assert settings[0] == settings[1]


def test_a_run_of_its_settings_is_the_same_to_the_bit(folder, tmp_path, without_figures):
    again = tmp_path / "again"
    assert main(["distill", str(folder / "config.yaml"), "--out", str(again)]) == 0
    assert weights(again) == weights(folder)
    for part in ("models", "gain", "fidelity", "stages", "bias", "data", "privacy"):
        ours, theirs = (_timeless(read(place)[part]) for place in (again, folder))
        assert ours == theirs, part


def _timeless(found: Any) -> Any:
    """Leave out how long networks take to answer."""
    if isinstance(found, list):
        return [_timeless(each) for each in found]
    if isinstance(found, dict):
        return {name: _timeless(value) for name, value in found.items() if name != "latency_ms"}
    return found


def test_a_run_that_was_stopped_ends_as_if_it_never_was(case, whole, tmp_path, without_figures):
    """Anywhere, in any of its trainings; whatever numbers were drawn before, and whether or not one was alone."""
    folder, labels = whole
    seed = random.SystemRandom().randrange(10**6)
    torch.manual_seed(seed)
    steps = sum(each != "alone" for each in labels) + (case.name == "BornAgain") * labels.count("alone")
    at = random.Random(seed).randrange(1, steps + 1)
    run, told = tmp_path / "run", f"seed {seed}, stopped in step {at} of {steps}"
    with counted_steps(stop_at=at) as before:
        assert main(["distill", *case.words(), "--no-alone", "--out", str(run)]) == 130
    with counted_steps() as after:
        assert main(["distill", "--resume", str(run)]) == 0
    assert (len(before), len(after)) == (at, steps - at), told
    assert weights(run) == weights(folder), told
    for role in ("student", "teacher"):
        ours, theirs = (dict(scores(read(each))).get(role) for each in (run, folder))
        assert ours == theirs, told


@contextmanager
def counted_steps(stop_at: int | None = None) -> Iterator[list[str]]:
    """Tell the trainings of all steps that are begun, and press Ctrl-C in one of them."""
    step, labels = loop._Training.step, []

    def counted(self, *given):
        labels.append(self.label)
        if len(labels) == stop_at:
            os.kill(os.getpid(), signal.SIGINT)
        return step(self, *given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop._Training, "step", counted)
        yield labels


def test_a_run_is_measured_again_as_it_was(case, folder, capsys):
    """Whoever is measured scores what it scored; a teacher that cannot be opened again is left out in words."""
    assert main(["evaluate", str(folder)]) == 0
    told = " ".join(capsys.readouterr().out.split())
    found, record = read(folder, "evaluation.json"), read(folder)
    assert "no longer what the run read" not in told
    whole = [each for each in record["models"] if each["part"] == "all"]
    several = [each for each in whole if each["role"] == "teacher" and each["networks"] > 1]
    together = bool(several) and case.name != "PrivateTeachers"  # whose votes are not cast again
    whole = [each for each in whole if each["networks"] == 1] + several * together
    recorded = {each["role"]: each for each in whole}  # the last of each
    for each in found["models"]:
        same = recorded[each["role"].partition("-")[0]]
        for name, value in each["scores"].items():
            assert value == pytest.approx(same["scores"][name]["mean"], abs=1e-5), name
        assert each["parameters"] == same["parameters"]
    measured = {each["role"] for each in found["models"]}
    assert "student" in measured
    assert ("teacher" in measured) == ("teacher" in recorded and "The teacher is left out." not in told)
    assert found["taught_by"] == (TAUGHT_BY.get(case.name, "teacher") if found["fidelity"] else None)
    assert case.name not in TAUGHT_BY or found["fidelity"]
    assert not together or (found["fidelity"] and "The teacher is left out." not in told)
    if found["fidelity"]:
        assert found["fidelity"]["agreement"] == pytest.approx(record["fidelity"]["agreement"], abs=1e-6)
        assert found["fidelity"]["kl"] == pytest.approx(record["fidelity"]["kl"], abs=1e-5)
        counts = {key: found["mistakes"][key] for key in record["fidelity"]["mistakes"]}
        assert counts == record["fidelity"]["mistakes"]


def test_a_runs_page_is_written_again_and_its_sources_are_cited(case, folder, capsys, without_figures):
    (folder / "report.html").unlink()
    assert main(["report", str(folder)]) == 0
    assert case.name in (folder / "report.html").read_text(encoding="utf-8")
    capsys.readouterr()
    assert main(["cite", str(folder)]) == 0
    told = capsys.readouterr().out
    assert told.count("{") == told.count("}")
    assert f"{{{case.cited}" in told


def test_the_student_alone_is_the_same_whatever_the_scheme(tmp_path, without_figures):
    """It has the same weights, samples, order and schedule, so any two schemes compare."""
    found = {}
    for name in ("TeacherFree", "Mutual", "BornAgain", "MeanTeacher"):
        limbeck.distill(None, "mlp:4?dropout=0.2", "digits", tmp_path / name, scheme=name, **SMALL)
        found[name] = dict(scores(read(tmp_path / name)))["alone"]
    teachers = tmp_path / "Offline"
    limbeck.distill("mlp:8", "mlp:4?dropout=0.2", "digits", teachers, **SMALL)
    assert all(each == dict(scores(read(teachers)))["alone"] for each in found.values())


def test_samples_without_labels_are_merged_once():
    """They belong to no teacher's data; labels hidden in each are of each."""
    scheme = {"name": "Merged", "data": ["digits@2,3"]}
    named = {"teacher": "mlp:4", "teachers": ["mlp:4"], "student": "mlp:4", "data": "digits@0,1"}
    settings = settings_from(
        DistillConfig, named, {"scheme": scheme, "labels": 20, "unlabelled": "digits@4,5"}
    )
    data = settings.recipe().open(settings.data, settings)
    others = sum(len(open_data(each).train) for each in ("digits@0,1", "digits@2,3")) - 40
    assert len(data.unlabelled) == others + len(open_data("digits@4,5").train)
    assert len(set(data.unlabelled.tolist())) == len(data.unlabelled)
    assert sum("come from digits@4,5" in note for note in data.notes) == 1


def test_a_threshold_that_nothing_passed_is_told(tmp_path, without_figures):
    scheme = {"name": "SemiSupervised", "threshold": 0.9999}
    settings = {**SMALL, "labels": 40, "alone": False, "scheme": scheme}
    run = limbeck.distill("mlp:8", "mlp:4", "digits", tmp_path / "run", **settings)
    assert "sure of 0.0 % of the samples without a label (threshold 0.9999), so these taught nothing" in (
        " ".join(run.record.notes)
    )
