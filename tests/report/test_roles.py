import json

import pytest

from limbeck.report import model_rows
from limbeck.report.record import read_run
from limbeck.report.roles import family, network_facts, network_title, ordered, role_title, tutor


@pytest.mark.parametrize(
    ("scheme", "titles"),
    [
        (
            "BornAgain",
            ["student alone", "generation 1", "generation 2", "student distilled", "all generations"],
        ),
        ("SeveralTeachers", ["teacher 1", "teacher 2", "all teachers", "student alone", "student distilled"]),
        ("Assistant", ["teacher", "assistant 1", "assistant 2", "student alone", "student distilled"]),
        ("Mutual", ["peer 1", "peer 2", "student alone", "student distilled"]),
        ("Specialists", ["generalist", "all teachers", "student alone", "student distilled"]),
        ("Merged", ["all teachers", "student alone", "student distilled"]),
    ],
)
def test_rows_of_all_data_have_an_order_and_a_title(scheme_run, scheme, titles):
    assert [row.role for row in model_rows(read_run(scheme_run(scheme)))] == titles


def test_specialists_stand_between_generalist_and_all(scheme_run):
    models = read_run(scheme_run("Specialists")).models
    titles = [role_title(each, models) for each in ordered(models)]
    assert titles[:4] == ["generalist", "specialist 1", "specialist 2", "all teachers"]


def test_every_role_that_a_record_takes_is_ordered_and_named(run_folder):
    record = json.loads((run_folder / "run.json").read_text())
    roles = ("teacher", "assistant", "peer", "specialist", "generation", "alone", "student", "model")
    record["models"] = [{**record["models"][0], "role": role} for role in roles]
    (run_folder / "run.json").write_text(json.dumps(record))
    models = read_run(run_folder).models
    assert len({role_title(each, models) for each in ordered(models)}) == len(roles)


def test_row_of_a_role_is_that_of_the_whole(scheme_run):
    assert read_run(scheme_run("SeveralTeachers")).model("teacher").name == "Ensemble of 2"
    merged = read_run(scheme_run("Merged"))
    assert merged.model("teacher").name == "Merged of 2"
    assert merged.model("student").part == "all"
    assert read_run(scheme_run("Specialists")).model("specialist") is None


@pytest.mark.parametrize(
    ("scheme", "name"),
    [
        ("Assistant", "the last assistant"),
        ("SeveralTeachers", "the teachers together"),
        ("OmittedClasses", "the teacher"),
    ],
)
def test_tutor_is_who_taught_the_student(scheme_run, scheme, name):
    assert tutor(read_run(scheme_run(scheme))).name == name


@pytest.mark.parametrize("scheme", ["BornAgain", "Mutual"])
def test_student_without_a_teacher_has_no_tutor(scheme_run, scheme):
    assert tutor(read_run(scheme_run(scheme))) is None


def test_trainings_are_found_among_the_models(scheme_run):
    born = read_run(scheme_run("BornAgain"))
    assert network_facts(born, "generation-2").stage == 2
    assert network_facts(born, "generation-3") is None
    merged = read_run(scheme_run("Merged"))
    assert network_facts(merged, "teacher-2").part == "idx:fashion"
    assert network_facts(merged, "student").part == "all"
    assert network_facts(read_run(scheme_run("Specialists")), "generalist").role == "teacher"


def test_trainings_are_named():
    names = ["alone", "generation-1", "generations", "generalist", "student"]
    assert list(map(network_title, names)) == [
        "student alone", "generation 1", "generations", "generalist", "student distilled"
    ]  # fmt: skip
    assert list(map(family, names)) == ["alone", "generation", "generation", "teacher", "student"]
