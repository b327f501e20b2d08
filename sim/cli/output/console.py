"""Where commands write: tables to stdout, progress to stderr and only to a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress


def console(no_color: bool = False, *, stderr: bool = False) -> Console:
    """A console for people. Off a terminal it is 80 columns wide and has no colors."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    return Console(file=stream, color_system=None if no_color else "auto", highlight=False, emoji=False, markup=False)


def say(line: str) -> None:
    """One line to stderr, never wrapped, whatever names are in it."""
    sys.stderr.write(visible(line) + "\n")


def visible(text: str) -> str:
    """A text of somebody's on one line, with line ends and whatever else is for terminals written out."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


@contextmanager
def progress(no_color: bool, quiet: bool, on: Console | None = None) -> Iterator[Progress]:
    """A progress bar that goes away, on stderr or `on` another console; on anything but a terminal there is none."""
    from rich.progress import Progress

    from sim.cli.output.progress_bar import SECONDS, columns

    where = console(no_color, stderr=True) if on is None else on
    silent = quiet or not where.is_terminal
    with Progress(*columns(), console=where, transient=True, disable=silent, speed_estimate_period=SECONDS) as bar:
        yield bar
