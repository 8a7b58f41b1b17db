"""A cache of something else is refused by a sentence that names what differs, before anything is learnt from it."""

import os
import shutil
import signal
import tempfile
import time
from pathlib import Path

import pytest
import torch

from cache.stored import flip, forked, ordinary_person
from limbeck import LimbeckError, Offline, Plan, Term, fit, losses
from limbeck.cache import Store
from limbeck.data import Mix, Shift
from limbeck.data.loader import Part
from limbeck.teachers import Cached, Ensemble
from limbeck.train import Feed
from limbeck.types import Outputs
from teachers import kept
from teachers.kept import (
    COUNT,
    FEW,
    Silent,
    batches,
    contents,
    heard,
    network,
    part,
    pictures,
    serves,
    silent,
    teacher,
)
from train.toys import Watch, same_state

BOTH = {"teacher": kept.GREY, "student": kept.GREY}


@pytest.fixture
def filled(tmp_path):
    """Fill the cache of a teacher and a part, wholly unless told; return its folder."""

    def fill(given=None, read=None, epochs=2, **options):
        folder = tmp_path / "cache"
        with Cached(given or teacher(), folder, read or part(2), **options) as asked:
            heard(asked, read or part(2), epochs)
        return folder

    return fill


def refused(given, folder, read, roles=("teacher",)):
    """Return what is said when the first batch is asked about; nothing is answered, nothing is changed."""
    before = contents(folder)
    with pytest.raises(LimbeckError) as told, Cached(given, folder, read, roles=roles) as asked:
        asked(next(batches(read, 1)))
    assert contents(folder) == before
    sentence = str(told.value)
    assert "\n" not in sentence
    assert "Traceback" not in sentence
    assert str(folder) in sentence
    return sentence


def another_picture():
    source = pictures()
    source.inputs[5, 0, 0, 0] ^= 1
    return source


OTHERS = {
    "weights": (lambda: teacher(seed=1), part, "teacher weights: was"),
    "precision": (lambda: teacher(precision="bf16"), part, "teacher precision: was fp32, is bf16"),
    "kind of teacher": (lambda: Ensemble([teacher()]), part, "teacher"),
    "a pixel": (teacher, lambda: part(2, source=another_picture()), "data: was"),
    "a label": (teacher, lambda: part(2, source=pictures(targets=torch.ones(COUNT).long())), "data: was"),
    "augmentation": (
        teacher,
        lambda: part(2, augment=Shift(1, flip=True)),
        "augmentation: was Shift(padding=2, flip=True), is Shift(padding=1, flip=True)",
    ),
    "no augmentation": (teacher, lambda: part(2, augment=None), "augmentation: was Shift"),
    "own function": (teacher, lambda: part(2, augment=kept.darker), "is teachers.kept.darker: def darker"),
    "view seed": (teacher, lambda: part(2, seed=4), "view seed: was 3, is 4"),
    "mix": (teacher, lambda: part(2, mix=Mix("mixup-1", torch.arange(COUNT), 3)), "mix: was none, is mixup"),
    "canvas": (lambda: teacher(pixels=100), lambda: part(2, canvas=(10, 10)), "canvas: was"),
    "views": (teacher, lambda: part(3), "2 views"),
}


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("epochs", [1, 2], ids=["begun", "complete"])
def test_what_differs_is_named(filled, name, epochs):
    given, read, told = OTHERS[name]
    assert told in refused(silent(given()), filled(epochs=epochs), read())


def test_several_differences_are_named_together(filled):
    told = refused(silent(teacher(seed=1)), filled(), part(2, seed=4, augment=Shift(1)))
    for each in ("teacher weights", "view seed", "augmentation"):
        assert each in told


def test_weights_that_differ_by_one_bit(filled):
    net = network()
    net[1].weight.data[0, 0] = torch.nextafter(net[1].weight[0, 0], torch.tensor(9.0))
    told = refused(silent(kept.Frozen(net, precision="fp32")), filled(), part(2))
    assert "teacher weights" in told


def test_statistics_are_weights_too(filled):
    net = network()
    net[2].running_mean[0] += 1e-3
    assert "teacher weights" in refused(silent(kept.Frozen(net, precision="fp32")), filled(), part(2))


@pytest.mark.parametrize("precision", ["auto", "fp32"])
def test_a_precision_chosen_by_evidence_is_the_same_when_it_chose_the_same(filled, precision):
    folder = filled(teacher(precision="auto"))
    with Cached(teacher(precision=precision), folder, part(2)) as asked:
        heard(asked, part(2), 2)
        assert asked.forwards <= FEW


def test_a_precision_chosen_by_evidence_is_refused_where_it_is_another(filled):
    told = refused(teacher(precision="auto"), filled(teacher(precision="bf16")), part(2))
    assert "teacher precision: was bf16, is fp32" in told


def test_the_teacher_s_transform_is_its_own_and_the_student_s_is_not(filled):
    folder = filled(read=part(2, inputs=BOTH))
    students = {"teacher": kept.GREY, "student": kept.SMALLER}
    teachers = {"teacher": kept.SMALLER, "student": kept.GREY}
    serves(folder, part(2, inputs=students))
    serves(folder, part(2))  # one for both
    told = refused(silent(teacher(pixels=36)), folder, part(2, inputs=teachers))
    assert "inputs: was" in told
    assert "6×6" in told


def test_the_student_s_own_draws_are_accepted_and_other_draws_of_the_teacher_are_not(filled):
    weak, strong = Shift(1), Shift(2, flip=True)
    folder = filled(read=part(2, augment={"teacher": weak, "student": strong}, inputs=BOTH))
    serves(folder, part(2, augment={"teacher": weak, "student": None}, inputs=BOTH))
    swapped = part(2, augment={"teacher": strong, "student": weak}, inputs=BOTH)
    assert "augmentation" in refused(silent(), folder, swapped)
    shared = part(2, augment=weak, inputs=BOTH)  # the same augmentation, but one draw for both
    assert refused(silent(), folder, shared)


def test_fewer_views_or_samples_serve_and_others_do_not(filled):
    folder = filled(read=part(2, count=16))
    serves(folder, part(1, count=16))
    serves(folder, Part(part().views, torch.tensor([3, 15, 7]), cycle=2))
    told = refused(silent(), folder, Part(part().views, torch.tensor([3, 16, 7]), cycle=2))
    assert "16" in told


def test_samples_that_are_asked_about_may_be_told_apart_from_those_that_are_read(tmp_path):
    """SemiSupervised asks about the unlabelled ones alone."""
    folder, some = tmp_path / "cache", torch.arange(5, 15)
    with Cached(teacher()) as asked:
        asked.open(folder, part(2), samples=some)
        batch = part().views.read(some, torch.zeros_like(some))
        assert torch.equal(asked(batch)["logits"], asked(batch)["logits"])
        with pytest.raises(LimbeckError, match="sample"):
            asked(part().views.read(torch.tensor([4]), torch.tensor([0])))
        with pytest.raises(LimbeckError, match="view"):
            asked(part().views.read(torch.tensor([5]), torch.tensor([2])))


@pytest.mark.parametrize("lie", ["logits", "5@in"])
@pytest.mark.parametrize("epochs", [1, 2], ids=["begun", "complete"])
def test_answers_that_the_teacher_does_not_give(tmp_path, epochs, lie):
    """Fingerprints fit, sums fit, and what is kept is of another network all the same."""

    class Liar(Silent):
        def __call__(self, batch, task=None, names=()):
            said = {**self.known(batch, task, ["5@in"])}
            return Outputs({**said, lie: teacher(seed=7)(batch, task, ["5@in"])[lie]})

    folder = tmp_path / "cache"
    with Cached(Liar(teacher()), folder, part(2)) as asked:
        heard(asked, part(2), epochs, names=("logits", "5@in"))
    with Store.open(folder) as store:
        store.verify()
    told = refused(silent(), folder, part(2))
    assert "does not say what this teacher says" in told
    assert lie in told


def test_a_changed_decoder_shows_in_the_answers(filled):
    """The data says it is the same, and it is not what it was."""

    class Changed(type(pictures())):
        def fingerprint(self):
            return pictures().fingerprint()

    folder, source = filled(), pictures(seed=8)
    changed = Changed(source.inputs, source.targets)
    assert "does not say what this teacher says" in refused(silent(), folder, part(2, source=changed))


def test_another_process_that_fills_it(filled, tmp_path):
    folder, ready = filled(epochs=1), tmp_path / "ready"

    def hold():
        store = Store.open(folder, write=True)
        ready.touch()
        time.sleep(60)
        store.close()

    child = forked(hold)
    try:
        for _ in range(500):
            if ready.exists():
                break
            time.sleep(0.02)
        assert "is being written by another process" in refused(silent(), folder, part(2))
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    with Cached(teacher(), folder, part(2)) as asked:
        heard(asked, part(2), 2)
        assert asked.full


def test_two_of_one_process(tmp_path):
    """The second one is refused while the first fills, and goes on when it has been closed."""
    read, folder = part(2), tmp_path / "cache"
    with Cached(teacher(), folder, read) as first:
        heard(first, read, 1)
        with pytest.raises(LimbeckError, match="another process"):
            Cached(teacher(), folder, read)(next(batches(read, 1)))
    with Cached(teacher(), folder, read) as second:
        heard(second, read, 2)
        assert second.forwards <= COUNT + FEW


@pytest.fixture
def anybodys():
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def test_a_folder_for_reading_only(filled, anybodys):
    begun = shutil.copytree(filled(epochs=1), anybodys / "begun")
    begun.chmod(0o555)
    with ordinary_person():
        assert "reading only" in refused(silent(), begun, part(2))
        new = Cached(teacher(), anybodys / "begun" / "new", part(2))
        with pytest.raises(LimbeckError, match="cannot be a cache's folder"):
            new(next(batches(part(2), 1)))
    begun.chmod(0o755)


def test_a_complete_cache_in_a_folder_for_reading_only_serves(filled, anybodys):
    whole = shutil.copytree(filled(), anybodys / "whole")
    before = contents(whole)
    whole.chmod(0o555)
    with ordinary_person():
        serves(whole, part(2))
    whole.chmod(0o755)
    assert contents(whole) == before


def test_damage_is_refused_and_never_read_as_numbers(filled):
    folder = filled()
    for path in sorted(folder.glob("view-*.npy")):
        flip(path, -1)
        read = part(2)
        with (
            pytest.raises(LimbeckError, match=path.name.split(".")[0]),
            Cached(silent(), folder, read) as asked,
        ):
            heard(asked, read, 2)
        flip(path, -1)
    serves(folder, part(2))


def learn(student, given, folder, watch):
    scheme = Offline(student, Cached(given, folder, part(2)), [Term(losses.KD())])
    fit(scheme, Feed(part(2)), Plan(epochs=1, batch_size=8, device="cpu"), watchers=[watch])


def test_nothing_is_learnt_from_a_cache_of_something_else(filled):
    folder, watch = filled(), Watch()
    student = network(seed=2)
    before = {name: value.clone() for name, value in student.state_dict().items()}
    for wrong in (teacher(seed=1), teacher(precision="bf16")):
        with pytest.raises(LimbeckError, match="something else"):
            learn(student, wrong, folder, watch)
    assert watch.parts == []
    assert same_state(student.state_dict(), before)
