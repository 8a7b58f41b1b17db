import pytest
from pydantic import ValidationError

from limbeck.report.facts import Fidelity, Mistakes
from limbeck.report.fidelity import closeness
from limbeck.report.record import read_run


def told(folder, **counts):
    found = {"samples": 360, "teacher": 9, "inherited": 4, "otherwise": 1, "corrected": 4, "new": 3, **counts}
    fidelity = Fidelity(agreement=0.9, kl=0.1, mistakes=Mistakes(**found))
    return closeness(read_run(folder).model_copy(update={"fidelity": fidelity}))


def test_mistakes_are_told_in_a_sentence(run_folder):
    assert told(run_folder).mistakes.sentence == (
        "Of the 9 mistakes of the teacher on 360 test samples the student inherits 4, makes 1 otherwise and "
        "corrects 4; it adds 3 of its own."
    )


def test_bar_is_made_of_all_mistakes(run_folder):
    shares = told(run_folder, inherited=5, otherwise=0).mistakes.shares
    assert [(each.kind, each.number) for each in shares] == [("corrected", 4), ("inherited", 5), ("new", 3)]
    assert sum(each.percent for each in shares) == pytest.approx(100, abs=0.2)


def test_teacher_without_mistakes(run_folder):
    mistakes = told(run_folder, teacher=0, inherited=0, otherwise=0, corrected=0, new=0).mistakes
    assert mistakes.sentence == "On 360 test samples the teacher makes no mistake; the student makes none."
    assert mistakes.shares == []


def test_mistakes_are_those_of_whoever_taught(scheme_run):
    assert "mistakes of the last assistant on" in told(scheme_run("Assistant")).mistakes.sentence
    several = told(scheme_run("SeveralTeachers"))
    assert "mistakes of the teachers together on" in several.mistakes.sentence
    assert several.owner == "those of the teachers together"


def test_mistakes_of_a_generation_are_those_of_the_one_before(scheme_run):
    born = told(scheme_run("BornAgain"))
    assert "mistakes of the generation before on" in born.mistakes.sentence
    assert born.owner == "those of the generation before"


def test_nothing_is_told_without_a_teacher(scheme_run):
    assert told(scheme_run("Mutual")) is None


@pytest.mark.parametrize("counts", [{"teacher": 8}, {"samples": 11}])
def test_mistakes_that_do_not_add_up_are_refused(counts):
    found = {"samples": 360, "teacher": 9, "inherited": 4, "otherwise": 1, "corrected": 4, "new": 3, **counts}
    with pytest.raises(ValidationError):
        Mistakes(**found)
