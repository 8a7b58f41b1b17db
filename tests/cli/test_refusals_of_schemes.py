"""Who teaches whom, asked for in a way that cannot be: a sentence and nothing done, before anything is trained."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from limbeck.train import loop

SHORT = ["--epochs", "1", "--seeds", "1"]
DIGITS = ["--data", "digits", "--limit", "60"]
PAIR = ["--teacher", "mlp:8", "--student", "mlp:4"]
TWO = ["--teacher", "mlp:8", "--teacher", "mlp:6", "--student", "mlp:4"]


@pytest.fixture(autouse=True)
def nothing_trained(monkeypatch):
    monkeypatch.setattr(loop._Training, "step", lambda *_: pytest.fail("something was trained"))


@pytest.fixture
def said(refused):
    """Return what is said to a scheme with its settings and further words."""

    def run(name, *words, **options):
        told = [f"scheme.{key}={value}" for key, value in options.items()]
        settings = [word for each in told for word in ("--set", each)]
        return refused("distill", "--scheme", name, *SHORT, *words, *settings, "--out", "new")

    return run


@pytest.fixture
def flat(tmp_path):
    """A folder of images, without classes."""
    (tmp_path / "flat").mkdir()
    rng = np.random.default_rng(0)
    for number in range(12):
        pixels = rng.integers(0, 256, (8, 8), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "flat" / f"{number}.png")
    return Path("flat")


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("Mutal", "'Mutual'"),
        ("mutual", "'Mutual'"),
        ("mean teacher", "'MeanTeacher'"),
        ("Born-Again", "'BornAgain'"),
    ],
)
def test_an_unknown_scheme_names_the_near_one(said, name, near):
    told = said(name, "--student", "mlp:4", *DIGITS)
    assert f"no scheme {name!r}: `limbeck schemes` lists them. Did you mean {near}" in told


@pytest.mark.parametrize("name", ["Mutal", "offline"])
def test_an_unknown_scheme_cannot_be_shown(refused, name):
    assert "Did you mean" in refused("schemes", name)


@pytest.mark.parametrize(
    ("name", "options", "told"),
    [
        ("MeanTeacher", {"decai": 0.9}, "scheme.decai: no such setting. Did you mean 'decay'?"),
        ("MeanTeacher", {"decay": 1}, "scheme.decay: input should be less than 1, not 1"),
        ("MeanTeacher", {"deploy": "teecher"}, "'teacher' or 'student', not 'teecher'"),
        ("Mutual", {"generations": 2}, "scheme.generations: no such setting."),
        ("Mutual", {"peers": 1.5}, "scheme.peers: is a number of networks like the student, or a list"),
        ("Mutual", {"peers": 0}, "Mutual needs a network beside the student"),
        ("Collaborative", {"combine": "best"}, "'naive', 'linear' or 'minimum', not 'best'"),
        ("LastEpochs", {"start": 1}, "scheme.start: input should be less than 1, not 1"),
        ("TeacherFree", {"probability": 1.5}, "scheme.probability: input should be less than 1"),
        ("BornAgain", {"generations": 0}, "scheme.generations: input should be greater than or equal to 1"),
        ("BeYourOwnTeacher", {"layers": "[nothing]"}, "no layer 'nothing'"),
    ],
)
def test_a_setting_that_a_scheme_does_not_take(said, name, options, told):
    assert told in said(name, "--student", "mlp:4", *DIGITS, **options)


def test_a_setting_of_no_scheme_at_all(refused):
    words = ["--set", "scheme.decay=0.9", "--out", "new"]
    assert "scheme.decay: no such setting." in refused("distill", *PAIR, *DIGITS, *SHORT, *words)


@pytest.mark.parametrize(
    ("name", "teachers", "told"),
    [
        ("Offline", 0, "Offline needs a teacher: give --teacher, or choose a scheme without one"),
        ("Reverse", 0, "Reverse needs a teacher"),
        ("SemiSupervised", 0, "SemiSupervised needs a teacher"),
        ("SeveralTeachers", 0, "SeveralTeachers needs two teachers or more: give --teacher twice"),
        ("SeveralTeachers", 1, "SeveralTeachers needs two teachers or more: give --teacher twice"),
        ("Merged", 1, "Merged needs two teachers or more"),
        ("Offline", 2, "Offline takes one teacher, but 2 were given: give --teacher once"),
        ("BornAgain", 2, "BornAgain takes one teacher, but 2 were given"),
        ("DataFree", 2, "DataFree takes one teacher, but 2 were given"),
        ("Mutual", 1, "Mutual takes no teacher, but 1 was given: leave --teacher out."),
        ("TeacherFree", 1, "TeacherFree takes no teacher, but 1 was given"),
        ("MeanTeacher", 2, "MeanTeacher takes no teacher, but 2 were given"),
    ],
)
def test_too_few_or_too_many_teachers(said, name, teachers, told):
    words = [word for _ in range(teachers) for word in ("--teacher", "mlp:8")]
    assert told in said(name, *words, "--student", "mlp:4", *DIGITS)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({}, "Merged has 2 teachers, but 0 in scheme.data: give one for each but the first"),
        ({"data": "[folder:cd, folder:cd]"}, "Merged has 2 teachers, but 2 in scheme.data"),
        ({"data": "[folder:cd]", "prefixes": "[x]"}, "Merged has 2 teachers, but 1 in scheme.prefixes"),
        ({"data": "[folder:cd]", "names": "[{q: z}, {}]"}, "Merged teacher 1, of folder:ab: "),
        ({"data": "[folder:cd]", "names": "[{}, {q: z}]"}, "Merged teacher 2, of folder:cd: "),
        ({"data": "[folder:cd]", "names": "[{}, {q: z}]"}, "'q', which is no class of this teacher"),
        ({"data": "[folder:cd]", "names": "[{a: z, b: z}, {}]"}, "'a' and 'b' of one teacher would both be"),
        ({"data": "[sklearn:diabetes]"}, "Merged joins classes, and sklearn:diabetes is for regression"),
        ({"data": "[folder:nowhere]"}, "'folder:nowhere'"),
    ],
)
def test_teachers_whose_classes_cannot_be_mapped(said, photos, options, told):
    photos("ab")
    photos("cd", "cd")
    assert told in said("Merged", *TWO, "--data", "folder:ab", "--size", "8", **options)


@pytest.mark.parametrize("first", [True, False])
def test_a_merged_teacher_of_other_classes_than_its_data(said, photos, trained, first):
    photos("ab")
    photos("cd", "cd")
    teachers = ["run:run", "mlp:8"] if first else ["mlp:8", "run:run"]
    words = ["--teacher", teachers[0], "--teacher", teachers[1], "--student", "mlp:4"]
    told = said("Merged", *words, "--data", "folder:ab", "--size", "8", data="[folder:cd]")
    assert "run:run has 10 outputs and the data needs 2" in told


@pytest.mark.parametrize("name", ["Mutual", "Collaborative"])
def test_peers_of_different_outputs(said, photos, trained, name):
    photos("ab")
    Path("own.py").write_text(
        "from torch import nn\ndef net(outputs, shape): return nn.Sequential(nn.Flatten(), nn.Linear(64, 7))\n"
    )
    words = ["--student", "mlp:4", "--data", "folder:ab", "--size", "8"]
    assert "run:run has 10 outputs and the data needs 2" in said(name, *words, peers="[run:run]")
    assert "(1, 7)" in said(name, *words, "--plugin", "own.py", peers="['plugin:net']")


@pytest.mark.parametrize("name", ["SemiSupervised", "DataDistillation", "PrivateTeachers"])
def test_no_samples_without_labels(said, name):
    told = said(name, *PAIR, *DIGITS)
    assert f"{name} learns from samples without labels: name them with --unlabelled" in told


@pytest.mark.parametrize("more", [[], ["--labels", "0.5"], ["--unlabelled", "folder:flat"]])
def test_a_flat_folder_has_no_labels(said, flat, more):
    told = said("SemiSupervised", *PAIR, "--data", "folder:flat", "--size", "8", *more)
    assert told.startswith("flat has no folders: put the images of each class into its own, or give images")
    assert "as --unlabelled beside labelled data" in told


@pytest.mark.parametrize(
    ("unlabelled", "told"),
    [
        ("folder:nowhere", "No file or folder 'nowhere'"),
        ("flat", "Did you mean 'folder:flat'?"),
        ("folder:empty", "empty has no images"),
        ("sklearn:diabetes", "which cannot be brought to the 1×8×8 of digits"),
    ],
)
def test_samples_without_labels_that_cannot_be_read(said, flat, unlabelled, told):
    Path("empty").mkdir()
    assert told in said("SemiSupervised", *PAIR, *DIGITS, "--unlabelled", unlabelled)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--labels", "60"], "would leave 60 of 60 training samples their label"),
        (["--labels", "61"], "would leave 61 of 60 training samples their label"),
        (["--labels", "9"], "must leave at least one of each of the 10 classes"),
        (["--labels", "0.001"], "would leave 0 of 60 training samples their label"),
        (["--labels", "1.5"], "labels=1.5 is no share between 0 and 1"),
        (["--labels", "0"], "labels: input should be greater than 0"),
        (["--labels", "0.5", "--ratio", "0"], "ratio: input should be greater than 0"),
        (["--labels", "0.5", "--ratio", "nan"], "ratio: input should be a finite number"),
        (["--labels", "0.5", "--ratio", "0.0001"], "has 0 unlabelled, but every batch needs one"),
        (["--labels", "0.5", "--set", "scheme.threshold=1"], "No sample passes a threshold of 1"),
        (["--labels", "0.5", "--set", "scheme.threshold=1.1"], "scheme.threshold: input should be less than"),
        (["--labels", "0.5", "--set", "scheme.strong=heavy"], "No augmentation 'heavy'; choose from"),
        (["--labels", "0.5", "--set", "scheme.teach=none"], "'unlabelled' or 'all', not 'none'"),
    ],
)
def test_a_share_ratio_or_threshold_that_leaves_no_data(said, words, told):
    assert told in said("SemiSupervised", *PAIR, *DIGITS, *words)


@pytest.mark.parametrize(
    ("name", "words", "told"),
    [
        ("Offline", PAIR, "A ratio of 3 mixes in samples without labels, and there are none"),
        ("BornAgain", ["--student", "mlp:4"], "mixes in samples without labels, and there are none"),
        ("PrivateTeachers", [*PAIR, "--labels", "40"], "so --ratio has nothing to mix: leave it out"),
        (
            "DataFree",
            PAIR,
            "DataFree reads no images, with labels or without: leave --unlabelled and --ratio",
        ),
    ],
)
def test_a_ratio_of_nothing(said, name, words, told):
    assert told in said(name, *words, *DIGITS, "--ratio", "3")


def test_a_scheme_without_data_reads_no_unlabelled_samples_either(said, flat):
    told = said("DataFree", *PAIR, *DIGITS, "--unlabelled", f"folder:{flat}")
    assert "DataFree reads no images, with labels or without" in told


@pytest.mark.parametrize("name", ["Mutual", "Collaborative"])
def test_peers_that_do_not_start_apart(said, trained, name):
    told = said(name, "--student", "run:run", *DIGITS)
    assert f"{name}'s networks must start apart, and two of them begin with the weights of run:run" in told
    told = said(name, "--student", "mlp:4", *DIGITS, peers="[run:run, run:run]")
    assert "two of them begin with the weights of run:run" in told


def test_a_training_that_is_not_there_is_not_shortened(said, trained):
    words = ["--teacher", "run:run", "--student", "mlp:4", *DIGITS]
    told = said("ShortLessons", *words, teacher_share=0.5)
    assert "The teacher comes with its weights, so scheme.teacher_share has no training to shorten" in told


def test_a_network_without_stages_is_told_its_layers(said):
    told = said("BeYourOwnTeacher", "--student", "mlp:8-8", *DIGITS)
    assert "finds no stage before the last in Sequential to put a head on: name shallow layers in" in told


@pytest.mark.parametrize(
    ("name", "words", "told"),
    [
        ("Collaborative", ["--loss", "RKDDistance"], "teaches combined logits and nothing else"),
        ("Collaborative", ["--loss", "KD", "--also", "AttentionTransfer"], "or Mutual for features"),
        ("Mutual", ["--loss", "FitNets"], "FitNets needs a teacher that is there before the student learns"),
        (
            "Mutual",
            ["--loss", "SimKD"],
            "and Mutual has none: name another loss, or choose the scheme Offline",
        ),
        ("Mutual", ["--loss", "KD", "--pair", "nowhere=nowhere"], "'nowhere'"),
        ("LastEpochs", ["--loss", "AnnealingKD"], "and LastEpochs has none"),
        ("Progressive", ["--loss", "FactorTransfer"], "and Progressive has none"),
        ("Progressive", ["--task-weight", "0.5", "--epochs", "2"], "so task_weight weighs nothing"),
        (
            "Progressive",
            [],
            "Progressive learns from the epoch before, so it needs at least 2: raise train.epochs",
        ),
        ("TeacherFree", ["--loss", "RKDDistance"], "teacher has logits and no layers"),
        ("TeacherFree", ["--loss", "DIST"], "DIST relates samples to one another"),
        ("MeanTeacher", ["--loss", "KDD"], "no loss 'KDD': `limbeck losses` lists them. Did you mean 'KD'"),
    ],
)
def test_a_scheme_without_a_teacher_given_what_it_cannot_teach(said, name, words, told):
    assert told in said(name, "--student", "cnn:4-6", *DIGITS, *words)


@pytest.mark.parametrize(
    ("name", "words", "told"),
    [
        ("HintsThenDistillation", ["--loss", "KD"], "begins with a stage of its own, but KD has none"),
        ("HintsThenDistillation", [], "2 stages (hints and distillation) need at least 2 epochs, not 1"),
        ("SemiSupervised", ["--labels", "0.5", "--loss", "WSLD"], "WSLD reads the label of each sample"),
        ("SemiSupervised", ["--labels", "0.5", "--loss", "SimKD"], "which SemiSupervised cannot ship"),
        ("AugmentationByTeacher", ["--task-weight", "0", "--kd-weight", "1"], "leaves none to guard"),
        ("AugmentationByTeacher", ["--set", "scheme.heavy=heavy"], "No augmentation 'heavy'"),
        (
            "ShortLessons",
            ["--task-weight", "0", "--kd-weight", "1"],
            "the student goes on with its labels alone",
        ),
        ("ShortLessons", ["--set", "scheme.until=1"], "scheme.until: input should be less than 1"),
        (
            "Reverse",
            ["--task-weight", "0", "--kd-weight", "1"],
            "Reverse has only a weaker network to learn from",
        ),
        ("DataFree", ["--task-weight", "0.5"], "DataFree has no labels, so task_weight must be 0"),
        ("DataFree", ["--loss", "WSLD"], "WSLD reads labels, which generated samples have not"),
        (
            "DataFree",
            ["--set", "scheme.statistics_weight=1", "--teacher", "mlp:8"],
            "DataFree takes one teacher",
        ),
        ("Assistant", [], "Assistant needs networks between teacher and student"),
        ("Assistant", ["--set", "scheme.assistants=[nlp:6]"], "No model 'nlp:6'"),
        ("OmittedClasses", [], "OmittedClasses needs to know which classes the transfer set lacks"),
        ("OmittedClasses", ["--set", "scheme.classes=[11]"], "digits has no class '11'"),
        ("OmittedClasses", ["--set", "scheme.classes=[3, 3]"], "The class '3' of digits is named twice"),
        (
            "DataDistillation",
            ["--labels", "0.5", "--set", "scheme.transforms=[]"],
            "takes a list of transforms",
        ),
        ("DataDistillation", ["--labels", "0.5", "--set", "scheme.transforms=[turn]"], "No transform 'turn'"),
    ],
)
def test_a_scheme_with_a_teacher_given_what_it_cannot_teach(said, name, words, told):
    assert told in said(name, "--teacher", "cnn:6-8", "--student", "cnn:4-6", *DIGITS, *words)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"weights": "[1]"}, "An Ensemble of 2 teachers takes as many weights, not 1"),
        ({"weights": "[1, -1]"}, "An Ensemble's weight must be a finite number above 0, not -1.0"),
        ({"combine": "mean"}, "'probabilities', 'logits' or 'oracle', not 'mean'"),
    ],
)
def test_teachers_that_cannot_be_combined(said, options, told):
    assert told in said("SeveralTeachers", *TWO, *DIGITS, **options)


@pytest.mark.parametrize("name", ["SeveralTeachers", "Merged"])
def test_losses_that_several_teachers_cannot_teach(said, name):
    words = ["--teacher", "cnn:6-8", "--teacher", "cnn:4-8", "--student", "cnn:4-6", *DIGITS]
    options = {"data": "[digits]"} if name == "Merged" else {}
    assert "which several teachers have not one of" in said(name, *words, "--loss", "SimKD", **options)


def test_merged_teachers_have_no_logits_to_regress(said):
    told = said("Merged", *TWO, *DIGITS, "--loss", "LogitRegression", data="[digits]")
    assert "merged teachers have none for classes that they do not know" in told


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"specialists": 1}, "scheme.specialists: input should be greater than or equal to 2"),
        ({"specialists": 10}, "10 groups of the 10 classes of digits leave none to confuse"),
        ({"specialists": 100}, "100 groups of the 10 classes of digits leave none to confuse"),
        ({"classes_each": 1}, "scheme.classes_each: input should be greater than or equal to 2"),
        ({"classes_each": 10}, "has no other left for its dustbin: lower scheme.classes_each"),
        ({"top": 11}, "The top 11 of 10 classes are more than there are"),
        ({"kd_weight": 2}, "scheme.kd_weight: input should be less than or equal to 1"),
    ],
)
def test_specialists_of_every_class_or_of_none(said, options, told):
    assert told in said("Specialists", *PAIR, *DIGITS, **options)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"epsilon": 0.001}, "A single answer costs epsilon = "),
        ({"epsilon": 0.001}, "above the budget of 0.001: raise scheme.noise from 10"),
        ({"epsilon": 0}, "scheme.epsilon: input should be greater than 0"),
        ({"epsilon": "1.0e+9"}, "epsilon must be a number above 0 and up to 100"),
        ({"delta": 0.025}, "delta must be below 1 / 40, one over the number of private records, not 0.025"),
        ({"delta": 1}, "scheme.delta: input should be less than 1"),
        ({"noise": 0}, "scheme.noise: input should be greater than 0"),
        ({"mechanism": "gauss"}, "'gaussian' or 'laplace', not 'gauss'"),
        ({"count": 41}, "40 private records are too few for 41 teachers"),
        ({"count": 1}, "scheme.count: input should be greater than or equal to 2"),
    ],
)
def test_a_privacy_budget_that_buys_nothing_or_promises_nothing(said, options, told):
    assert told in said("PrivateTeachers", *PAIR, *DIGITS, "--labels", "40", **{"count": 4, **options})


@pytest.mark.parametrize("words", [["--loss", "KD"], ["--temperature", "3"], ["--kd-weight", "0.5"]])
def test_votes_are_all_that_private_teachers_teach(said, words):
    told = said("PrivateTeachers", *PAIR, *DIGITS, "--labels", "40", *words, count=4)
    assert "PrivateTeachers defines what is taught by itself" in told


def test_private_teachers_are_trained_on_their_own_shards(said, trained):
    told = said(
        "PrivateTeachers", "--teacher", "run:run", "--student", "mlp:4", *DIGITS, "--labels", "40", count=4
    )
    assert "trains every teacher on a shard of its own, so it takes a spec without weights" in told


@pytest.mark.parametrize(
    ("name", "words", "told"),
    [
        ("Collaborative", ["--student", "mlp:4"], "Collaborative combines logits by their labels' classes"),
        ("TeacherFree", ["--student", "mlp:4"], "TeacherFree's teacher knows classes only"),
        ("Specialists", PAIR, "Specialists divide classes of samples among them"),
        ("OmittedClasses", [*PAIR, "--set", "scheme.classes=[3]"], "sklearn:diabetes is for regression"),
        ("AugmentationByTeacher", [*PAIR, "--set", "scheme.heavy=none"], "guards the labels of classes"),
        ("DataFree", PAIR, "DataFree generates images, and sklearn:diabetes has none"),
        ("PrivateTeachers", [*PAIR, "--labels", "40", "--set", "scheme.count=4"], "vote for classes"),
        ("SemiSupervised", [*PAIR, "--labels", "40", "--set", "scheme.threshold=0.9"], "A threshold is for"),
        (
            "SeveralTeachers",
            [*TWO, "--set", "scheme.combine=oracle"],
            "cannot combine by 'oracle' in regression",
        ),
        ("Merged", [*TWO, "--set", "scheme.data=[sklearn:diabetes]"], "Merged joins classes"),
    ],
)
def test_values_given_to_schemes_for_classes(said, name, words, told):
    assert told in said(name, *words, "--data", "sklearn:diabetes", "--limit", "60")
