"""`trace`: the history of a run as a file that Perfetto opens."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sim.cli.commands.report import History, Repeat, Seed, WindowText, kept_rows
from sim.cli.errors import BadInput
from sim.cli.options import parameters
from sim.cli.output.console import console, say
from sim.cli.output.files import STDOUT, check_writable, written

SUFFIXES = (".json", ".json.gz")


def trace(
    result: Annotated[str, typer.Argument(metavar="RESULT", help="A file of .save() or of run --json.")],
    out: Annotated[str, typer.Option(metavar="FILE.json.gz", help="The trace: .json, or .json.gz, compressed.")],
    seed: Seed = None,
    history: History = None,
    window: WindowText = None,
    repeat: Repeat = False,
    quiet: parameters.Quiet = False,
    no_color: parameters.NoColor = False,
) -> int:
    """Write the history of a run as a trace, which https://ui.perfetto.dev opens.

    Faults, core, recoveries, agents, queue, resources and network are tracks. Arrows lead from each fault to its
    detection, its recovery and the retry. A result without its history is repeated, which takes as long as its run.
    """
    from sim.reports.stored.reading import read_stored
    from sim.reports.stored.shapes import ResultShape
    from sim.reports.stored.shown_run import shown_run
    from sim.reports.stored.window import check_window, window_of
    from sim.reports.trace.history_trace import trace_of
    from sim.reports.trace.trace_file import write_trace

    if out == STDOUT or not out.endswith(SUFFIXES):
        raise BadInput(f"--out {out}: not the name of a trace; valid: FILE.json or FILE.json.gz")
    check_writable("--out", out)
    asked = None if window is None else window_of(window)
    runs = [each for each in read_stored(result) if isinstance(each.data, ResultShape)]
    if len(runs) != 1:
        has = "no result of runs" if not runs else f"the results of {len(runs)} scenarios"
        raise BadInput(f"{result}: has {has}; valid: one result of recovery-bench run, or a file of .save()")
    (stored,) = runs
    shown = shown_run(stored, seed, kept_rows(history, result), repeat=repeat)
    if shown.history is None:
        valid = "--repeat, which repeats the run" if shown.can_repeat else "a file that .save() of the run has written"
        raise BadInput(f"{result}: there is no history to trace: {shown.note}; valid: {valid}")
    if shown.note:
        say(f"{result}: {shown.note}")
    check_window(asked, float(shown.history.meta["end"]))
    found = trace_of(shown.history, asked)
    with written(out) as path:
        write_trace(found, path, compressed=out.endswith(".gz"))
    if not quiet:
        events = len(found["traceEvents"])
        console(no_color).print(f"trace of {shown.seed}, {events:,} events: {Path(out)}", soft_wrap=True, markup=False)
    return 0
