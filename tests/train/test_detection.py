"""A detector comes through the same door: dictionaries of outputs, lists of boxes as targets."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, Dataset

from limbeck import Batch, Frozen, Offline, Outputs, Plan, Term, fit, losses
from limbeck.data import Views, dataset_data
from limbeck.data.loader import Loader, Part
from limbeck.evaluate import evaluate, fidelity
from limbeck.evaluate.quality import predictor
from limbeck.schemes import Supervised
from limbeck.tasks import Task
from limbeck.train import Feed
from train.toys import Crash, crash_at, same_state, timeless

ANCHORS = 4


class Scenes(Dataset):
    """Grey images with 0 to 3 bright squares, each in its own quarter; targets are boxes (K, 4) and classes (K,)."""

    def __init__(self, count, seed):
        self.count, self.seed = count, seed

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        generator = torch.Generator().manual_seed(self.seed * 1000 + index)
        image = torch.rand(1, 8, 8, generator=generator) * 0.2
        quarters = torch.randperm(ANCHORS, generator=generator)[: index % 4]
        boxes = torch.zeros(len(quarters), 4)
        for row, quarter in enumerate(quarters.tolist()):
            top, left = 4 * (quarter // 2), 4 * (quarter % 2)
            image[0, top : top + 3, left : left + 3] += 0.7
            boxes[row] = torch.tensor([left, top, left + 3, top + 3], dtype=torch.float32) / 8
        return image, {"boxes": boxes, "quarters": quarters}


def collate(pairs):
    return torch.stack([image for image, _ in pairs]), [target for _, target in pairs]


class Detector(nn.Module):
    """Says for each quarter whether something is there, and where."""

    def __init__(self, width, seed):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.neck = nn.Sequential(nn.Conv2d(1, width, 4, stride=4), nn.ReLU())
            self.there, self.where = nn.Conv2d(width, 2, 1), nn.Conv2d(width, 4, 1)

    def forward(self, image):
        maps = self.neck(image)
        return {
            "class_logits": self.there(maps).flatten(2).transpose(1, 2),
            "boxes": self.where(maps).sigmoid().flatten(2).transpose(1, 2),
            "pyramid": [maps, F.avg_pool2d(maps, 2)],
        }


class Hits:
    def __init__(self):
        self.right, self.count = 0, 0

    def update(self, outputs, batch):
        there = Detection.there(batch)
        self.right += int((outputs["class_logits"].argmax(-1) == there).sum())
        self.count += there.numel()

    def compute(self):
        return {"hits": self.right / self.count}

    def details(self):
        return {}


class Detection(Task):
    name, outputs, metric, higher_is_better = "detection", ("class_logits", "boxes"), "hits", True

    @staticmethod
    def there(batch):
        found = torch.zeros(len(batch), ANCHORS, dtype=torch.int64)
        for row, target in enumerate(batch.targets):
            found[row, target["quarters"]] = 1
        return found

    def loss(self, outputs, batch):
        there = self.there(batch)
        off = [
            (outputs["boxes"][row, target["quarters"]] - target["boxes"]).abs().sum()
            for row, target in enumerate(batch.targets)
        ]
        classes = F.cross_entropy(outputs["class_logits"].flatten(0, 1), there.flatten())
        return classes + torch.stack(off).mean()

    def metrics(self, full=True):
        return Hits()

    def example_input(self):
        return torch.zeros(1, 1, 8, 8)


@pytest.fixture(scope="module")
def data():
    return dataset_data(Scenes(40, 0), Scenes(12, 1), Scenes(9, 2), collate_fn=collate)


@pytest.fixture(scope="module")
def feed(data):
    views = Views.plain(data)
    return Feed(Part(views, data.train), Part(views, data.validation))


PLAN = Plan(epochs=10, batch_size=8, lr=0.05, device="cpu")


@pytest.fixture(scope="module")
def teacher(feed):
    return fit(Supervised(Detector(16, 1), Detection()), feed, PLAN).model


def scheme(teacher, seed=0):
    return Offline(
        Detector(4, seed),
        Frozen(teacher),
        [
            Term(losses.KD(temperature=2), student="class_logits", teacher="class_logits"),
            Term(losses.LogitRegression(), student="boxes", teacher="boxes", weight=0.5, name="boxes"),
            Term(losses.LogitRegression(), "neck.0", "neck.0", 0.01, nn.Conv2d(4, 16, 1), name="hint"),
        ],
        task=Detection(),
        task_weight=0.5,
    )


def test_boxes_travel_in_lists_of_any_length(data):
    assert data.task == "other"
    assert data.classes is None
    batch = Views.plain(data).__getitems__([(3, 0), (0, 0), (2, 0)])
    assert isinstance(batch.targets, list)
    assert [len(each["boxes"]) for each in batch.targets] == [3, 0, 2]
    assert batch.inputs.shape == (3, 1, 8, 8)
    assert batch.index.tolist() == [3, 0, 2]
    assert len(batch) == 3


def test_a_loaders_own_collate_is_used():
    loader = DataLoader(Scenes(10, 0), batch_size=3, collate_fn=collate)
    data = dataset_data(loader, Scenes(4, 1), Scenes(4, 2))
    batch = Views.plain(data).__getitems__([(3, 0), (1, 0)])
    assert [len(each["boxes"]) for each in batch.targets] == [3, 1]


def test_detector_learns_from_a_detector(feed, teacher):
    student = scheme(teacher)
    run = fit(student, feed, PLAN)
    assert {"loss_task", "loss_KD", "loss_boxes", "loss_hint", "val_hits"} <= run.history[0].keys()
    assert run.history[-1]["loss"] < 0.7 * run.history[0]["loss"]
    assert run.best_score > 0.75
    assert run.last_state.keys() == Detector(4, 0).state_dict().keys()


def test_parts_are_the_losses_between_the_outputs_named(feed, teacher):
    student = scheme(teacher)
    batch = feed.train.views.__getitems__([(index, 0) for index in range(6)])
    parts = student(batch)
    ours, theirs = student.student(batch.inputs), teacher(batch.inputs)
    assert parts["KD"].item() == pytest.approx(
        losses.KD(temperature=2)(ours["class_logits"], theirs["class_logits"]).item(), rel=1e-5
    )
    assert parts["task"].item() == pytest.approx(
        0.5 * Detection().loss(Outputs(ours), batch).item(), rel=1e-5
    )
    assert isinstance(Detection().call(teacher, batch)["pyramid"], list)


def test_detector_is_evaluated_by_the_same_code(data, teacher):
    loader = Loader(Part(Views.plain(data), data.test), 4)
    found = evaluate(predictor(teacher, Detection()), loader, Detection())
    right = []
    for index in data.test.tolist():
        image, target = data.source.read_pair(index)
        there = torch.zeros(ANCHORS, dtype=torch.int64).index_fill(0, target["quarters"], 1)
        right.append((teacher(image[None])["class_logits"][0].argmax(-1) == there).float())
    assert found.scores["hits"] == pytest.approx(torch.stack(right).mean().item())


def test_fidelity_of_detectors_compares_their_classes(data, teacher):
    loader = Loader(Part(Views.plain(data), data.test), 4)
    same = predictor(teacher, Detection())
    assert fidelity(same, same, loader, Detection()).agreement == 1


def test_detector_resumes_to_the_same_bits(feed, teacher, tmp_path):
    plan = PLAN.model_copy(update={"epochs": 2, "checkpoint_every": 2})
    torch.manual_seed(0)
    whole = fit(scheme(teacher), feed, plan)
    torch.manual_seed(0)
    with pytest.raises(Crash):
        fit(scheme(teacher), feed, plan, folder=tmp_path, watchers=[crash_at(7)])
    torch.manual_seed(0)
    again = fit(scheme(teacher), feed, plan, folder=tmp_path, resume=True)
    assert same_state(whole.last_state, again.last_state)
    assert timeless(whole.history) == timeless(again.history)


def test_unlabelled_scenes_are_taught_by_the_teacher_alone(teacher):
    parts = scheme(teacher)(Batch(torch.rand(2, 1, 8, 8)))
    assert set(parts) == {"KD", "boxes", "hint"}
