"""What a classifier reads, and the feature maps at the ends of a network's stages, for any network."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from torch import nn

from limbeck.adapters.forms import Form, level
from limbeck.adapters.probe import Call, Given, Key, Probe

STAGES = 3
"""From so many resolutions on, a network's stages are its resolutions; with fewer, its blocks."""


@dataclass(frozen=True)
class Spot:
    """A layer's tensor as matching sees it.

    Args:
        tap: where to tap it.
        form: how it is laid out.
        depth: share of the network's layers with weights that have run by then, 0 to 1.
        level: how many times the image has been halved by then.
        shape: of the tensor, with the batch.
    """

    tap: str
    form: Form
    depth: float
    level: int
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Anatomy:
    """Where a network can be listened to.

    Args:
        name: of the network, for messages.
        output: what it gives.
        embedding: what its classifier reads; ``None`` where it has neither a classifier nor maps.
        maps: feature maps, shallow to deep, one for each stage, or for each block where there are no stages.
        staged: whether the maps are of several resolutions.
        classifier: path of the layer that makes the outputs, or ``None`` where no layer with weights does.
    """

    name: str
    output: Given
    embedding: Spot | None
    maps: tuple[Spot, ...]
    staged: bool
    classifier: str | None = None


def anatomy(seen: Probe) -> Anatomy:
    """Return where a network can be listened to.

    Args:
        seen: one forward of it.

    Example:
        >>> import torch
        >>> from limbeck.adapters.probe import probe
        >>> net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
        >>> found = anatomy(probe(net, torch.zeros(1, 3, 8, 8)))
        >>> found.embedding.tap, [each.tap for each in found.maps]
        ('3@in', ['0'])
    """
    head = classifier(seen)
    body = _Body(seen, head)
    maps, staged = body.maps()
    return Anatomy(
        seen.name,
        seen.output,
        body.embedding() or (maps[-1] if maps else None),
        maps,
        staged,
        head.path if head else None,
    )


def classifier(seen: Probe) -> Call | None:
    """Return the call of the layer that makes the outputs, or ``None`` where no layer with weights does.

    That is the last layer with a weight matrix whose tensor is the output. Where no tensor is (two heads are
    averaged, places are pooled), it is the first of the last layers as wide as the output.
    """
    wide = seen.output.shape[-1]
    layers = [
        call for call in seen.calls if call.has_own_matrix and call.read is not None and len(call.gave) == 1
    ]
    exact = [call for call in layers if call.gave[0].is_output]
    if exact:
        return exact[-1]
    heads: list[Call] = []
    for call in reversed(layers):
        form = call.gave[0].form
        if form is None or form.channels != wide:
            break
        heads.append(call)
    plain = [call for call in heads if call.gave[0].form and call.gave[0].form.kind == "vector"]
    return plain[-1] if plain else heads[-1] if heads else None


class _Body:
    """The calls before the classifier, and what of them makes a map."""

    def __init__(self, seen: Probe, head: Call | None):
        self.seen = seen
        self.head = head
        self.end = head.began if head is not None else float("inf")
        self.heads = set(_lineage(head))
        self.batch = seen.output.shape[0] if seen.output.shape else 1
        before = [call.weighted for call in seen.calls if call.began < self.end and call not in self.heads]
        self.layers = max([*before, 1])

    def embedding(self) -> Spot | None:
        """Return what the classifier reads, taken before its dropout, which would make the student's noisy."""
        if self.head is None or self.head.read is None or self.head.read.form is None:
            return None
        read = self.head.read
        for call in reversed(self.seen.calls):
            dropped = isinstance(call.module, nn.modules.dropout._DropoutNd) and call.module.p > 0
            if dropped and call.read and any(each.key[0] == read.key[0] for each in call.gave):
                read = call.read
        return self._place(read, self.head) if read.form else None

    def maps(self) -> tuple[tuple[Spot, ...], bool]:
        """Return the maps and whether they are of several resolutions."""
        if self.seen.image is None:
            return (), False
        units = self._units()
        staged = len(_by_level(units)) >= STAGES
        chosen = _stage_ends(units) if staged else _block_ends(self._units(blocks=True))
        return tuple(self._place(each.given, each.call) for each in chosen), staged

    def _units(self, blocks: bool = False) -> list["_Unit"]:
        units: list[_Unit] = []
        keys: set[Key] = set()
        for call, given in self._opened(self.seen.root, blocks):
            form = given.form
            if given.key in keys or form is None or not form.is_map or given.shape[0] != self.batch:
                continue
            keys.add(given.key)
            unit = _Unit(call, given, form, level(form.size, self.seen.image))
            if units and unit.is_point and _is_pooled(unit, units[-1]):
                if form.kind == "tokens":  # a class token on its way
                    continue
                break
            if unit.has_weights or not unit.resizes:
                units.append(unit)
        return units

    def _opened(self, call: Call, blocks: bool) -> Iterator[tuple[Call, Given]]:
        """Yield the tensors along the network; what spans several resolutions is opened (or what holds blocks)."""
        for child in call.children:
            if child.began >= self.end:
                return
            holds_head = child in self.heads
            if child.children and (holds_head or self._spans(child) or (blocks and _is_chain(child))):
                yield from self._opened(child, blocks)
            if not holds_head:
                yield from ((child, given) for given in child.gave)

    def _spans(self, call: Call) -> bool:
        """Whether a call shrinks the map more than one stage does, or is all that lies before a vector."""
        sizes = [each.form.size for each in call.gave if each.form and each.form.is_map]
        before = call.read.form if call.read else None
        start = level(before.size, self.seen.image) if before and before.is_map else 0
        if sizes and min(level(size, self.seen.image) for size in sizes) - start <= 1:
            return False
        # A block that gives a class token or a gate is no part of the way; a backbone that pools at its end is.
        return max(sizes, default=(1, 1)) != (1, 1) or start == 0 or _is_chain(call)

    def _place(self, given: Given, call: Call) -> Spot:
        assert given.form is not None
        depth = min(call.weighted / self.layers, 1.0)
        return Spot(given.tap, given.form, depth, level(given.form.size, self.seen.image), given.shape)


@dataclass(frozen=True)
class _Unit:
    """A map on the way from the image to the classifier, and the call that gave it."""

    call: Call
    given: Given
    form: Form
    level: int

    @property
    def has_weights(self) -> bool:
        return self.call.matrices > 0

    @property
    def is_block(self) -> bool:
        return self.call.matrices > 1

    @property
    def is_point(self) -> bool:
        return self.form.size == (1, 1)

    @property
    def resizes(self) -> bool:
        read = self.call.read.form if self.call.read else None
        return read is not None and read.size != self.form.size


def _lineage(call: Call | None) -> Iterator[Call]:
    while call is not None:
        yield call
        call = call.parent


def _is_pooled(unit: _Unit, before: _Unit) -> bool:
    """Whether all places became one by other means than the last stride of a network that reads small images."""
    if not unit.has_weights or len(unit.call.gave) > 1:
        return True
    return not before.is_point and not (unit.resizes and unit.level - before.level <= 1)


def _is_chain(call: Call) -> bool:
    """Whether a call does no more than run blocks one after the other, unlike a block, which adds what it read."""
    steps = call.children
    linked = all(_leads(one, other) for one, other in pairwise(steps))
    blocks = sum(each.matrices > 1 for each in steps)
    ends = {each.key for each in call.gave} & {each.key for each in steps[-1].gave} if steps else set()
    return linked and (blocks > 1 or (blocks == 1 and bool(ends)))


def _leads(one: Call, other: Call) -> bool:
    return other.read is not None and any(each.key == other.read.key for each in one.gave)


def _by_level(units: Sequence[_Unit]) -> dict[int, list[_Unit]]:
    """Return the units of each resolution that has weights, and blocks where the network has such, shallow to deep."""
    levels: dict[int, list[_Unit]] = {}
    for unit in units:
        levels.setdefault(unit.level, []).append(unit)
    levels = {key: levels[key] for key in sorted(levels) if any(each.has_weights for each in levels[key])}
    # What stands before the first block is the stem.
    first = min((unit.level for unit in units if unit.is_block), default=0)
    return {key: several for key, several in levels.items() if key >= first}


def _stage_ends(units: Sequence[_Unit]) -> list[_Unit]:
    """Return the last block of each resolution and then whatever is last of all, as that is pooled."""
    levels = _by_level(units)
    units = [unit for unit in units if unit.level in levels]
    down = 1 + max(number for number, unit in enumerate(units) if unit.level == max(levels))
    ends = [
        next((each for each in reversed(several) if each.is_block), several[-1])
        for several in _by_level(units[:down]).values()
    ]
    return [*(ends if down < len(units) else ends[:-1]), units[-1]]


def _block_ends(units: Sequence[_Unit]) -> list[_Unit]:
    """Return every block's map, or where nothing is a block every layer's after its activation."""
    blocks = [unit for unit in units if unit.is_block]
    if not blocks:
        blocks = [
            unit
            for number, unit in enumerate(units)
            if number + 1 == len(units) or units[number + 1].has_weights
        ]
    return [*blocks[:-1], units[-1]] if blocks else []
