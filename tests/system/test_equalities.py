"""Schemes that must be one another in a special case, through whole runs."""

import json

import pytest
import torch
from safetensors.torch import load_file

import limbeck
from limbeck import Frozen, Plan, Term, fit, losses
from limbeck.models import open_model
from limbeck.recipes import train
from limbeck.schemes import MeanTeacher, Mutual, Offline, SemiSupervised, ShortLessons, Supervised
from limbeck.teachers import Ensemble, Merged
from quick import quick_clocks, undrawn
from train.toys import feed, mlp, same_state, single_thread, timeless

PLAN = Plan(epochs=2, batch_size=10, lr=0.05, device="cpu")
SMALL = {"limit": 80, "epochs": 2, "seeds": 1, "batch_size": 20, "lr": 0.02}
NAMES = [["x", "y", "z"]] * 2


@pytest.fixture(autouse=True)
def quickly():
    with quick_clocks(), undrawn(), single_thread():
        yield


def member(seed=1):
    return Frozen(mlp(seed, width=12, dropout=0.5, norm=True))


def logits_alone():
    return [losses.KD(temperature=2), Term(losses.DIST(), weight=0.5)]


def run(teacher, terms=None, kind=Offline, **options):
    scheme = kind(mlp(dropout=0.3), teacher, terms or logits_alone(), **options)
    return fit(scheme, feed(), PLAN)


def same(one, other):
    assert same_state(one.last_state, other.last_state)
    assert same_state(one.best_state, other.best_state)
    assert timeless(one.history) == timeless(other.history)


@pytest.mark.parametrize("combine", ["probabilities", "logits"])
@pytest.mark.parametrize("kind", [Offline, SemiSupervised, ShortLessons])
def test_an_ensemble_of_one_is_its_member(combine, kind):
    options = {"teach": "all"} if kind is SemiSupervised else {}
    same(run(member(), kind=kind, **options), run(Ensemble([member()], combine), kind=kind, **options))


def test_an_oracle_of_one_is_not_its_member():
    """It falls back to the label where its member is wrong."""
    assert not same_state(run(member()).last_state, run(Ensemble([member()], "oracle")).last_state)


def test_an_ensemble_of_one_is_its_member_in_a_whole_run(tmp_path):
    model = open_model("mlp:12", outputs=10, shape=(1, 8, 8)).module
    folders = [tmp_path / name for name in ("member", "ensemble")]
    for teacher, folder in zip((Frozen(model), Ensemble([Frozen(model)])), folders, strict=True):
        limbeck.distill(teacher, "mlp:4?dropout=0.2", "digits", folder, alone=False, **SMALL)
    assert _weights(folders[0]) == _weights(folders[1])
    one, other = (json.loads((folder / "run.json").read_text()) for folder in folders)
    assert one["fidelity"] == other["fidelity"]
    assert _scores(one) == _scores(other)


def _weights(folder):
    return (folder / "student.safetensors").read_bytes()


def _scores(record):
    return [(each["role"], each["scores"]) for each in record["models"]]


@pytest.mark.parametrize("count", [2, 3])
def test_merged_teachers_of_equal_classes_are_an_ensemble(count):
    members = [member(seed) for seed in range(1, count + 1)]
    merged = Merged(members, [NAMES[0]] * count)
    same(run(merged), run(Ensemble(members)))


def test_the_layers_of_merged_teachers_of_equal_classes_are_those_of_an_ensemble():
    members = [member(1), member(2)]

    def hinted(teacher):
        with torch.random.fork_rng():
            torch.manual_seed(4)
            adapter = torch.nn.Linear(8, 12)
        hint = Term(losses.LogitRegression(), "0", "2/0", 0.1, adapter, name="hint")
        return run(teacher, [*logits_alone(), hint])

    same(hinted(Merged(members, NAMES)), hinted(Ensemble(members)))


def test_merged_teachers_of_other_orders_are_not_an_ensemble():
    members = [member(1), member(2)]
    turned = run(Merged(members, [["x", "y", "z"], ["z", "x", "y"]]))
    assert not same_state(turned.last_state, run(Ensemble(members)).last_state)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    """The folder of a trained network."""
    folder = tmp_path_factory.mktemp("equalities") / "teacher"
    with quick_clocks(), undrawn(), single_thread():
        train("mlp:12", "digits", folder, **{**SMALL, "limit": 200})
    return folder


def distilled(folder, teacher, **settings):
    limbeck.distill(teacher, "mlp:4?dropout=0.2", "digits", folder, **SMALL, **settings)
    return folder


def test_one_generation_with_a_given_teacher_is_offline(teacher, tmp_path):
    born = distilled(tmp_path / "born", f"run:{teacher}", scheme="BornAgain")
    offline = distilled(tmp_path / "offline", f"run:{teacher}")
    assert _weights(born) == _weights(offline)
    one, other = (json.loads((folder / "run.json").read_text()) for folder in (born, offline))
    assert _scores(one) == _scores(other)
    assert (one["gain"], one["fidelity"]) == (other["gain"], other["fidelity"])


def test_two_generations_are_two_runs_of_offline(teacher, tmp_path):
    """The first generation is Offline's student; it teaches one that starts elsewhere."""
    two = distilled(tmp_path / "two", f"run:{teacher}", scheme={"name": "BornAgain", "generations": 2})
    first = distilled(tmp_path / "first", f"run:{teacher}")
    record, offline = (json.loads((folder / "run.json").read_text()) for folder in (two, first))
    scores = dict(_scores(record))
    assert scores["generation"] == dict(_scores(offline))["student"]
    assert scores["student"] != scores["generation"]
    assert _weights(two) != _weights(first)


def test_an_assistant_of_no_assistants_is_refused(teacher, tmp_path):
    with pytest.raises(limbeck.LimbeckError, match="assistant"):
        distilled(tmp_path / "none", f"run:{teacher}", scheme="Assistant")
    assert not (tmp_path / "none").exists()


def test_a_chain_is_runs_of_offline_one_after_the_other(teacher, tmp_path):
    chain = distilled(
        tmp_path / "chain",
        f"run:{teacher}",
        scheme={"name": "Assistant", "assistants": ["mlp:6"]},
        alone=False,
    )
    first = tmp_path / "first"
    limbeck.distill(f"run:{teacher}", "mlp:6", "digits", first, alone=False, **SMALL)
    second = distilled(tmp_path / "second", f"run:{first}", alone=False)
    assert (chain / "assistant-1.safetensors").read_bytes() == _weights(first)
    assert _weights(chain) == _weights(second)


def test_reverse_is_offline_with_the_networks_in_each_others_place(teacher, tmp_path):
    """Who was to be taught, teaches; the weights of its own training are the teacher's."""
    settings = {"loss": "KD", "temperature": 20, "alone": False}
    plain = tmp_path / "plain"
    limbeck.distill("mlp:4?dropout=0.2", "mlp:12", "digits", plain, **SMALL, **settings)
    turned = distilled(tmp_path / "turned", "mlp:12", scheme="Reverse", **settings)
    assert _weights(turned) == _weights(plain)
    assert (turned / "teacher.safetensors").read_bytes() == (plain / "teacher.safetensors").read_bytes()


def test_schemes_whose_lessons_weigh_nothing_are_supervised():
    """Nothing else may leak from a teacher, a peer or an average into the student."""
    alone = fit(Supervised(mlp(dropout=0.3)), feed(), PLAN)
    mute = [Term(losses.KD(), weight=0.0)]
    quiet = [
        fit(Offline(mlp(dropout=0.3), member(), mute), feed(), PLAN),
        fit(ShortLessons(mlp(dropout=0.3), member(), mute), feed(), PLAN),
        fit(MeanTeacher(mlp(dropout=0.3), mute, deploy="student"), feed(), PLAN),
        fit(Mutual([mlp(dropout=0.3), mlp(1)], mute), feed(), PLAN),
    ]
    assert all(same_state(alone.last_state, each.last_state) for each in quiet)


def test_a_students_file_is_what_python_holds(teacher, tmp_path):
    found = limbeck.distill(f"run:{teacher}", "mlp:4", "digits", tmp_path / "run", alone=False, **SMALL)
    assert same_state(dict(found.student.state_dict()), load_file(tmp_path / "run" / "student.safetensors"))
