"""Paths of source files as reports show them."""

from __future__ import annotations

import sys
from pathlib import Path


def source_path(file: str) -> str:
    """The path of a file from the current folder if it is in it, else from the folder that Python imports it from.

    Reports of an installed package are then the same on every machine. Other files have their full path.
    """
    path = Path(file)
    if path.is_relative_to(Path.cwd()):
        return str(path.relative_to(Path.cwd()))
    folders = [Path(each) for each in sys.path if each and path.is_relative_to(each)]
    return str(path.relative_to(max(folders, key=lambda each: len(each.parts)))) if folders else file
