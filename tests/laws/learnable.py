"""What every loss does with its parameters and its memory (PITFALLS T9, T10, 6, 13, 36)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from laws.samples import slopes_agree
from limbeck.losses import DistillationLoss

if TYPE_CHECKING:
    from cases.case import Case

Law = Callable[["Case"], None]


def every_parameter_learns(case: Case) -> None:
    """T9: a gradient reaches each parameter, and a step of an optimizer that was given them moves it."""
    loss = case.loss()
    before = {name: each.detach().clone() for name, each in loss.named_parameters()}
    if not before:
        return
    optimizer = torch.optim.Adam(loss.parameters(), lr=0.01)
    step(case, loss)
    optimizer.step()
    for name, each in loss.named_parameters():
        assert each.grad is not None, f"no gradient reaches {name}"
        assert each.grad.abs().max() > 0, f"the gradient of {name} is zero"
        assert not torch.equal(each, before[name]), name


def parameters_have_the_gradient_of_finite_differences(case: Case) -> None:
    small = case.smaller()
    student, teacher = small.pair()
    learnt = {name: each for name, each in small.loss(torch.float64).named_parameters() if each.requires_grad}
    if not learnt:
        return

    def run(joined: Tensor) -> Tensor:
        parts = joined.split([each.numel() for each in learnt.values()])
        state = {name: part.view_as(each) for part, (name, each) in zip(parts, learnt.items(), strict=True)}
        loss = small.loss(torch.float64)
        torch.manual_seed(1)
        inputs = (*small.inputs(student, teacher), small.context(teacher))
        return torch.func.functional_call(loss, state, inputs)

    assert slopes_agree(run, torch.cat([each.flatten() for each in learnt.values()]))


def keeps_no_tensor_out_of_its_state(case: Case) -> None:
    """Whatever is not a parameter, buffer or submodule neither moves, trains nor is saved."""
    loss = case.loss()
    step(case, loss)
    registered = {id(each) for each in (*loss.parameters(), *loss.buffers(), *loss.modules())}
    for module in loss.modules():
        for name, value in vars(module).items():
            if not name.startswith("_") or name in {"_memory", "_cache"}:
                stray = [each for each in _inside(value) if id(each) not in registered]
                assert not stray, f"{type(module).__name__}.{name} hides {type(stray[0]).__name__}"


def state_round_trips(case: Case) -> None:
    """A saved loss, loaded into a fresh one, goes on where it was."""
    trained = case.loss()
    optimizer = torch.optim.SGD(list(trained.parameters()) or [nn.Parameter(torch.zeros(1))], lr=0.1)
    step(case, trained)
    optimizer.step()
    saved = {name: each.clone() for name, each in trained.state_dict().items()}
    torch.manual_seed(9)
    fresh = case.made(**case.settings)
    fresh.train(trained.training)
    fresh.load_state_dict(saved, strict=True)
    student, teacher = (each.float() for each in case.pair())
    torch.testing.assert_close(case(student, teacher, fresh), case(student, teacher, trained), rtol=0, atol=0)


def copies_are_apart(case: Case) -> None:
    """T10: neither a second instance nor a deep copy follows what happens to the first."""
    first, second = case.loss(), case.loss()
    step(case, first)
    copied = deepcopy(first)
    kept = [{name: each.clone() for name, each in each.state_dict().items()} for each in (second, copied)]
    optimizer = torch.optim.SGD(list(first.parameters()) or [nn.Parameter(torch.zeros(1))], lr=0.1)
    step(case, first)
    optimizer.step()
    for other, before in zip((second, copied), kept, strict=True):
        for name, each in other.state_dict().items():
            assert torch.equal(each, before[name]), name


def gives_the_same_value_again(case: Case) -> None:
    """No call changes what the next one gives, unless the loss has a memory by definition."""
    student, teacher = case.pair()
    loss = case.loss(torch.float64)
    torch.testing.assert_close(case(student, teacher, loss), case(student, teacher, loss), rtol=0, atol=0)


def moves_as_a_whole(case: Case) -> None:
    """Every parameter and buffer goes where the module goes (no ``.cuda()`` in a constructor, no lists)."""
    loss = case.loss().to("meta")
    assert all(each.is_meta for each in (*loss.parameters(), *loss.buffers()))
    double = case.loss(torch.float64)
    kinds = {each.dtype for each in (*double.parameters(), *double.buffers()) if each.is_floating_point()}
    assert kinds <= {torch.float64}


def step(case: Case, loss: DistillationLoss) -> None:
    student, teacher = (each.float() for each in case.pair())
    case(student.requires_grad_(), teacher, loss).backward()


def _inside(value: Any) -> Iterator[Tensor | nn.Module]:
    if isinstance(value, Tensor | nn.Module):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _inside(each)
    elif isinstance(value, list | tuple | set):
        for each in value:
            yield from _inside(each)


LAWS: dict[str, Law] = {
    law.__name__: law
    for law in (
        every_parameter_learns,
        parameters_have_the_gradient_of_finite_differences,
        keeps_no_tensor_out_of_its_state,
        state_round_trips,
        copies_are_apart,
        gives_the_same_value_again,
        moves_as_a_whole,
    )
}
