"""Texts of errors that are equal on every machine, so that histories with them are reproducible."""

from __future__ import annotations

import re
from typing import Final

_ADDRESS: Final = re.compile(r" at 0x[0-9a-fA-F]+")
_ROOT: Final = r"(?:[A-Za-z]:)?[/\\]"
_QUOTED: Final = re.compile(rf"(?<=['\"]){_ROOT}(?:[^/\\'\"]+[/\\])*(?=[^/\\'\"]+['\"])")
_PLAIN: Final = re.compile(rf"(?<![\w.'\"]){_ROOT}(?:[^/\\\s'\"]+[/\\])+")


def reproducible(text: str) -> str:
    """The text of an error without memory addresses, and with absolute paths reduced to the name of the file."""
    if " at 0x" in text:
        text = _ADDRESS.sub("", text)
    if "/" in text or "\\" in text:
        text = _PLAIN.sub("", _QUOTED.sub("", text))
    return text
