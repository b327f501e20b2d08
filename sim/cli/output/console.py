"""Terminal output: tables on stdout, progress on stderr and only on a terminal."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

_LONG_WORD = re.compile(r"(\S{200})\S+?(?=[:;,]?(?!\S))")

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress


def console(no_color: bool = False, *, stderr: bool = False) -> Console:
    """A console for people, on which texts cannot change the terminal. Not on a terminal: 80 columns, no colors."""
    from sim.presentation.visible_console import VisibleConsole

    stream = sys.stderr if stderr else sys.stdout
    return VisibleConsole(
        file=stream, color_system=None if no_color else "auto", highlight=False, emoji=False, markup=False
    )


def say(line: str) -> None:
    """Print one line to stderr, without wrapping or markup. Words of more than 200 characters are shortened."""
    sys.stderr.write(_LONG_WORD.sub(r"\1…", visible(line)) + "\n")


def visible(text: str) -> str:
    """A text of another person on one line; line ends and control characters are escaped."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


@contextmanager
def progress(no_color: bool, quiet: bool, on: Console | None = None) -> Iterator[Progress]:
    """A temporary progress bar on stderr or `on` another console; none when not on a terminal."""
    from rich.progress import Progress

    from sim.presentation.progress_bar import SECONDS, columns

    where = console(no_color, stderr=True) if on is None else on
    silent = quiet or not where.is_terminal
    with Progress(*columns(), console=where, transient=True, disable=silent, speed_estimate_period=SECONDS) as bar:
        yield bar
