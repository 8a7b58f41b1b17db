"""Any layer of any student learns from any layer of any teacher, with no layer named."""

import pytest
import timm
import torch
import torchvision
from torch import nn

from limbeck import Batch, Classification, Frozen, LimbeckError, Predictor, losses
from limbeck.adapters import Orthogonal
from limbeck.models.borrowed import BorrowedClassifier
from limbeck.recipes.knowledge import LOSSES, Knowledge, Taught
from limbeck.recipes.lessons import Lessons
from limbeck.recipes.wiring import Wiring
from limbeck.train import Plan

SIZE, CLASSES, SAMPLES = 64, 5, 4
TOGETHER = [name for name in LOSSES if name not in {"BoundedRegression", "SimKD"}]


def zoo(name, **options):
    torch.manual_seed(0)
    return timm.create_model(name, num_classes=CLASSES, **options)


PAIRS = {
    "resnet → mobilenetv3": lambda: (zoo("resnet10t"), zoo("mobilenetv3_small_050")),
    "vit → resnet": lambda: (zoo("vit_tiny_patch16_224", img_size=SIZE), zoo("resnet10t")),
    "convnext → efficientnet": lambda: (zoo("convnext_atto"), zoo("efficientnet_lite0")),
    "regnet → vit": lambda: (zoo("regnetx_002"), zoo("vit_tiny_patch16_224", img_size=SIZE)),
    "vgg → shufflenet": lambda: (
        torchvision.models.vgg11(num_classes=CLASSES),
        torchvision.models.shufflenet_v2_x0_5(num_classes=CLASSES),
    ),
}


def batch():
    torch.manual_seed(1)
    images = torch.randn(SAMPLES, 3, SIZE, SIZE)
    return Batch(images, torch.arange(SAMPLES) % CLASSES, index=torch.arange(SAMPLES))


def wired(teacher, student):
    return Wiring(student, teacher, batch(), Classification(), samples=10)


@pytest.mark.parametrize("name", PAIRS)
def test_one_step_of_every_loss_at_once_between_layers_nobody_named(name):
    teacher, student = PAIRS[name]()
    kd = Knowledge(loss="KD", also=[Taught(loss=each) for each in TOGETHER if each != "KD"])
    *_, last = Lessons(kd, wired(teacher, student), Frozen(teacher, precision="fp32")).stages()
    scheme = last.scheme()
    scheme.train()
    parts = scheme(batch())
    assert {key.partition(" ")[0] for key in parts} == {"task", *TOGETHER}
    sum(parts.values()).backward()
    learning = [each for each in scheme.parameters() if each.requires_grad]
    assert all(torch.isfinite(each.grad).all() for each in learning if each.grad is not None)
    reached = [each.grad is not None for each in student.parameters()]
    assert sum(reached) == len(reached)


def small():
    torch.manual_seed(0)
    body = [nn.Conv2d(3, 8, 3, 4, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 12, 3, 4, 1), nn.ReLU()]
    return nn.Sequential(*body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(12, CLASSES))


def lessons(kd, teacher=None, student=None):
    teacher, student = teacher or zoo("resnet10t"), student or small()
    return Lessons(kd, wired(teacher, student), Frozen(teacher, precision="fp32"))


def test_stages_of_hints_and_what_follows():
    stages = lessons(Knowledge(loss="FitNets")).stages()
    assert [(stage.name, stage.share) for stage in stages] == [("hints", 0.3), ("distillation", 0.7)]
    assert list(stages[0].scheme()(batch())) == ["FitNets"]
    assert sorted(stages[1].scheme()(batch())) == ["KD", "task"]


def test_what_follows_hints_can_be_told():
    kd = Knowledge(loss="FitNets", first_stage=0.5, also=[Taught(loss="DKD", weight=2.0)], task_weight=0.25)
    second = lessons(kd).stages()[1]
    assert second.share == 0.5
    scheme = second.scheme()
    assert [term.name for term in scheme.terms] == ["DKD"]
    assert (scheme.task_weight, scheme.terms[0].weight) == (0.25, 2.0)


def test_hints_beside_the_labels_from_the_start():
    (stage,) = lessons(Knowledge(loss="FitNets", first_stage=0)).stages()
    assert sorted(stage.scheme()(batch())) == ["FitNets", "task"]


def test_annealing_is_followed_by_the_labels_alone():
    first, second = lessons(Knowledge(loss="AnnealingKD")).stages()
    assert (list(first.scheme()(batch())), list(second.scheme()(batch()))) == (["AnnealingKD"], ["task"])


def test_the_paraphraser_is_frozen_when_its_stage_is_over():
    first, second = lessons(Knowledge(loss="FactorTransfer")).stages()
    assert [first.name, second.name] == ["preparation", "distillation"]
    first.scheme()
    scheme = second.scheme()
    prepared = {id(each) for each in scheme.terms[0].loss.prepared().parameters()}
    groups = [each for group in scheme.parameter_groups() for each in group["params"]]
    assert prepared
    assert not prepared & {id(each) for each in groups}


def test_a_loss_beside_the_first_is_prepared_too():
    kd = Knowledge(loss="KD", also=[Taught(loss="FactorTransfer")])
    first, second = lessons(kd).stages()
    assert list(first.scheme()(batch())) == ["FactorTransfer"]
    assert sorted(second.scheme()(batch())) == ["FactorTransfer", "KD", "task"]
    with pytest.raises(LimbeckError, match="cannot follow FitNets"):
        lessons(Knowledge(loss="FitNets", also=[Taught(loss="FactorTransfer")])).stages()


def test_borrowed_classifier_is_the_teachers_and_the_students_own_is_cut_off():
    teacher, student = zoo("resnet10t"), small()
    found = lessons(Knowledge(loss="SimKD"), teacher, student)
    (stage,) = found.stages()
    assert list(stage.scheme()(batch())) == ["SimKD"]
    model = stage.scheme().deployable()
    assert isinstance(model, BorrowedClassifier)
    assert torch.equal(model.classifier.weight, teacher.fc.weight)
    assert model.classifier.weight is not teacher.fc.weight
    assert not model.classifier.weight.requires_grad
    assert isinstance(student[7], nn.Identity)
    assert model.eval()(batch().inputs).shape == (SAMPLES, CLASSES)


def test_dropout_before_a_classifier_is_neither_lent_nor_left():
    """The embedding is tapped before it, but what is lent and what is cut off is the layer behind it."""
    body = [nn.Conv2d(3, 8, 3, 4, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.5)]
    teacher, student = (
        nn.Sequential(*body, nn.Linear(8, CLASSES)),
        nn.Sequential(*small()[:7], nn.Dropout(0.5), small()[7]),
    )
    model = lessons(Knowledge(loss="SimKD"), teacher, student).stages()[0].scheme().deployable()
    assert torch.equal(model.classifier.weight, teacher[5].weight)
    assert isinstance(student[8], nn.Identity)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"task_weight": 0.5, "kd_weight": 1.0}, "no classifier of its own"),
        ({"also": [Taught(loss="KD")]}, "KD reads them"),
        ({"pairs": ["3=layer2", "3=layer3"]}, "give one pair"),
    ],
)
def test_what_would_read_the_outputs_a_borrowing_student_lacks_is_refused(settings, said):
    with pytest.raises(LimbeckError, match=said):
        lessons(Knowledge(loss="SimKD", **settings)).stages()


def test_a_teacher_that_does_not_average_its_last_map_lends_no_classifier():
    with pytest.raises(LimbeckError, match="does something else between"):
        lessons(Knowledge(loss="SimKD"), teacher=zoo("mobilenetv3_small_050")).stages()


def test_layers_that_a_person_names():
    kd = Knowledge(loss="FitNets", pairs=["3=layer2"], first_stage=0)
    term = lessons(kd).stages()[0].scheme().terms[0]
    assert (term.student, term.teacher) == ("3", "layer2")


def test_a_layer_that_does_not_exist_is_refused_with_near_names():
    kd = Knowledge(loss="FitNets", pairs=["3=layer22"], first_stage=0)
    with pytest.raises(LimbeckError, match=r"layer22.*Did you mean 'layer2"):
        lessons(kd).stages()


def test_a_teacher_without_layers_teaches_its_outputs_only():
    teacher = Predictor(lambda inputs: torch.zeros(len(inputs), CLASSES))
    wiring = Wiring(small(), None, batch(), Classification(), samples=10)
    assert Lessons(Knowledge(loss="KD"), wiring, teacher).stages()
    with pytest.raises(LimbeckError, match="outputs but no layers"):
        Lessons(Knowledge(loss="CRD"), wiring, teacher).stages()


def test_maps_of_a_network_without_any_are_refused_with_the_loss_named():
    mlp = nn.Sequential(nn.Flatten(), nn.Linear(3 * SIZE * SIZE, 8), nn.ReLU(), nn.Linear(8, CLASSES))
    with pytest.raises(LimbeckError, match=r"AttentionTransfer: .*no feature maps"):
        lessons(Knowledge(loss="AttentionTransfer"), student=mlp).stages()
    assert lessons(Knowledge(loss="RKDAngle"), student=mlp).stages()


def test_vkd_is_taught_through_an_orthogonal_projection():
    term = lessons(Knowledge(loss="VkD")).stages()[0].scheme().terms[0]
    assert isinstance(term.adapter, Orthogonal)


def test_a_teacher_whose_map_takes_both_signs_is_not_met_behind_a_relu():
    teacher = nn.Sequential(
        nn.Conv2d(3, 8, 3, 8, 1), nn.SiLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, CLASSES)
    )
    told = lessons(Knowledge(loss="SimKD", options={"rectified": True}), teacher).stages()[0].scheme()
    found = lessons(Knowledge(loss="SimKD"), teacher).stages()[0].scheme()
    assert told.terms[0].loss.rectified
    assert not found.terms[0].loss.rectified
    assert lessons(Knowledge(loss="SimKD")).stages()[0].scheme().terms[0].loss.rectified


def test_initial_weights_of_what_is_learnt_depend_on_the_seed_alone():
    def weights(seed):
        teacher = zoo("resnet10t")
        wiring = Wiring(small(), teacher, batch(), Classification(), samples=10, seed=seed)
        (term,) = wiring.terms([(Taught(loss="CRD"), 1.0)])
        return torch.cat([each.flatten() for each in term.parameters()])

    torch.manual_seed(5)
    one = weights(0)
    assert torch.equal(one, weights(0))
    assert not torch.equal(one, weights(1))


def test_every_loss_has_a_line_here():
    assert set(TOGETHER) | {"BoundedRegression", "SimKD", "DistillationLoss"} == set(losses.__all__)


def test_a_student_of_frozen_parameters_is_refused():
    teacher, student = nn.Sequential(nn.Flatten(), nn.Linear(3 * SIZE * SIZE, CLASSES)), nn.Flatten()
    student = nn.Sequential(student, nn.Linear(3 * SIZE * SIZE, CLASSES)).requires_grad_(False)
    lessons = Lessons(Knowledge(), wired(teacher, student), Frozen(teacher, precision="fp32"))
    with pytest.raises(LimbeckError, match="No parameter of the student learns"):
        lessons.check(Plan())
