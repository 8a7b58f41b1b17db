from limbeck.report.parts import part_rows
from limbeck.report.record import read_run


def test_usual_runs_have_no_parts(run_folder):
    assert part_rows(read_run(run_folder)) == []


def test_each_part_sets_the_student_against_its_own_teacher(scheme_run):
    first, second = part_rows(read_run(scheme_run("Merged")))
    assert (first.part, first.title, first.taught) == ("idx:mnist", "teacher 1", "97.00\xa0%")
    assert (first.student, first.difference, first.tone) == ("95.00\xa0%", "−2.00", "worse")
    assert (second.part, second.title, second.difference, second.tone) == (
        "idx:fashion",
        "teacher 2",
        "+1.00",
        "better",
    )


def test_lower_error_on_a_part_is_better(scheme_run):
    record = read_run(scheme_run("Merged"))
    record = record.model_copy(
        update={"protocol": record.protocol.model_copy(update={"metric": "nll", "higher_is_better": False})}
    )
    assert [row.tone for row in part_rows(record)] == ["better", "worse"]


def test_parts_of_one_name_stay_apart(scheme_run):
    record = read_run(scheme_run("Merged"))
    models = [
        each if each.part == "all" else each.model_copy(update={"part": "digits"}) for each in record.models
    ]
    found = part_rows(record.model_copy(update={"models": models}))
    assert [(row.title, row.difference) for row in found] == [("teacher 1", "−2.00"), ("teacher 2", "+1.00")]


def test_specialists_have_parts_without_a_student(scheme_run):
    found = part_rows(read_run(scheme_run("Specialists")))
    assert [(row.part, row.title, row.student) for row in found] == [
        ("1, 7", "specialist 1", "–"), ("3, 5", "specialist 2", "–")
    ]  # fmt: skip
