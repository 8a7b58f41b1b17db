"""One page for each scheme and a table of all, made from their recipes while the documentation is built."""

import inspect
import re
from pathlib import Path
from typing import Any, get_args

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from limbeck import schemes
from limbeck.recipes.schemes import NAMES
from limbeck.recipes.schemes.base import SchemeRecipe
from limbeck.recipes.schemes.listing import told_in_full

FOLDER = "schemes"
GUIDE = Path(__file__).parent / "howto" / "choose-a-scheme.md"
FEWEST_TEACHERS = {1: "With a teacher", 2: "With several teachers", 0: "Without a teacher"}

MADE_OF = {
    "HintsThenDistillation": """Two trainings of one student, each by [Offline](Offline.md): first
[FitNets](../losses/FitNets.md), or another loss with a first stage, with `task_weight=None`, so that what lies behind
the guided layer does not move; then [KD](../losses/KD.md), or what `--also` names. `limbeck.train.fit_stages` trains
them one after another.""",
    "ShallowMimic": """[Offline](Offline.md) with [LogitRegression](../losses/LogitRegression.md) and no labels
(`task_weight=0`). What is special is the student.""",
    "BornAgain": """One [Offline](Offline.md) training after another, each with the last network as its `Frozen`
teacher. `scheme.ensemble` measures `Ensemble` of all generations.""",
    "Assistant": """One [Offline](Offline.md) training after another: teacher and first assistant, first assistant and
the next, last assistant and student. The assistants are trained once, with the run's first seed.""",
}
"""Schemes that are several trainings by another one."""

PARTS = {
    "DataDistillation": ("limbeck.teachers.Transformed",),
    "SeveralTeachers": ("limbeck.teachers.Ensemble",),
    "Merged": ("limbeck.teachers.Merged",),
    "Specialists": ("limbeck.teachers.Specialists", "limbeck.teachers.Dustbin"),
    "OmittedClasses": ("limbeck.evaluate.bias_shift",),
    "PrivateTeachers": (
        "limbeck.teachers.collect_votes",
        "limbeck.teachers.NoisyMax",
        "limbeck.teachers.Voted",
    ),
}
"""What defines a scheme that is a teacher, or a tool, in the place of another one's."""

STANDS_IN = "SemiSupervised"
"""The scheme in which DataDistillation's teacher teaches; for the others it is Offline."""


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the pages into the navigation, before the reference."""
    pages: list[Any] = [f"{FOLDER}/index.md"]
    for fewest, title in FEWEST_TEACHERS.items():
        pages.append({title: [{name: f"{FOLDER}/{name}.md"} for name in taking(fewest)]})
    assert config.nav is not None
    at = next(number for number, entry in enumerate(config.nav) if "Reference" in entry)
    config.nav.insert(at, {"Who teaches whom": pages})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages."""
    files.append(File.generated(config, f"{FOLDER}/index.md", content=index()))
    for name in NAMES:
        files.append(File.generated(config, f"{FOLDER}/{name}.md", content=page(name)))
    return files


def taking(fewest: int) -> list[str]:
    """Return the schemes that take so many teachers at least."""
    return [name for name, recipe in NAMES.items() if recipe.teachers[0] == fewest]


def index() -> str:
    """Return the table of all schemes."""
    lines = [
        "# Who teaches whom",
        "",
        "Each scheme is a name for `limbeck distill --scheme NAME`; `limbeck schemes` prints this table, `limbeck",
        "schemes NAME` a page of it. All run on one loop, give one report, and take any loss and any teacher where",
        "that makes sense. [Which scheme for my situation?](../howto/choose-a-scheme.md) answers with commands.",
    ]
    for fewest, title in FEWEST_TEACHERS.items():
        lines += ["", f"## {title}", "", "| scheme | when | paper |", "|---|---|---|"]
        lines += [
            f"| [{name}]({name}.md) | {NAMES[name].situation} | {NAMES[name].paper} |"
            for name in taking(fewest)
        ]
    return "\n".join(lines) + "\n"


def page(name: str) -> str:
    """Return one scheme's page: the facts, a command that runs, its settings, its definition."""
    recipe = NAMES[name]
    takes = next(line for line in told_in_full(name).splitlines() if line.startswith("Takes: "))
    told = inspect.getdoc(recipe) or ""
    lines = [
        f"# {name}",
        "",
        told,
        "",
        f"When: {recipe.situation}. {takes}",
        "",
        f"Paper: {recipe.paper}.",
        "",
    ]
    lines += [*command(name), "", *settings(recipe), *definition(name)]
    return "\n".join(lines) + "\n"


def command(name: str) -> list[str]:
    """Return the guide's first command with the scheme, which its tests run."""
    blocks = re.findall(
        r"^```console\n(.*?)^```$", GUIDE.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
    )
    given = [
        each.rstrip() for block in blocks for each in re.split(r"^(?=\$ )", block, flags=re.MULTILINE) if each
    ]
    marker = f"--scheme {name} " if name != "Offline" else "distill --teacher"
    found = next(each for each in given if marker in each)
    trained = ", and trains `runs/teacher`" if "runs/teacher" in found else ""
    told = (
        "On the embedded digits, in seconds; [the guide](../howto/choose-a-scheme.md) says why and when not"
    )
    return [f"{told}{trained}:", "", "```console", found, "```"]


def settings(recipe: type[SchemeRecipe]) -> list[str]:
    """Return the table of a scheme's settings."""
    fields = {name: field for name, field in recipe.model_fields.items() if name != "name"}
    if not fields:
        return []
    lines = ["## Settings", "", "`--set scheme.NAME=VALUE`, or in a file under `scheme`:", ""]
    lines += ["| setting | default | |", "|---|---|---|"]
    for name, field in fields.items():
        default = field.get_default(call_default_factory=True)
        told = " ".join((field.description or "").split()).replace("|", "&#124;")
        choices = [each for each in get_args(field.annotation) if isinstance(each, str)]
        told += f" One of {', '.join(f'`{each}`' for each in choices)}." if choices else ""
        lines.append(f"| `{name}` | {'' if default is None else f'`{default}`'} | {told} |")
    return [*lines, ""]


def definition(name: str) -> list[str]:
    """Return what the scheme is made of, and the docstrings that define it."""
    lines = ["## Definition", ""]
    if name in MADE_OF:
        return [*lines, MADE_OF[name]]
    if name in schemes.__all__:
        path = f"limbeck.schemes.{name}"
        return [*lines, f"`{path}`, for a loop of one's own too:", "", *docstring(path)]
    parts = PARTS[name]
    within = STANDS_IN if name == "DataDistillation" else "Offline"
    told = ", ".join(f"`{each}`" for each in parts)
    lines += [f"[{within}]({within}.md) with {told}.", ""]
    for each in parts:
        lines += [f"### {each.rpartition('.')[2]}", "", *docstring(each)]
    return lines


def docstring(path: str) -> list[str]:
    """Return what has mkdocstrings show one docstring and no more."""
    options = {
        "show_root_heading": "false",
        "show_root_toc_entry": "false",
        "members": "false",
        "show_bases": "false",
    }
    return [f"::: {path}", "    options:", *(f"      {key}: {value}" for key, value in options.items()), ""]
