import pytest

from limbeck.report import write_report
from limbeck.report.procedure import Bias, Privacy
from limbeck.report.record import read_run
from limbeck.report.spending import overhead, spending, waiting
from limbeck.report.trainings import bias_classes, bias_rows, privacy_claim, privacy_rows, trainings

SPACE = "\N{NO-BREAK SPACE}"


def stage(network, name=None, seeds=(0, 1, 2, 3, 4), steps=540, epochs=30):
    return {
        "network": network,
        "stage": name or network,
        "seeds": list(seeds),
        "epochs": epochs,
        "steps": steps,
    }


USUAL = [stage("teacher", seeds=[0]), stage("alone"), stage("student")]
HINTS = [
    *USUAL[:2],
    stage("student", "hints", steps=135, epochs=9),
    stage("student", "distillation", epochs=21),
]


def test_usual_trainings_go_without_saying(new_run):
    assert trainings(read_run(new_run(stages=USUAL))) == []


def test_stages_follow_one_another_on_one_bar(new_run):
    *_, student = trainings(read_run(new_run(stages=HINTS)))
    hints, distillation = student.lessons
    assert (hints.name, hints.left, hints.width, hints.steps) == ("hints", 0, 25, "135")
    assert (distillation.name, distillation.left, distillation.width, distillation.steps) == (
        "distillation", 25, 75, "405"
    )  # fmt: skip


def test_trainings_say_how_often_and_how_long(scheme_run):
    stages = [stage("teacher", seeds=[0]), stage("student", steps=1080)]
    first, second = trainings(read_run(scheme_run("OmittedClasses", stages=stages)))
    assert (first.title, first.name, first.times, first.seconds) == (
        "teacher",
        "cnn:32-64",
        "once",
        f"10{SPACE}s",
    )
    assert (second.title, second.times) == ("student distilled", "5 seeds")
    assert (first.lessons[0].width, second.lessons[0].width) == (50, 100)


def test_many_networks_of_a_kind_share_a_row(scheme_run):
    stages = [*(stage(f"teacher-{number}", seeds=[0]) for number in range(1, 51)), stage("student")]
    many, student = trainings(read_run(scheme_run("OmittedClasses", stages=stages)))
    assert (many.role, many.title, many.times) == ("teacher", "50 teachers", "50 networks")
    assert student.title == "student distilled"


def seconds(folder, **spent):
    record = read_run(folder)
    return record.model_copy(update={"cost": record.cost.model_copy(update={"seconds": spent})})


def test_time_is_that_of_networks_trained_by_themselves(scheme_run):
    spent = {"teacher-1": 20.0, "teacher-2": 10.0, "teacher": 0.0, "student": 5.0, "student-part-1": 0.0}
    found = spending(seconds(scheme_run("SeveralTeachers"), **spent))
    assert [(each.title, each.percent) for each in found] == [
        ("teacher 1", 100), ("teacher 2", 50), ("student distilled", 25)
    ]  # fmt: skip


def test_given_teacher_took_no_time_and_is_shown(run_folder):
    found = spending(seconds(run_folder, teacher=0.0, alone=2.0, student=3.0))
    assert [each.title for each in found] == ["teacher", "student alone", "student distilled"]


def test_peers_share_the_students_time(scheme_run):
    spent = {"alone": 5.0, "student": 15.0, "peer-1": 0.0, "peer-2": 0.0}
    record = seconds(scheme_run("Mutual"), **spent)
    assert [each.title for each in spending(record)] == ["student alone", "student and peers"]
    assert "3.0× the time" in overhead(record)


def test_networks_on_the_way_count_as_distilling(scheme_run):
    spent = {"teacher": 50.0, "assistant-1": 4.0, "assistant-2": 4.0, "alone": 4.0, "student": 4.0}
    assert "3.0× the time" in overhead(seconds(scheme_run("Assistant"), **spent))


@pytest.mark.parametrize(
    ("share", "student", "told"),
    [
        (0.03, 300.0, "3 % of the student's training time was spent waiting for data."),
        (
            0.47,
            300.0,
            "47 % of the student's training time was spent waiting for data: more loading processes (--workers) "
            "may shorten it.",
        ),
        (
            0.47,
            3.0,
            "47 % of the student's training time was spent waiting for data.",
        ),  # in steps of a millisecond
        (0.0, 300.0, "0 % of the student's training time was spent waiting for data."),
        (None, 300.0, ""),
    ],
)
def test_waiting_is_told_with_a_remedy_where_it_is_much(new_run, share, student, told):
    folder = new_run(
        cost={"seconds": {"student": student}, "teacher_forwards": 0, "student_steps": 540, "waiting": share}
    )
    assert waiting(read_run(folder)).replace(SPACE, " ") == told
    page = write_report(folder).read_text(encoding="utf-8").replace(SPACE, " ")
    assert ("waiting for data" in page) == bool(told)


def test_waiting_of_a_model_trained_by_itself(new_run):
    cost = {"seconds": {"model": 300.0}, "teacher_forwards": 0, "student_steps": 540, "waiting": 0.5}
    told = waiting(read_run(new_run(kind="train", cost=cost))).replace(SPACE, " ")
    assert told.startswith("50 % of the training time was spent waiting for data: ")


def bias(classes, before, after, **changes):
    given = {"network": "student", "seed": 3, "classes": classes, "shift": 3.5, "before": 0.8, "after": 0.9}
    return Bias(**{**given, "recall_before": before, "recall_after": after, **changes})


def test_corrected_classes_are_told_one_by_one(run_folder):
    record = read_run(run_folder).model_copy(update={"bias": [bias(["3", "8"], [0.0, None], [0.5, 1.0])]})
    (row,) = bias_rows(record)
    assert bias_classes(record) == ["3", "8"]
    assert (row.seed, row.title, row.shift) == (3, "student distilled", "+3.5")
    assert row.accuracy.replace(SPACE, " ") == "80.00 → 90.00 %"
    assert [each.replace(SPACE, " ") for each in row.recalls] == ["0.00 → 50.00 %", "– → 100.00 %"]


def test_many_corrected_classes_are_told_by_their_mean(run_folder):
    found = bias(list("1234"), [0.0, 0.2, None, 0.1], [1.0, 0.5, None, 0.3], shift=-7.6)
    record = read_run(run_folder).model_copy(update={"bias": [found]})
    assert bias_classes(record) == ["mean of 4 classes"]
    assert bias_rows(record)[0].shift == "−7.6"
    assert bias_rows(record)[0].recalls == [f"10.00 → 60.00{SPACE}%"]


PRIVACY = {
    "epsilon": 4.96, "delta": 1e-5, "mechanism": "gaussian", "noise": 40.0, "answered": 62, "asked": 200,
    "teachers": 250, "accountant": "dp-accounting",
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "claim"),
    [({}, "ε = 4.96 at δ = 1×10⁻⁵"), ({"epsilon": float("inf")}, "Nothing is private: there is no bound")],
)
def test_privacy_is_claimed_with_its_delta(changes, claim):
    assert privacy_claim(Privacy(**{**PRIVACY, **changes})).replace(SPACE, " ").startswith(claim)


def test_privacy_says_what_it_rests_on():
    rows = dict(privacy_rows(Privacy(**PRIVACY, records=50_000)))
    assert rows == {
        "Private records": "50,000", "Teachers that vote": "250", "Samples answered": "62 of 200",
        "Noise": "Gaussian, 40.0 votes", "Accountant": "dp-accounting",
    }  # fmt: skip
