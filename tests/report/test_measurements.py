import numpy as np
import pytest

from limbeck.errors import LimbeckError
from limbeck.report.measurements import read_confusion, read_history


def test_history_means_over_the_seeds_that_reached_an_epoch(tmp_path):
    (tmp_path / "history.csv").write_text(
        "role,seed,epoch,step,loss,val_accuracy\n"
        "student,0,1,10,1.0,0.5\n"
        "student,1,1,10,3.0,\n"
        "student,0,2,20,nan,0.7\n"
    )
    history = read_history(tmp_path)
    assert history.mean("loss", "student") == [(1, 2.0, 1.0, 3.0)]
    assert history.mean("val_accuracy", "student") == [(1, 0.5, 0.5, 0.5), (2, 0.7, 0.7, 0.7)]
    assert history.roles("loss") == ["student"]
    assert history.mean("loss", "alone") == []


def test_several_rows_of_an_epoch_count_with_their_mean(tmp_path):
    (tmp_path / "history.csv").write_text("role,seed,epoch,loss\nmodel,0,1,4\nmodel,0,1,2\n")
    assert read_history(tmp_path).mean("loss", "model") == [(1, 3.0, 3.0, 3.0)]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("role,epoch\n", "no column seed"),
        ("role,seed,epoch,loss\nmodel,0,1,low\n", "line 2: could not convert"),
    ],
)
def test_damaged_history_is_refused(tmp_path, text, sentence):
    (tmp_path / "history.csv").write_text(text)
    with pytest.raises(LimbeckError, match=sentence):
        read_history(tmp_path)


def test_confusion_of_other_classes_is_refused(run_folder):
    with pytest.raises(LimbeckError, match=r"\(10, 10\) counts .* 11 classes"):
        read_confusion(run_folder, 11)


def test_confusion_that_would_run_code_is_refused(tmp_path):
    np.savez(tmp_path / "confusion.npz", student=np.array([[print]], dtype=object))
    with pytest.raises(LimbeckError, match="cannot be read"):
        read_confusion(tmp_path, 1)


def test_damaged_confusion_is_refused(tmp_path):
    (tmp_path / "confusion.npz").write_bytes(b"PK\x03\x04 not a zip")
    with pytest.raises(LimbeckError, match="cannot be read"):
        read_confusion(tmp_path, 10)
