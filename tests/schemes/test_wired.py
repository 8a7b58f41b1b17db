"""What schemes share in wiring: each refuses in its own name."""

import copy

import pytest
from torch import nn

from limbeck import Classification, Frozen, LimbeckError, Regression, Term, losses
from limbeck.schemes import wired


def test_bare_loss_is_wired_to_the_tasks_first_output():
    terms = wired.as_terms("Any", [losses.KD(), Term(losses.KD(), "1", "2", name="other")], Regression())
    assert [(each.name, each.student, each.teacher) for each in terms] == [
        ("KD", "value", "value"),
        ("other", "1", "2"),
    ]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (losses.KD(), r"^Any takes a list of terms: put KD"),
        (Term(losses.KD()), r"^Any takes a list of terms: put Term"),
        ([], r"^Any needs at least one term"),
        ([nn.MSELoss()], r"^Any takes terms.*MSELoss"),
        ([losses.KD(), losses.KD(temperature=2)], r"called 'KD'"),
        ([Term(losses.KD(), name="task")], r"called 'task'"),
        ([Term(losses.KD(), name="consistency")], r"called 'consistency'"),
    ],
)
def test_what_is_no_list_of_terms_is_refused(given, message):
    with pytest.raises(LimbeckError, match=message):
        wired.as_terms("Any", given, Classification(), taken=("task", "consistency"))


def test_layers_are_what_the_task_does_not_name_itself_each_once():
    names = ["logits", ("b", "a"), "a", "value"]
    assert wired.layers_to_tap(Classification(), names) == ("b", "a", "value")
    assert wired.layers_to_tap(Regression(), names) == ("logits", "b", "a")


def test_smallest_batch_without_terms_is_one():
    assert wired.smallest_batch([]) == 1


def test_shared_weights_are_found_in_parts_of_networks():
    trunk = nn.Linear(4, 4)
    student = nn.Sequential(trunk, nn.Linear(4, 3))
    assert wired.share_weights(student, nn.Sequential(nn.Linear(4, 4), trunk))
    assert not wired.share_weights(student, copy.deepcopy(student))
    with pytest.raises(LimbeckError, match="copy"):
        wired.refuse_shared_weights(student, Frozen(nn.Sequential(trunk)))
    wired.refuse_shared_weights(student, Frozen(copy.deepcopy(student)))


def test_bare_network_is_no_teacher():
    with pytest.raises(LimbeckError, match=r"^Give Any a teacher.*Frozen"):
        wired.refuse_module_as_teacher("Any", nn.Linear(2, 2))
    wired.refuse_module_as_teacher("Any", Frozen(nn.Linear(2, 2)))


def test_teacher_is_known_again_by_its_weights():
    net = nn.Linear(2, 2)
    assert wired.known_again(Frozen(net)) == wired.known_again(Frozen(copy.deepcopy(net)))
    assert wired.known_again(Frozen(net)) != wired.known_again(Frozen(nn.Linear(2, 2)))
