"""One page for each loss and a table of all, made from their classes while the documentation is built."""

import inspect
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from limbeck import losses
from limbeck.recipes.knowledge import LOSSES
from limbeck.recipes.losses import needs, row

FOLDER = "losses"
KINDS = {"response": "Responses", "feature": "Features", "relation": "Relations"}
TITLES = {
    "response": "what the teacher answers",
    "feature": "what its layers hold",
    "relation": "how it sees samples, or channels, beside one another",
}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the pages into the navigation, before the reference."""
    pages: list[Any] = [f"{FOLDER}/index.md"]
    for kind, title in KINDS.items():
        pages.append({title: [{name: f"{FOLDER}/{name}.md"} for name in named(kind)]})
    assert config.nav is not None
    at = next(number for number, entry in enumerate(config.nav) if "Reference" in entry)
    config.nav.insert(at, {"What can be taught": pages})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages."""
    files.append(File.generated(config, f"{FOLDER}/index.md", content=index()))
    for name in LOSSES:
        files.append(File.generated(config, f"{FOLDER}/{name}.md", content=page(name)))
    return files


def named(kind: str) -> list[str]:
    """Return the losses of a kind."""
    return [name for name in LOSSES if getattr(losses, name).kind == kind]


def index() -> str:
    """Return the table of all losses."""
    lines = [
        "# What can be taught",
        "",
        "Every loss works three ways: as a plain module on tensors, as a `Term` in a scheme, and by its name,",
        "`limbeck distill --loss NAME`. `limbeck losses` prints this table, `limbeck losses NAME` a page of it.",
        "[How to choose](../howto/choose-what-to-teach.md) says which to take, and the",
        "[table of all methods at one budget](../results.md) what they gave here.",
    ]
    for kind, title in KINDS.items():
        lines += [
            "",
            f"## {title}: {TITLES[kind]}",
            "",
            "| loss | idea | listens at, needs, paper |",
            "|---|---|---|",
        ]
        lines += [
            f"| [{name}]({name}.md) | {idea} | {facts} |" for name, idea, facts in map(row, named(kind))
        ]
    return "\n".join(lines) + "\n"


def page(name: str) -> str:
    """Return one loss's page: the facts, the command, its docstring."""
    kind = getattr(losses, name)
    hard, soft = kind.usual_weights
    stage = f" Its first stage takes {kind.first_stage:.0%} of the epochs." if kind.first_stage else ""
    data = "sklearn:diabetes" if kind.task == "regression" else "folder:photos"
    return "\n".join(
        [
            f"# {name}",
            "",
            f"{kind.kind.capitalize()}-based knowledge, between: {kind.place}. Needs: {needs(name) or 'nothing more'}.",
            f"Usual weights: {hard:g} for the labels, {soft:g} for this loss.{stage}",
            "",
            f"Paper: {kind.paper}. Source: `{inspect.getmodule(kind).__name__.replace('.', '/')}.py`.",
            "",
            "```console",
            f"$ limbeck distill --loss {name} --teacher … --student … --data {data} --out runs/new",
            "```",
            "",
            f"::: limbeck.losses.{name}",
            "    options:",
            "      show_root_heading: false",
            "      show_root_toc_entry: false",
            "      members: false",
            "      show_bases: false",
            "",
        ]
    )
