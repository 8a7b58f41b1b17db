import pytest

from limbeck.report.record import read_run
from limbeck.report.verdict import verdict


def said(folder):
    return verdict(read_run(folder)).sentence.replace("\N{NO-BREAK SPACE}", " ")


def test_helped_says_gain_interval_gap_and_size(run_folder):
    assert said(run_folder) == (
        "Distillation helped: +2.06 points of accuracy over the same student trained alone "
        "(95 % interval +1.54 to +2.57, 5 paired seeds). The student recovers 59 % of the gap to its teacher "
        "with 9 % of the teacher's parameters."
    )


def test_difference_inside_the_noise_is_no_evidence(new_run):
    sentence = said(new_run(student=0.952))
    assert sentence.startswith("No evidence that distillation helped: +0.16 points of accuracy over")
    assert "includes zero, 5 paired seeds" in sentence
    assert "gap" not in sentence


def test_hurt_says_so(new_run):
    sentence = said(new_run(student=0.93))
    assert sentence.startswith("Distillation hurt: −2.04 points of accuracy against")
    assert "gap" not in sentence


def test_single_seed_is_no_evidence_however_large_the_difference(new_run):
    sentence = said(new_run(seeds=1, student=0.999, alone=0.5))
    assert sentence.startswith("No evidence either way: one seed gave +")
    assert "run at least three" in sentence
    assert "interval" not in sentence


def test_without_alone_nothing_is_claimed(new_run):
    sentence = said(new_run(with_alone=False))
    assert sentence.startswith(
        "The distilled student reaches 97.04 % accuracy (95 % interval 96.59 % to 97.50 %"
    )
    assert sentence.endswith("so what distillation gave is unknown.")


def test_teacher_no_better_than_alone_has_no_gap(new_run):
    sentence = said(new_run(teacher=0.94))
    assert "there was no gap to recover" in sentence
    assert "recovers" not in sentence


def test_student_above_its_teacher_overtakes_it(new_run):
    assert "overtakes its teacher with 9 % of the teacher's parameters" in said(new_run(student=0.995))


def test_regression_error_that_fell_is_a_gain(new_run):
    sentence = said(new_run(task="regression"))
    assert sentence.startswith("Distillation helped: RMSE 2.16 lower than the same student trained alone")
    assert "interval −2.54 to −1.77" in sentence


def test_regression_error_that_rose_hurts(new_run):
    sentence = said(new_run(task="regression", student=60.0))
    assert sentence.startswith("Distillation hurt: RMSE 2.64 higher than")


def test_trained_model_states_its_score(new_run):
    sentence = said(new_run(kind="train"))
    assert sentence.startswith("cnn:32-64 reaches 98.39 % accuracy on digits (95 % interval ")


def test_interval_of_a_share_stays_between_nothing_and_all(new_run):
    assert "to 100.00 %" in said(new_run(kind="train", teacher=0.9995, seeds=3))


@pytest.mark.parametrize(
    ("parameters", "words"), [(421_642, "as many parameters as"), (900_000, "2.1× the teacher's parameters")]
)
def test_student_that_is_not_smaller_is_not_called_so(new_run, parameters, words):
    record = read_run(new_run())
    models = [
        each.model_copy(update={"parameters": parameters}) if each.role == "student" else each
        for each in record.models
    ]
    assert words in verdict(record.model_copy(update={"models": models})).sentence


@pytest.mark.parametrize("scheme", ["BornAgain", "Mutual"])
def test_verdict_without_a_teacher_does_not_speak_of_one(scheme_run, scheme):
    sentence = said(scheme_run(scheme))
    assert sentence.startswith(
        "Distillation helped: +2.06 points of accuracy over the same student trained alone"
    )
    assert "teacher" not in sentence


def test_several_teachers_are_spoken_of_together(scheme_run):
    sentence = said(scheme_run("SeveralTeachers"))
    assert "of the gap to its teachers together with 9 % of all teachers' parameters." in sentence
