"""Lets the reference show docstrings as our sources write them."""

import re
from typing import Any

import griffe

SECTION = re.compile(r"^Example:$", flags=re.MULTILINE)
BLOCK = re.compile(r"::$", flags=re.MULTILINE)
ROLE = re.compile(r":(?:attr|class|func|meth|mod):(?=`)")


class Docstrings(griffe.Extension):
    """Read "Example:" as the section that the parser calls "Examples:", a role as plain code, and "::" as a colon."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Change the docstring of one object."""
        if obj.docstring:
            text = SECTION.sub("Examples:", obj.docstring.value)
            obj.docstring.value = BLOCK.sub(":", ROLE.sub("", text))
