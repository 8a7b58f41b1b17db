"""Batches and outputs: what flows between the rooms."""

import dataclasses

import pytest
import torch

from limbeck.types import Batch, Context, Outputs, Progress, moved

META = torch.device("meta")


def test_batch_is_frozen():
    batch = Batch(torch.zeros(2, 3))
    with pytest.raises(dataclasses.FrozenInstanceError):
        batch.inputs = torch.ones(2, 3)


@pytest.mark.parametrize(
    "inputs",
    [
        torch.zeros(3, 4),
        {"ids": torch.zeros(3, 4), "mask": torch.zeros(3, 4)},
        {"teacher": torch.zeros(3, 8), "student": torch.zeros(3, 4)},
        [torch.zeros(2, 5), torch.zeros(2, 6), torch.zeros(2, 7)],
    ],
)
def test_batch_knows_how_many_samples_it_has(inputs):
    assert len(Batch(inputs)) == 3


def test_each_model_reads_its_own_inputs_where_there_are_any():
    own = Batch({"teacher": torch.zeros(1, 8), "student": torch.zeros(1, 4)})
    assert own.inputs_for("teacher").shape == (1, 8)
    assert own.inputs_for("student").shape == (1, 4)
    text = Batch({"ids": torch.zeros(1, 4), "mask": torch.ones(1, 4)})
    assert set(text.inputs_for("teacher")) == {"ids", "mask"}
    plain = Batch(torch.zeros(1, 4))
    assert plain.inputs_for("teacher") is plain.inputs


def test_batch_moves_everything_inside_it():
    boxes = [torch.zeros(2, 4), torch.zeros(0, 4)]
    batch = Batch(
        {"image": torch.zeros(2, 3), "sizes": (torch.zeros(2), "names")},
        [{"boxes": each, "note": "kept"} for each in boxes],
        torch.arange(2),
        torch.zeros(2, dtype=torch.int64),
        torch.tensor([True, False]),
    ).to(META)
    assert batch.inputs["image"].device == META
    assert batch.inputs["sizes"][0].device == META
    assert batch.inputs["sizes"][1] == "names"
    assert [each["boxes"].device for each in batch.targets] == [META, META]
    assert [each["boxes"].shape[0] for each in batch.targets] == [2, 0]
    assert batch.targets[0]["note"] == "kept"
    assert batch.index.device == batch.view.device == batch.labelled.device == META


def test_moving_keeps_the_kind_of_container():
    found = moved({"a": [torch.zeros(1)], "b": (torch.zeros(1), 3), "c": None}, "cpu")
    assert isinstance(found["a"], list)
    assert isinstance(found["b"], tuple)
    assert found["b"][1] == 3
    assert found["c"] is None


def test_batch_without_the_rest_moves_too():
    batch = Batch(torch.zeros(2, 3)).to("cpu")
    assert batch.targets is batch.index is batch.view is batch.labelled is None


def test_outputs_are_read_only():
    outputs = Outputs(logits=torch.zeros(1, 2), boxes=[torch.zeros(1, 4), torch.zeros(3, 4)])
    with pytest.raises(TypeError):
        outputs["logits"] = torch.ones(1, 2)
    assert dict(outputs).keys() == {"logits", "boxes"}


def test_outputs_do_not_follow_the_mapping_they_were_made_from():
    values = {"logits": torch.zeros(1, 2)}
    outputs = Outputs(values, value=torch.zeros(1))
    values["more"] = torch.zeros(1)
    assert sorted(outputs) == ["logits", "value"]


def test_unknown_output_says_what_there_is():
    with pytest.raises(KeyError, match="boxes"):
        Outputs(boxes=torch.zeros(1, 4))["logits"]


def test_progress_ends_at_one():
    assert Progress(step=0, total_steps=10).fraction == 0
    assert Progress(step=10, total_steps=10).fraction == 1
    assert Progress(step=12, total_steps=10).fraction <= 1.2
    assert Context().progress is None
