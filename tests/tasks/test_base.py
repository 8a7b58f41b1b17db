"""How a task calls a model and names what it returns."""

import pytest
import torch
from torch import nn

from limbeck import Batch, Classification, LimbeckError, Outputs
from limbeck.tasks import Metrics, Task, observe


class Boxes(Task):
    name, outputs, metric, higher_is_better = "boxes", ("class_logits", "boxes"), "error", False

    def loss(self, outputs, batch):
        return outputs["boxes"].square().mean()

    def metrics(self, full=True):
        raise NotImplementedError

    def example_input(self):
        return torch.zeros(1, 2)


class Heads(nn.Module):
    def __init__(self, form):
        super().__init__()
        self.form, self.body = form, nn.Linear(2, 5)

    def forward(self, x):
        features = self.body(x)
        return self.form(features)


@pytest.mark.parametrize(
    "form",
    [
        lambda f: {"class_logits": f, "boxes": f[:, :4]},
        lambda f: Outputs(class_logits=f, boxes=f[:, :4]),
        lambda f: (f, f[:, :4]),
        lambda f: [f, f[:, :4]],
    ],
)
def test_dictionaries_and_tuples_keep_their_names(form):
    found = Boxes().call(Heads(form), Batch(torch.zeros(3, 2)))
    assert sorted(found) == ["boxes", "class_logits"]
    assert found["boxes"].shape == (3, 4)


def test_tuple_of_another_length_is_not_named_by_guess():
    with pytest.raises(Exception, match=r"3|longer"):
        Boxes().call(Heads(lambda f: (f, f, f)), Batch(torch.zeros(3, 2)))


def test_role_says_which_inputs_are_read():
    batch = Batch({"teacher": torch.ones(1, 2), "student": torch.zeros(1, 2)})
    net = nn.Linear(2, 2)
    for role in ("teacher", "student"):
        assert torch.equal(Classification().call(net, batch, role)["logits"], net(batch.inputs_for(role)))


def test_observe_runs_the_model_once_and_adds_the_layers():
    calls = []
    net = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 3))
    net.register_forward_hook(lambda *_: calls.append(1))
    found = observe(Classification(), net, Batch(torch.ones(2, 2)), names=["logits", "1", "0"])
    assert len(calls) == 1
    assert sorted(found) == ["0", "1", "logits"]
    assert torch.equal(found["1"], found["0"].relu())


def test_observe_refuses_a_layer_that_is_not_there():
    with pytest.raises(LimbeckError, match="no layer"):
        observe(Classification(), nn.Linear(2, 2), Batch(torch.ones(2, 2)), names=["hidden"])


def test_metrics_of_the_shipped_tasks_keep_the_protocol():
    assert {"update", "compute", "details"} <= set(dir(Metrics))
    for each in ("update", "compute", "details"):
        assert callable(getattr(Classification().metrics(), each))
