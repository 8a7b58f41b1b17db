"""Classification: the hard loss at T = 1, and scores against independent counts."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from limbeck import Batch, Classification, Frozen, LimbeckError, Offline, Outputs, losses
from limbeck.schemes import AugmentationByTeacher, Collaborative, TeacherFree
from limbeck.teachers import Ensemble, Merged


def problem(rows=200, classes=7, seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(rows, classes, generator=generator)
    labels = torch.where(
        torch.rand(rows, generator=generator) < 0.6,
        logits.argmax(1),
        torch.randint(classes, (rows,), generator=generator),
    )
    return logits, labels


def scores(logits, labels, full=True, size=64):
    metrics = Classification().metrics(full)
    for rows in torch.arange(len(labels)).split(size):
        metrics.update(Outputs(logits=logits[rows]), Batch(logits[rows], labels[rows]))
    return metrics.compute(), metrics.details()


def test_loss_is_the_mean_negative_log_likelihood():
    logits, labels = problem()
    p = np.exp(logits.double().numpy())
    p /= p.sum(1, keepdims=True)
    expected = -np.log(p[np.arange(len(labels)), labels]).mean()
    loss = Classification().loss(Outputs(logits=logits), Batch(logits, labels))
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_loss_counts_labelled_samples_only():
    logits, labels = problem(6)
    labelled = torch.tensor([True, False, True, True, False, False])
    wrong = torch.where(labelled, labels, torch.full_like(labels, -100))
    found = Classification().loss(Outputs(logits=logits), Batch(logits, wrong, labelled=labelled))
    assert found.item() == pytest.approx(F.cross_entropy(logits[labelled], labels[labelled]).item(), rel=1e-6)


def test_loss_of_a_batch_without_a_label_is_zero_and_has_a_gradient():
    logits, labels = problem(3)
    logits.requires_grad_()
    loss = Classification().loss(
        Outputs(logits=logits), Batch(logits, labels, labelled=torch.zeros(3).bool())
    )
    loss.backward()
    assert loss.item() == 0
    assert logits.grad.abs().sum() == 0


def test_loss_is_finite_for_confident_mistakes_in_half_precision():
    logits = torch.tensor([[-1e3, 1e3]], dtype=torch.float16, requires_grad=True)
    loss = Classification().loss(Outputs(logits=logits), Batch(logits, torch.tensor([0])))
    loss.backward()
    assert loss.item() == pytest.approx(2e3)
    assert torch.isfinite(logits.grad).all()


def test_scores_are_those_counted_by_hand():
    logits, labels = problem()
    found, details = scores(logits, labels)
    z, y = logits.double().numpy(), labels.numpy()
    p = np.exp(z - z.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    said = p.argmax(1)

    assert found["accuracy"] == pytest.approx((said == y).mean(), abs=1e-6)
    assert found["nll"] == pytest.approx(-np.log(p[np.arange(len(y)), y]).mean(), rel=1e-5)

    f1 = []
    for each in range(7):
        hit = ((said == each) & (y == each)).sum()
        f1.append(2 * hit / ((said == each).sum() + (y == each).sum()))
    assert found["macro_f1"] == pytest.approx(np.mean(f1), abs=1e-6)

    sure, right, error = p.max(1), said == y, 0.0
    bins = np.minimum((sure * 15).astype(int), 14)  # fifteen bins of equal width, as is usual
    for each in range(15):
        inside = bins == each
        if inside.any():
            error += inside.mean() * abs(right[inside].mean() - sure[inside].mean())
    assert found["calibration_error"] == pytest.approx(error, abs=1e-5)

    confusion = np.zeros((7, 7), int)
    for true, named in zip(y, said, strict=True):
        confusion[true, named] += 1
    assert np.array_equal(details["confusion"].numpy(), confusion)


def test_top_five_counts_where_there_are_many_classes():
    logits, labels = problem(classes=25)
    best = np.argsort(-logits.numpy(), axis=1)[:, :5]
    expected = (best == labels.numpy()[:, None]).any(1).mean()
    assert scores(logits, labels)[0]["top5_accuracy"] == pytest.approx(expected, abs=1e-6)


def test_scores_count_labelled_samples_only():
    logits, labels = problem(50)
    labelled = torch.arange(50) % 3 > 0
    metrics = Classification().metrics()
    metrics.update(Outputs(logits=logits), Batch(logits, labels, labelled=labelled))
    assert metrics.compute() == pytest.approx(scores(logits[labelled], labels[labelled])[0], rel=1e-5)


def test_scores_do_not_depend_on_the_batch_size():
    logits, labels = problem()
    assert scores(logits, labels, size=1)[0] == pytest.approx(scores(logits, labels, size=200)[0], rel=1e-5)


def test_two_classes_and_a_class_that_never_appears():
    found, details = scores(*problem(classes=2))
    assert 0 < found["accuracy"] < 1
    logits, labels = problem(classes=4)
    found, details = scores(logits[labels < 3], labels[labels < 3])
    assert details["confusion"].shape == (4, 4)
    assert details["confusion"][3].sum() == 0
    assert all(np.isfinite(each) for each in found.values())


def test_perfect_and_hopeless_models():
    labels = torch.arange(5).repeat(4)
    right = 50 * F.one_hot(labels, 5).float()
    assert scores(right, labels)[0]["accuracy"] == 1
    assert scores(right, labels)[0]["calibration_error"] == pytest.approx(0, abs=1e-6)
    assert scores(right.roll(1, 1), labels)[0]["accuracy"] == 0
    assert scores(right.roll(1, 1), labels)[0]["macro_f1"] == 0
    assert scores(right.roll(1, 1), labels)[0]["nll"] == pytest.approx(50, rel=1e-3)


def test_quick_scores_are_the_same_numbers():
    logits, labels = problem()
    quick, full = scores(logits, labels, full=False)[0], scores(logits, labels)[0]
    assert quick.items() <= full.items()
    assert {"accuracy", "nll"} <= quick.keys()


def test_accuracy_of_half_precision_logits():
    logits, labels = problem()
    exact = scores(logits.bfloat16().float(), labels)[0]
    assert scores(logits.bfloat16(), labels)[0] == pytest.approx(exact, rel=1e-4)


def test_example_input_has_the_shape_told():
    assert Classification(shape=(3, 8, 8)).example_input().shape == (1, 3, 8, 8)
    with pytest.raises(LimbeckError, match="shape"):
        Classification().example_input()


def shares(labels, others, share, classes):
    one, other = F.one_hot(labels, classes), F.one_hot(others, classes)
    return share[:, None] * one + (1 - share[:, None]) * other


@pytest.mark.parametrize("marked", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_loss_of_mixed_samples_is_the_weighted_sum_of_two_cross_entropies(marked, dtype):
    logits, labels = problem(50)
    logits, others, share = logits.to(dtype), labels.roll(1), torch.rand(50)
    labelled = torch.arange(50) % 3 == 0 if marked else None
    mixed = Batch(logits, shares(labels, others, share, 7), labelled=labelled)
    loss = Classification().loss(Outputs(logits=logits), mixed)
    each = [F.cross_entropy(logits.float(), wanted, reduction="none") for wanted in (labels, others)]
    rows = share * each[0] + (1 - share) * each[1]
    expected = rows.mean() if labelled is None else rows[labelled].mean()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)


def test_shares_of_one_class_are_that_label():
    logits, labels = problem(20)
    hard = Batch(logits, labels)
    soft = Batch(logits, F.one_hot(labels, 7).float())
    task, outputs = Classification(), Outputs(logits=logits)
    assert task.loss(outputs, soft).item() == pytest.approx(task.loss(outputs, hard).item(), rel=1e-6)


def test_no_labelled_mixed_sample_gives_a_loss_of_zero_with_a_gradient_of_zero():
    logits = torch.randn(4, 3, requires_grad=True)
    batch = Batch(logits, torch.full((4, 3), torch.nan), labelled=torch.zeros(4, dtype=torch.bool))
    loss = Classification().loss(Outputs(logits=logits), batch)
    loss.backward()
    assert loss.item() == 0
    assert not logits.grad.any()


def test_shares_of_other_classes_are_refused():
    with pytest.raises(LimbeckError, match=r"Shares of classes \(2, 4\) met logits \(2, 3\)"):
        Classification().loss(Outputs(logits=torch.zeros(2, 3)), Batch(None, torch.full((2, 4), 0.25)))


def test_who_needs_one_class_a_sample_refuses_shares():
    mixed = Batch(torch.randn(4, 3), torch.full((4, 3), 1 / 3))
    one, other = nn.Linear(3, 3), nn.Linear(3, 3)
    student, frozen = nn.Linear(3, 3), Frozen(one)
    schemes = [
        *(Offline(student, frozen, [loss]) for loss in (losses.DKD(), losses.NKD(), losses.WSLD())),
        Offline(student, frozen, [losses.LabelSmoothingTeacher()]),
        Offline(student, Ensemble([frozen, Frozen(other)], combine="oracle"), [losses.KD()]),
        Offline(student, Merged([frozen, Frozen(other)], [list("abc"), list("abc")]), [losses.KD()]),
        AugmentationByTeacher(student, frozen),
        Collaborative([nn.Linear(3, 3), nn.Linear(3, 3)]),
        TeacherFree(student),
        TeacherFree(student, [losses.KD()]),
    ]
    for scheme in schemes:
        with pytest.raises(
            LimbeckError, match="needs one class for each sample, and a mixed sample has shares"
        ):
            scheme(mixed)
    assert Offline(student, frozen, [losses.KD(), losses.DIST(), losses.RKDDistance()])(mixed)
