"""`report`: stored results as one HTML page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sim.cli.errors import BadInput
from sim.cli.options import parameters
from sim.cli.output.console import console, say
from sim.cli.output.files import STDOUT, check_writable, write_text

if TYPE_CHECKING:
    import pandas as pd

    from sim.reports.page.render import Part
    from sim.reports.stored.reading import Stored
    from sim.reports.stored.shown_run import ShownRun
    from sim.reports.stored.window import Window

Seed = Annotated[
    str | None,
    typer.Option(metavar="N/R", help="The replication that is shown; left out: the first that is not as expected."),
]
History = Annotated[
    str | None,
    typer.Option(metavar="FILE.parquet", help="Histories that run --history kept; RESULT.parquet is found by itself."),
]
WindowText = Annotated[str | None, typer.Option("--window", metavar="BEGIN..END", help="A part of the run: 10m..20m.")]
Repeat = Annotated[
    bool, typer.Option("--repeat", help="Also repeat runs of another version, and those that keep no history.")
]


def report(
    result: Annotated[
        list[str], typer.Argument(metavar="RESULT", help="Files of .save() or --json, or folders of sweeps.")
    ],
    html: Annotated[str, typer.Option(metavar="FILE", help="The page; - is stdout.")],
    seed: Seed = None,
    history: History = None,
    window: WindowText = None,
    repeat: Repeat = False,
    quiet: parameters.Quiet = False,
    no_color: parameters.NoColor = False,
) -> int:
    """Write stored results as one HTML page, which loads nothing from the network.

    A result without its history is shown with the run repeated, which takes as long as the run took.
    """
    from sim.reports.page.render import page
    from sim.reports.stored.window import window_of

    check_page("--html", html)
    asked = None if window is None else window_of(window)
    several = [stored for file in result for stored in _read(file)]
    parts = [_part(stored, seed, history, asked, repeat=repeat) for stored in several]
    write_text(html, page(parts, asked))
    if not quiet and html != STDOUT:
        console(no_color).print(f"page: {Path(html)}", soft_wrap=True, markup=False)
    return 0


def check_page(option: str, file: str | None) -> None:
    """Raise BadInput for a page that cannot be written."""
    check_writable(option, file)


def _read(file: str) -> list[Stored]:
    from sim.reports.stored.reading import read_stored

    return read_stored(file)


def _part(stored: Stored, seed: str | None, history: str | None, window: Window | None, *, repeat: bool) -> Part:
    from sim.presentation.visible_text import visible
    from sim.reports.page.render import Part
    from sim.reports.stored.shapes import ResultShape
    from sim.reports.stored.shown_run import shown_run
    from sim.reports.stored.window import check_window

    if not isinstance(stored.data, ResultShape):
        return Part(stored)
    kept = kept_rows(history, stored.file)
    shown = shown_run(stored, seed, kept, repeat=repeat)
    check_window(window, max(run.virtual_seconds for run in stored.data.runs))
    if shown.note:
        say(f"{visible(stored.file)}: {_told(shown)}")
    return Part(stored, shown)


def _told(shown: ShownRun) -> str:
    if shown.history is not None:
        return shown.note
    repeated = "; with --repeat, the run is repeated" if shown.can_repeat else ""
    return f"no timeline and no recoveries: {shown.note}{repeated}"


def kept_rows(history: str | None, result: str) -> pd.DataFrame | None:
    """The rows of the histories of an option, or of the file beside a result. Raises BadInput."""
    from sim.cli.output.history_file import read_histories

    if history is not None:
        return read_histories(history)
    beside = Path(result).with_suffix(".parquet")
    if not Path(result).is_file() or not beside.is_file():
        return None
    try:
        return read_histories(str(beside))
    except BadInput:  # another file of this name
        return None
