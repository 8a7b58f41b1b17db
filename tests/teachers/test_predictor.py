"""Anything that predicts is a teacher."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LinearRegression
from sklearn.tree import DecisionTreeClassifier

from limbeck import Batch, Classification, LimbeckError, Predictor, Regression
from limbeck.teachers import Teacher

ROWS = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
LABELS = (ROWS[:, 0] > 0).astype(int) + (ROWS[:, 1] > 1)
BATCH = Batch(torch.from_numpy(ROWS))


def test_classifier_gives_its_probabilities_as_logits():
    tree = DecisionTreeClassifier(max_depth=2, random_state=0).fit(ROWS, LABELS)
    teacher = Predictor(tree)
    logits = teacher(BATCH, Classification())["logits"]
    assert isinstance(teacher, Teacher)
    assert logits.dtype == torch.float32
    assert torch.isfinite(logits).all()  # a tree says 0 where it means "rarely"
    np.testing.assert_allclose(logits.softmax(1), tree.predict_proba(ROWS), atol=1e-3)
    assert teacher.forwards == 40


def test_floor_bounds_the_rarest_class():
    tree = DecisionTreeClassifier(random_state=0).fit(ROWS, LABELS)
    for floor in (1e-2, 1e-6):
        logits = Predictor(tree, floor=floor)(BATCH, Classification())["logits"]
        assert (logits.max() - logits.min()).item() == pytest.approx(-np.log(floor), rel=0.01)


def test_regressor_gives_values_on_the_targets_own_scale():
    line = LinearRegression().fit(ROWS, 100 + 10 * ROWS[:, 0])
    task = Regression(mean=100.0, std=10.0)
    value = Predictor(line)(BATCH, task)["value"]
    assert value.shape == (40,)
    np.testing.assert_allclose(value, ROWS[:, 0], atol=1e-4)


def test_plain_function_is_called_with_numbers_not_tensors():
    seen = []
    Predictor(lambda rows: seen.append(rows) or rows.sum(1))(BATCH, Regression())
    assert isinstance(seen[0], np.ndarray)
    assert seen[0].dtype == np.float32


def test_reads_its_own_inputs():
    own = Batch({"teacher": torch.ones(2, 3), "student": torch.zeros(2, 5)})
    assert Predictor(lambda rows: rows.sum(1))(own, Regression())["value"].tolist() == [3.0, 3.0]


def test_needs_something_to_call():
    with pytest.raises(LimbeckError):
        Predictor(object())


@pytest.mark.parametrize("answer", [np.zeros(7), np.zeros(()), np.zeros((7, 1))])
def test_must_answer_once_for_each_sample(answer):
    with pytest.raises(LimbeckError, match="40"):
        Predictor(lambda rows: answer)(BATCH, Regression())


def test_probabilities_alone_are_enough():
    class Sure:
        def predict_proba(self, rows):
            return [[1.0, 0.0]] * len(rows)

    found = Predictor(Sure())(Batch(torch.zeros(2, 3)), Classification())["logits"]
    assert found.argmax(-1).tolist() == [0, 0]
