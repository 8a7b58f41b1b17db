"""Which layer of the student learns from which layer of the teacher, found by running each once."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from torch import Tensor, nn

from limbeck.adapters.forms import Form, level
from limbeck.adapters.pairs import Matches, Pair
from limbeck.adapters.probe import probe
from limbeck.adapters.stages import Anatomy, Spot, anatomy
from limbeck.errors import LimbeckError
from limbeck.taps import tapped
from limbeck.types import Batch

LOGITS = "logits"
FEW = 4
"""How many maps are taught at most: the stages of common networks without the stem."""


def match_layers(student: nn.Module, teacher: nn.Module, example: Any) -> Matches:
    """Propose which layers of the student learn from which of the teacher, without naming any.

    Each network is run once on its example in eval mode and left as it was. The classifier is found by its output;
    the maps are those at the ends of the stages, or of the blocks of a network that has one resolution throughout,
    such as a transformer. Maps are paired in order, the last with the last, the others so that resolution and
    relative depth differ least.

    Args:
        student: any network.
        teacher: any network.
        example: a batch that both read (one sample is enough), or where they read different ones a pair
            (student's, teacher's), a mapping with ``"student"`` and ``"teacher"``, or a :class:`limbeck.types.Batch`.

    Returns:
        Pairs for each place where a loss may listen.

    Raises:
        LimbeckError: a network that does not run on its example, or gives no tensor.

    Example:
        >>> import torch
        >>> def net(width):
        ...     stages = [nn.Conv2d(3, width, 3, 2, 1), nn.ReLU(), nn.Conv2d(width, width, 3, 2, 1), nn.ReLU()]
        ...     return nn.Sequential(*stages, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 10))
        >>> matches = match_layers(net(8), net(16), torch.zeros(1, 3, 32, 32))
        >>> [(pair.student, pair.teacher) for pair in matches.at("every map")]
        [('1', '1'), ('3', '3')]
        >>> matches.embedding.student, matches.embedding.bridge
        ('6@in', 'Linear 8→16')
    """
    ours, theirs = _examples(example)
    learns, knows = anatomy(probe(student, ours)), anatomy(probe(teacher, theirs))
    empty = [
        f"The {role} {each.name}" for role, each in (("student", learns), ("teacher", knows)) if not each.maps
    ]
    return Matches(
        logits=_bridged(_outputs(learns), _outputs(knows), "the outputs of both"),
        embedding=_embeddings(learns, knows),
        every_map=() if empty else _map_pairs(learns, knows),
        missing=empty[0] if empty else "",
        classifiers=(learns.classifier, knows.classifier),
    )


def pair_of(
    student: nn.Module, teacher: nn.Module, example: Any, student_layer: str, teacher_layer: str
) -> Pair:
    """Return the pair of two layers that a person names, with the forms and the bridge it needs.

    Args:
        student: any network.
        teacher: any network.
        example: as for :func:`match_layers`.
        student_layer: path of a layer of the student, as taps spell it.
        teacher_layer: path of a layer of the teacher.

    Raises:
        LimbeckError: a layer that does not exist or did not run; two tensors that nothing here can bridge.
    """
    ours, theirs = _examples(example)
    sides = [
        _named("student", student, ours, student_layer),
        _named("teacher", teacher, theirs, teacher_layer),
    ]
    if not _bridgeable(sides[0].form, sides[1].form):
        told = " and ".join(
            f"the {role}'s {side.tap!r} gives {tuple(side.shape)}"
            for role, side in zip(("student", "teacher"), sides, strict=True)
        )
        raise LimbeckError(
            f"Nothing bridges these two layers, as {told}: name layers that give maps (N, C, H, W), patches of an "
            "image or vectors (N, D), or sequences of one length."
        )
    return _bridged(sides[0], sides[1], "named by hand")


def _named(role: str, network: nn.Module, example: Any, layer: str) -> Spot:
    with tapped(network, {} if layer == LOGITS else {layer: layer}) as taps:
        seen = probe(network, example)
    if layer == LOGITS:
        return _outputs(anatomy(seen))
    value = taps[layer]
    if not isinstance(value, Tensor):
        raise LimbeckError(
            f"Layer {layer!r} of the {role} gives a {type(value).__name__}, not a tensor: name one of its parts, "
            f"such as {layer}@out.0."
        )
    shape = tuple(value.shape)
    form = seen.form(shape)
    if form is None:
        raise LimbeckError(
            f"Layer {layer!r} of the {role} gives a tensor of shape {shape}, from which no loss here learns: name one "
            "that gives maps (N, C, H, W), tokens (N, L, D) or vectors (N, D)."
        )
    return Spot(layer, form, 0.0, level(form.size, seen.image) if form.is_map else 0, shape)


def _bridgeable(ours: Form, theirs: Form) -> bool:
    if "vector" in (ours.kind, theirs.kind) or (ours.is_map and theirs.is_map):
        return True
    return ours.kind == theirs.kind and ours.size == theirs.size


def _examples(example: Any) -> tuple[Any, Any]:
    if isinstance(example, Batch):
        return example.inputs_for("student"), example.inputs_for("teacher")
    if isinstance(example, Mapping) and {"student", "teacher"} <= set(example):
        return example["student"], example["teacher"]
    if isinstance(example, tuple | list) and len(example) == 2:
        return example[0], example[1]
    return example, example


def _outputs(network: Anatomy) -> Spot:
    shape = network.output.shape
    form = network.output.form or Form("vector", shape[-1])
    return Spot(LOGITS, form, 1.0, 0, shape)


def _embeddings(student: Anatomy, teacher: Anatomy) -> Pair:
    ours, theirs = student.embedding or _outputs(student), teacher.embedding or _outputs(teacher)
    return _bridged(ours, theirs, "what each classifier reads", vectors=True)


def _map_pairs(student: Anatomy, teacher: Anatomy) -> tuple[Pair, ...]:
    ours, theirs = _few(student), _few(teacher)
    if not student.staged and not teacher.staged:
        ours, theirs = (_quarters(ours), theirs) if len(ours) < len(theirs) else (ours, _quarters(theirs))
    if len(ours) <= len(theirs):
        aligned = _aligned(ours, theirs)
    else:
        aligned = [(one, other) for other, one in _aligned(theirs, ours)]
    return tuple(_bridged(one, other, _why(one, other)) for one, other in aligned)


def _few(network: Anatomy) -> Sequence[Spot]:
    return network.maps[-FEW:] if network.staged else network.maps


def _quarters(maps: Sequence[Spot]) -> Sequence[Spot]:
    """Return as many maps as are taught, evenly spaced and with the last."""
    count = min(FEW, len(maps))
    return [maps[round((number + 1) * len(maps) / count) - 1] for number in range(count)]


def _aligned(fewer: Sequence[Spot], more: Sequence[Spot]) -> list[tuple[Spot, Spot]]:
    """Return a partner for each of the fewer, in order and the last for the last, that differ least in all."""
    ways: list[_Way] = [(0.0, [])]  # the cheapest for all before, by how many of the others are used up
    for one in fewer:
        cheapest: list[_Way] = [(float("inf"), [])]
        for used, other in enumerate(more):
            cost, pairs = min(ways[: used + 1], key=lambda way: way[0], default=(float("inf"), []))
            cheapest.append((cost + _difference(one, other), [*pairs, (one, other)]))
        ways = cheapest
    return ways[-1][1]


_Way: TypeAlias = tuple[float, list[tuple[Spot, Spot]]]


def _difference(one: Spot, other: Spot) -> float:
    return abs(one.level - other.level) + abs(one.depth - other.depth)


def _why(ours: Spot, theirs: Spot) -> str:
    same = ours.level == theirs.level
    where = f"both at 1/{2**ours.level}" if same else f"at 1/{2**ours.level} and 1/{2**theirs.level}"
    return f"{where} of the image, {ours.depth:.0%} and {theirs.depth:.0%} deep"


def _bridged(ours: Spot, theirs: Spot, why: str, vectors: bool = False) -> Pair:
    if vectors or "vector" in (ours.form.kind, theirs.form.kind):
        forms = ours.form.to_vector(), theirs.form.to_vector()
        shapes: list[tuple[int, ...]] = [(ours.form.channels,), (theirs.form.channels,)]
    else:
        forms = ours.form.to_map(), theirs.form.to_map()
        shapes = [ours.form.shape, theirs.form.shape]
    return Pair(ours.tap, theirs.tap, shapes[0], shapes[1], forms[0], forms[1], why)
