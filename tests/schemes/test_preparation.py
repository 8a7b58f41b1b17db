"""A first stage in which a loss learns from the teacher alone."""

import pytest
import torch
from torch import nn

from limbeck import Batch, Classification, Frozen, LimbeckError, Plan, Term, fit, losses
from limbeck.data import TensorSource, Views
from limbeck.data.loader import Part
from limbeck.schemes import Preparation
from limbeck.train import Feed


def net(channels, seed):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, channels, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(channels * 16, 3)
    )


def preparation():
    student, teacher = net(2, 0), net(4, 1)
    term = Term(losses.FactorTransfer(student_channels=2, teacher_channels=4), "1", "1")
    return Preparation(student, Frozen(teacher), [term, Term(losses.KD())], Classification()), term.loss


def images(count=20):
    x = torch.randn(count, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    return Feed(Part(Views(TensorSource(x, torch.arange(count) % 3)), torch.arange(count)))


def test_the_paraphraser_learns_and_nothing_else_changes():
    scheme, _ = preparation()
    kept = {name: value.clone() for name, value in scheme.state_dict().items()}
    batch = Batch(torch.randn(8, 1, 4, 4))
    before = scheme(batch)["FactorTransfer"].item()
    fit(
        scheme, images(), Plan(epochs=6, batch_size=5, lr=0.01, weight_decay=0.5, device="cpu", select="last")
    )
    assert scheme(batch)["FactorTransfer"].item() < before
    changed = {name for name, value in scheme.state_dict().items() if not torch.equal(value, kept[name])}
    assert changed
    assert all(name.startswith(("terms.0.loss.encoder", "terms.0.loss.decoder")) for name in changed)


def test_what_was_prepared_is_what_the_loss_freezes():
    _, loss = preparation()
    names = {id(each) for each in loss.prepared().parameters()}
    assert names == {id(each) for part in (loss.encoder, loss.decoder) for each in part.parameters()}


def test_terms_with_nothing_to_prepare_are_refused():
    with pytest.raises(LimbeckError, match="leave this stage out"):
        Preparation(net(2, 0), Frozen(net(4, 1)), [Term(losses.KD())], Classification())
