"""What is taught when nobody says which loss."""

import pytest

from limbeck import LimbeckError
from limbeck.recipes.knowledge import Knowledge


@pytest.mark.parametrize(
    ("task", "classes", "loss", "temperature"),
    [
        ("classification", 2, "KD", 1.0),
        ("classification", 3, "DIST", None),
        ("classification", 49, "DIST", None),
        ("classification", 50, "KD", 2.0),
        ("classification", None, "DIST", None),
        ("regression", None, "LogitRegression", None),
    ],
)
def test_usual_loss_goes_by_the_task_and_the_classes(task, classes, loss, temperature):
    found = Knowledge().for_task(task, classes)
    assert (found.loss, found.temperature) == (loss, temperature)


@pytest.mark.parametrize("told", [{"temperature": 3.0}, {"options": {"temperature": 3.0}}])
@pytest.mark.parametrize("classes", [2, 10, 100])
def test_a_temperature_means_kd_however_it_is_told(told, classes):
    found = Knowledge(**told).for_task("classification", classes)
    assert (found.loss, found.build().temperature) == ("KD", 3.0)


@pytest.mark.parametrize("classes", [2, 100])
def test_a_weight_that_leaves_none_for_the_labels_is_refused_once_the_loss_is_known(classes):
    with pytest.raises(LimbeckError, match="give both weights"):
        Knowledge(kd_weight=2.0).for_task("classification", classes)
