"""Which layers of a student can learn from which layers of a teacher, shown before anything is trained."""

from collections.abc import Sequence
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from rich.text import Text
from torch import Tensor

from limbeck.adapters import Matches, Pair, match_layers
from limbeck.adapters.pairs import told_shape
from limbeck.adapters.probe import probe
from limbeck.data import InputTransform, open_data
from limbeck.models import Model, open_model
from limbeck.models.card import read_card
from limbeck.models.run_door import role_in
from limbeck.recipes.telling import say

CLASSES = 10
"""Outputs of models that no data decides; the layers before them are the same for any number."""
SMALL = (3, 32, 32)
"""What nets read that have no size of their own."""
COLUMNS = ("place", "student", "teacher", "bridge and why")

Shape = tuple[int, ...]


def layers(
    teacher: str,
    student: str,
    *,
    data: str | None = None,
    size: int | None = None,
    everything: bool = False,
    plugins: Sequence[str | Path] = (),
    console: Console | None = None,
) -> Matches:
    """Show which layers of a student are paired with which of a teacher, their shapes, and what bridges them.

    No weights are read and nothing is trained: each network runs once on random numbers.

    Args:
        teacher: a spec, such as ``"timm:resnet50"``.
        student: a spec.
        data: whose images the two are to read; what each was made for unless told.
        size: height and width in pixels that images are brought to.
        everything: list every layer that can be tapped, too.
        plugins: files of the person's own factories.
        console: where tables are shown; nowhere unless told.

    Returns:
        The pairs, for each place where a loss may listen.

    Raises:
        LimbeckError: no such model or data; a model that does not read such data.

    Example:
        >>> [pair.bridge for pair in layers("cnn:16-32", "cnn:4-8").at("every map")]
        ['Conv 4→16', 'Conv 8→32']
    """
    console = console or Console(quiet=True)
    models = _opened({"student": student, "teacher": teacher}, data, size, plugins)
    examples = {role: _example(model) for role, model in models.items()}
    matches = match_layers(models["student"].module, models["teacher"].module, examples)
    if everything:
        for role, model in models.items():
            _show_every_layer(console, role, model, examples[role])
    _show(console, matches, models, examples)
    return matches


def _opened(
    specs: dict[str, str], data: str | None, size: int | None, plugins: Sequence[str | Path]
) -> dict[str, Model]:
    if data is not None:
        opened = open_data(data, size=size)
        wanted = dict.fromkeys(specs, (opened.shape, len(opened.classes) if opened.classes else 1))
    else:
        own = {role: _own(spec, size) for role, spec in specs.items()}
        # What one of them has no say in, it takes from the other.
        shapes, outputs = zip(*own.values(), strict=True)
        default = (
            next(filter(None, shapes), (3, size, size) if size else SMALL),
            next(filter(None, outputs), CLASSES),
        )
        wanted = {role: (shape or default[0], count or default[1]) for role, (shape, count) in own.items()}
    files = [Path(each) for each in plugins]
    return {
        role: open_model(spec, outputs=wanted[role][1], shape=wanted[role][0], plugins=files)
        for role, spec in specs.items()
    }


def _own(spec: str, size: int | None) -> tuple[Shape | None, int | None]:
    """Return the shape of what a model was made to read and its outputs, as far as it has its own."""
    kind, _, name = spec.partition(":")
    if kind == "run":
        return _of_run(name)
    if size is not None:
        return (3, size, size), None
    if kind == "timm":
        return _of_timm(name), None
    return ((3, 224, 224) if kind == "torchvision" else None), None


def _of_timm(name: str) -> Shape | None:
    import timm

    try:
        settings = timm.get_pretrained_cfg(name)
    except RuntimeError:  # no such model or weights, which the door tells better
        return None
    return tuple(settings.input_size) if settings else None


def _of_run(text: str) -> tuple[Shape, int]:
    folder, _, role = text.partition("#")
    card = read_card(folder, role_in(Path(folder), role))
    return tuple(card["shape"]), card["outputs"]


def _example(model: Model) -> Tensor:
    inputs = model.inputs
    if not isinstance(inputs, InputTransform):
        return torch.zeros(1, *model.shape)
    height, width = inputs.size or model.shape[1:]
    generator = torch.Generator().manual_seed(0)
    return torch.randn(1, inputs.channels, height, width, generator=generator)


def _show(console: Console, matches: Matches, models: dict[str, Model], examples: dict[str, Tensor]) -> None:
    for role, model in models.items():
        say(console, f"{role}: {model.name}, reading {told_shape(tuple(examples[role].shape[1:]))}")
    table = _table(COLUMNS)
    for place, pair in _numbered(matches):
        _add(table, [place], *_sides(pair), [pair.bridge, pair.why])
    console.print(table)
    if matches.missing:
        say(console, f"{matches.missing} has no feature maps: losses of maps need two layers named by hand.")


def _numbered(matches: Matches) -> list[tuple[str, Pair]]:
    rows = [("logits", matches.logits), ("embedding", matches.embedding)]
    for number, pair in enumerate(matches.every_map, start=1):
        also = [
            name
            for name, other in (("middle", matches.middle_map), ("last", matches.last_map))
            if other is pair
        ]
        rows.append((f"map {number}" + (f"\n{' and '.join(also)}" if also else ""), pair))
    return rows


def _sides(pair: Pair) -> tuple[list[str], list[str]]:
    return [pair.student, told_shape(pair.student_shape)], [pair.teacher, told_shape(pair.teacher_shape)]


def _show_every_layer(console: Console, role: str, model: Model, example: Tensor) -> None:
    say(console, f"Every layer of the {role} {model.name} that can be tapped:")
    table = _table(("layer", "kind", "gives"))
    for call in sorted(probe(model.module, example).calls, key=lambda each: each.began):
        for given in call.gave if call.path else []:
            _add(table, [given.tap], [type(call.module).__name__], [told_shape(given.shape[1:])])
    console.print(table)


def _table(columns: Sequence[str]) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(Text(column, style="bold"))
    return table


def _add(table: Table, *cells: list[str]) -> None:
    """Add a row whose cells' second lines are faint."""
    row = []
    for cell in cells:
        head, _, below = "\n".join(cell).partition("\n")
        row.append(Text(head).append(f"\n{below}" if below else "", style="dim"))
    table.add_row(*row)
