"""The page of all settings, made from the configuration's classes while the documentation is built."""

from typing import Any, get_args

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from limbeck.recipes.config import DistillConfig, TrainConfig
from limbeck.recipes.knowledge import Knowledge, Taught
from limbeck.recipes.schemes import SchemeRecipe
from limbeck.train.plan import Plan

PAGE = "reference/settings.md"
HEAD = """# settings

Everything a YAML file, `--set GROUP.NAME=VALUE` or a keyword argument of `limbeck.distill` and `limbeck.recipes.train`
can say. [Write a run down](../howto/configuration.md) says how they are given; the most used ones have flags of their
own.
"""
GROUPS: tuple[tuple[str, type[BaseModel]], ...] = (
    ("`limbeck distill`", DistillConfig),
    ("`kd`: what is taught", Knowledge),
    ("`kd.also`: further losses, each with", Taught),
    ("`train` and `teacher_train`: how", Plan),
    ("`limbeck train`", TrainConfig),
)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the page."""
    files.append(File.generated(config, PAGE, content=page()))
    return files


def page() -> str:
    """Return one table for each group of settings."""
    lines = [HEAD]
    for title, group in GROUPS:
        lines += [f"## {title}", "", "| setting | default | |", "|---|---|---|"]
        lines += [row(name, field) for name, field in group.model_fields.items()]
        lines.append("")
    return "\n".join(lines)


def row(name: str, field: Any) -> str:
    """Return a setting's line: its name, its default, and what it does."""
    told = " ".join((field.description or "").split())
    choices = [each for each in get_args(field.annotation) if isinstance(each, str)]
    if choices:
        told += f" One of {', '.join(f'`{each}`' for each in choices)}."
    return f"| `{name}` | {default(field)} | {told.replace('|', '&#124;')} |"


def default(field: Any) -> str:
    """Return a default as a file would state it."""
    if field.default_factory is not None:
        made = field.default_factory()
        if isinstance(made, SchemeRecipe):
            return f"[`{made.name}`](../schemes/index.md)"
        return "see below" if isinstance(made, BaseModel) else f"`{made}`"
    if field.default is PydanticUndefined:
        return "must be given"
    if field.default is None:
        return ""
    return f"`{str(field.default).lower() if isinstance(field.default, bool) else field.default}`"
