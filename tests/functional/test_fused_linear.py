"""The fused loss against the plain one, and what it never holds."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from laws.samples import random
from limbeck.errors import LimbeckError
from limbeck.functional import fused_linear_kd, soft_kl

ROWS, CLASSES, STUDENT, TEACHER = 13, 50, 6, 8
ROW_BYTES = CLASSES * 8


def inputs(dtype=torch.float64, rows=(ROWS,), classes=CLASSES):
    """Return both hidden states, matrices and biases, all of which ask for gradients."""
    shapes = (
        (*rows, STUDENT),
        (classes, STUDENT),
        (*rows, TEACHER),
        (classes, TEACHER),
        (classes,),
        (classes,),
    )
    return [random(seed, shape, 1.0).to(dtype).requires_grad_() for seed, shape in enumerate(shapes)]


def plain(
    student, student_weight, teacher, teacher_weight, student_bias=None, teacher_bias=None, temperature=1.0
):
    known = F.linear(student, student_weight, student_bias)
    taught = F.linear(teacher, teacher_weight, teacher_bias)
    return temperature**2 * soft_kl(known, taught, temperature)


def both(tensors, weight=1.0, **settings):
    """Return value and gradients of the plain and of the fused loss."""
    chunk = settings.pop("chunk_bytes", 4 * ROW_BYTES)
    found = []
    for value in (plain(*tensors, **settings), fused_linear_kd(*tensors, **settings, chunk_bytes=chunk)):
        found.append(
            (value, *torch.autograd.grad(weight * value, [each for each in tensors if each.requires_grad]))
        )
    return found


class Allocations(TorchDispatchMode):
    """Remembers the largest tensor that any operation returned, and how many matrix products there were."""

    def __init__(self):
        super().__init__()
        self.largest = self.products = 0

    def __torch_dispatch__(self, function, types, arguments=(), settings=None):
        result = function(*arguments, **(settings or {}))
        self.products += "mm" in function.__name__
        for each in result if isinstance(result, tuple | list) else (result,):
            if isinstance(each, torch.Tensor):
                self.largest = max(self.largest, each.untyped_storage().nbytes())
        return result


@pytest.mark.parametrize("biases", [0, 1, 2])
@pytest.mark.parametrize("temperature", [1.0, 3.0])
@pytest.mark.parametrize(("dtype", "within"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
def test_value_and_gradients_are_those_of_the_plain_form(dtype, within, temperature, biases):
    tensors = inputs(dtype)[: 4 + biases]
    for expected, found in zip(*both(tensors, weight=2.5, temperature=temperature), strict=True):
        torch.testing.assert_close(found, expected, rtol=within, atol=within)


def test_gradients_of_all_inputs_are_those_of_finite_differences():
    tensors = inputs(rows=(3,), classes=7)
    assert torch.autograd.gradcheck(
        lambda *given: fused_linear_kd(*given, temperature=2.0, chunk_bytes=2 * 7 * 8), tensors
    )


@pytest.mark.parametrize("rows", [1, 2, 5, ROWS, 10 * ROWS])
def test_nothing_depends_on_the_size_of_a_chunk(rows):
    for expected, found in zip(*both(inputs(), chunk_bytes=rows * ROW_BYTES), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-13)


def test_tokens_are_rows():
    tensors = inputs(rows=(3, 4))
    for expected, found in zip(*both(tensors), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-13)


def test_matrix_shared_by_both_networks_learns_from_both_sides():
    student, weight, _, _, _, _ = inputs()
    teacher = random(9, (ROWS, STUDENT), 1.0).double()
    expected, found = both([student, weight, teacher, weight])
    torch.testing.assert_close(found[2], expected[2], rtol=1e-12, atol=1e-13)


def test_detached_teacher_costs_no_products_and_no_gradients():
    tensors = [each.detach() for each in inputs()]
    students = [each.requires_grad_() for each in tensors[:2]]
    chunks = math.ceil(ROWS / 4)
    for wanted, products in ((students, 4), ([], 2)):
        for each in tensors[:2]:
            each.requires_grad_(bool(wanted))
        with Allocations() as seen:
            value = fused_linear_kd(*tensors[:4], chunk_bytes=4 * ROW_BYTES)
        assert seen.products == products * chunks
        assert value.requires_grad == bool(wanted)


def test_no_gradient_is_computed_where_none_can_be_asked_for():
    with torch.no_grad(), Allocations() as seen:
        value = fused_linear_kd(*inputs(), chunk_bytes=4 * ROW_BYTES)
    assert seen.products == 2 * math.ceil(ROWS / 4)
    assert value.item() == pytest.approx(plain(*inputs()).item(), rel=1e-12)


def test_graph_that_is_kept_can_be_gone_through_again():
    tensors = inputs()
    value = fused_linear_kd(*tensors)
    first = torch.autograd.grad(value, tensors, retain_graph=True)
    second = torch.autograd.grad(3 * value, tensors)
    for once, thrice in zip(first, second, strict=True):
        torch.testing.assert_close(3 * once, thrice)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_memory_is_flat_in_the_number_of_rows(dtype):
    classes, chunk, largest = 500, 8 * 500 * 4, []
    for rows in (64, 512):
        tensors = inputs(dtype, (rows,), classes)[:4]
        with Allocations() as seen:
            fused_linear_kd(*tensors, chunk_bytes=chunk).backward()
        largest.append(seen.largest)
    assert largest[0] == largest[1] == 3 * chunk  # the three tensors of a chunk's logits
    with Allocations() as seen:
        plain(*tensors).backward()
    assert seen.largest == 512 * classes * 4 > 20 * largest[1]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_as_near_as_the_plain_form(dtype):
    tensors = inputs(dtype, (64,))
    exact = [each.detach().double().requires_grad_() for each in tensors]
    rough, fused = both(tensors, temperature=2.0)
    truth, _ = both(exact, temperature=2.0)
    assert fused[0].dtype == torch.float32
    for mine, theirs, true in zip(fused, rough, truth, strict=True):
        assert (mine - true).norm() <= 1.5 * (theirs - true).norm() + 1e-3 * true.norm()


def test_autocast_multiplies_as_a_linear_layer_does():
    tensors = inputs(torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        expected, found = plain(*tensors), fused_linear_kd(*tensors)
    found.backward()
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)
    assert {each.grad.dtype for each in tensors} == {torch.float32}


def test_class_that_both_biases_rule_out_counts_nothing():
    tensors = [each.detach() for each in inputs()]
    for bias in tensors[4:]:
        bias[-3:] = -math.inf
    tensors[1].requires_grad_()
    for expected, found in zip(*both(tensors), strict=True):
        assert torch.isfinite(found).all()
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-13)


def test_identical_sides_give_zero_and_no_gradient():
    hidden, weight = (each.detach() for each in inputs()[:2])
    value = fused_linear_kd(hidden.requires_grad_(), weight, hidden.detach(), weight)
    value.backward()
    assert value.item() == 0.0
    assert hidden.grad.abs().max() < 1e-15


@pytest.mark.parametrize(
    ("which", "shape"),
    [(0, (ROWS, 7)), (0, (12, STUDENT)), (1, (49, STUDENT)), (3, (8,)), (4, (49,)), (5, (1,))],
)
def test_shapes_that_do_not_fit_are_refused_in_words(which, shape):
    tensors = inputs()
    tensors[which] = torch.zeros(shape)
    with pytest.raises(LimbeckError, match=r"fused_linear_kd.*\d"):
        fused_linear_kd(*tensors)
