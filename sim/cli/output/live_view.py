"""The view of `run --live`: a run in the terminal as its virtual time passes, and a recording of it.

The run is complete before it is shown, so that neither the wall clock nor an interrupt of the view can change it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sim.cli.errors import BadInput
from sim.cli.interrupts import check
from sim.cli.output.console import console, say
from sim.cli.output.files import STDOUT, check_writable, write_text

if TYPE_CHECKING:
    from rich.console import Console

    from sim.experiments.runs.replications import Result
    from sim.reports.live.frame import Frame
    from sim.reports.stored.window import Window
    from sim.simulation import Run

FRAMES_PER_SECOND = 12
WHOLE_VIEW = 60.0
"""Seconds of wall time that a view takes without --speed, if it is not in real time before."""
RECORDED = ".svg"


@dataclass(frozen=True)
class LiveView:
    """What the options ask for: a view in the terminal, its speed (None: a whole view in a minute), a recording."""

    in_terminal: bool
    speed: float | None
    record: str | None


def live_asked(live: bool, speed: float | None, record: str | None, *, quiet: bool) -> LiveView | None:
    """The view that the options ask for, or None. Raises BadInput for options that exclude each other."""
    if speed is not None and not live and record is None:
        raise BadInput("--speed: is the speed of --live; valid: with --live")
    if live and quiet:
        raise BadInput("--live, --quiet: one shows the run, the other nothing; valid: one of them")
    if record == STDOUT:
        raise BadInput("--record -: is a picture, which is kept in a file; valid: --record FILE.svg")
    if record is not None and Path(record).suffix.lower() != RECORDED:
        raise BadInput(f"--record {record}: not a recording format; valid: a file that ends in {RECORDED}")
    check_writable("--record", record)
    return LiveView(live, speed, record) if live or record is not None else None


def show_runs(
    view: LiveView | None,
    results: Sequence[Result],
    runs: Mapping[str, Run] | None,
    window: Window | None,
    *,
    no_color: bool,
) -> bool:
    """Show the first replication of each result in the terminal; False if an interrupt has ended the view.

    `runs` are those that were kept, by hash of their history; others are repeated.
    """
    if view is None or not view.in_terminal:
        return True
    screen = _terminal(no_color)
    if screen is None:
        say("--live: there is no terminal to show the run in; the results are the same without it")
        return True
    try:
        for result in results:
            play(_with_events(result, runs or {}), screen, window, view.speed)
    except KeyboardInterrupt:
        return False
    return True


def record_run(
    view: LiveView | None, results: Sequence[Result], runs: Mapping[str, Run] | None, window: Window | None
) -> None:
    """Record the first replication of the first result, if that is asked for. Raises BadInput."""
    if view is None or view.record is None or not results:
        return
    from sim.reports.live.recording import recording

    run = _with_events(results[0], runs or {})
    frames = list(_recorded(_frames(run, window, view.speed)))
    write_text(view.record, recording(frames, f"recovery-bench: {run.scenario.name}"))


def play(
    run: Run,
    screen: Console,
    window: Window | None = None,
    speed: float | None = None,
    *,
    clock: Callable[[], float] = time.monotonic,  # noqa: TID251 - the view follows the wall clock
    sleep: Callable[[float], None] = time.sleep,  # noqa: TID251 - as above
) -> None:
    """Show a run on a terminal until it has ended, at `speed` virtual seconds a second. The last frame stays."""
    from rich.live import Live

    frame = _frames(run, window, speed)
    first = frame(0.0)
    with Live(first, console=screen, auto_refresh=False, vertical_overflow="crop") as shown:
        began = clock()
        while True:
            at = frame((clock() - began) * first.speed)
            shown.update(at, refresh=True)
            check()
            if at.verdict is not None:
                break
            sleep(1 / FRAMES_PER_SECOND)
    screen.print()


def _frames(run: Run, window: Window | None, speed: float | None) -> Callable[[float], Frame]:
    """The frame so many virtual seconds after the begin; at the end of the run or window, with the verdict."""
    from sim.reports.live.frame import Frame, Verdict
    from sim.reports.live.moment import Replay

    replay = Replay(run.record)
    begin, end = (0.0, replay.end) if window is None else (window[0], min(window[1], replay.end))
    pace = speed if speed is not None else max(1.0, round((end - begin) / WHOLE_VIEW, 1))
    verdict = Verdict(run.expectations, len(run.violations), len(run.errors))

    def frame(passed: float) -> Frame:
        is_last = begin + passed >= end
        return Frame(replay, min(begin + passed, end), begin, end, pace, verdict if is_last else None)

    return frame


def _recorded(frame: Callable[[float], Frame]) -> Iterator[Frame]:
    """Frames from the begin to the end, equally far apart."""
    from sim.reports.live.recording import FRAMES

    first = frame(0.0)
    for number in range(FRAMES):
        yield frame((first.end - first.begin) * number / (FRAMES - 1))


def _terminal(no_color: bool) -> Console | None:
    """The terminal that shows progress: stderr, or else stdout."""
    for stderr in (True, False):
        found = console(no_color, stderr=stderr)
        if found.file.isatty() and found.is_terminal and not found.is_dumb_terminal:
            return found
    return None


def _with_events(result: Result, runs: Mapping[str, Run]) -> Run:
    """The first replication of a result with its events: as it was kept, or repeated."""
    from sim.simulation import run

    kept = runs.get(result.runs[0].history_sha256)
    if kept is not None and result.scenario.history == "full":
        return kept
    return run(result.scenario.with_values({"history": "full"}), result.runs[0].seed, force=True)
