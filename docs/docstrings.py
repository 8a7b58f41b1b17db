"""Lets the reference show docstrings as our sources write them."""

import re
from typing import Any

import griffe

SECTION = re.compile(r"^Example:$", flags=re.MULTILINE)
ROLE = re.compile(r":(?:attr|class|func|meth|mod):(?=`)")


class Docstrings(griffe.Extension):
    """Read "Example:" as the section that the parser calls "Examples:", and a role as plain code."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Change the docstring of one object."""
        if obj.docstring:
            obj.docstring.value = ROLE.sub("", SECTION.sub("Examples:", obj.docstring.value))
