"""`fit`: a scenario from a task log of a production system."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sim.cli.errors import BadInput
from sim.cli.options import parameters
from sim.cli.options.parameter_types import Count, Duration, typed_option
from sim.cli.output.console import console
from sim.cli.output.files import (
    STDOUT,
    check_apart,
    check_picture,
    check_writable,
    draw,
    write_json,
    write_text,
    written,
)

if TYPE_CHECKING:
    from sim.experiments.fitting.logs.task_log import TaskLog
    from sim.experiments.fitting.result import Fit

LOGS = (".csv", ".parquet")


def _column(what: str) -> object:
    return typer.Option(metavar="COLUMN", help=f"Column of {what}.")


def fit(
    log: Annotated[
        str,
        typer.Argument(metavar="LOG", help="A task log: CSV, Parquet, or the JSON of an export; a row is an attempt."),
    ],
    submitted: Annotated[str | None, _column("when a task was submitted")] = None,
    started: Annotated[str | None, _column("when an attempt started")] = None,
    ended: Annotated[str | None, _column("when it ended; empty: it still runs")] = None,
    duration: Annotated[str | None, _column("how long it took, in place of started or ended")] = None,
    status: Annotated[str | None, _column("how it ended")] = None,
    agent: Annotated[str | None, _column("the worker that ran it")] = None,
    error: Annotated[str | None, _column("why it failed")] = None,
    attempt: Annotated[str | None, _column("its number")] = None,
    task: Annotated[str | None, _column("the name of its task")] = None,
    pool: Annotated[str | None, _column("the resource that it held")] = None,
    units: Annotated[str | None, _column("how many units of it")] = None,
    kind: Annotated[str | None, _column("the kind of its task, or a field of an export; none: one kind")] = None,
    format_: Annotated[
        str,
        typer.Option("--format", metavar="NAME", help="auto, plain, airflow, celery, history, otel or temporal."),
    ] = "auto",
    span: Annotated[str | None, typer.Option(metavar="NAME", help="For otel: the spans that are attempts.")] = None,
    zone: Annotated[str, typer.Option(metavar="NAME", help="Time zone of times without one.")] = "UTC",
    word: Annotated[
        list[str] | None,
        typer.Option(metavar="WORD=MEANING", help="What a word of the status means: DONE=success. May be repeated."),
    ] = None,
    arrivals: Annotated[
        str, typer.Option(metavar="FORM", help="auto, poisson, diurnal, interval, or trace: the recorded times.")
    ] = "auto",
    work: Annotated[
        str, typer.Option(metavar="FORM", help="auto, a distribution by name, or empirical: the recorded durations.")
    ] = "auto",
    detection_time: Annotated[
        float | None,
        typed_option(Duration("--detection-time"), "How long it takes until a crash is noticed, if you know it."),
    ] = None,
    skip: Annotated[int, typed_option(Count("--skip", 0, "rows"), "Wrong rows to leave out at most.")] = 0,
    tolerance: Annotated[
        float,
        typed_option(Duration("--tolerance"), "How far times of a row may go backwards, as clocks differ: 50ms."),
    ] = 0.0,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Name of the scenario; that of --out, or the log's.")
    ] = None,
    out: Annotated[
        str | None,
        typer.Option(metavar="FILE.scenario.yaml", help="The scenario; CSV files that it needs are put beside."),
    ] = None,
    plot: Annotated[
        str | None, typer.Option(metavar="FILE.png", help="A picture (.png, .svg, .pdf) of work and arrivals.")
    ] = None,
    task_log: Annotated[
        str | None, typer.Option(metavar="FILE.csv|parquet", help="The log as it was read, in plain columns.")
    ] = None,
    json: parameters.Json = None,
    quiet: parameters.Quiet = False,
    no_color: parameters.NoColor = False,
) -> None:
    """Fit a scenario to a task log of production: arrivals, work, failures, retries, agents, crashes and restarts.

    Columns of usual names are found by themselves, and exports of Celery, Temporal, Airflow and OpenTelemetry are
    recognized, and so are the histories that run --history writes. What the log does not show is listed at the end of
    the scenario.
    """
    from sim.experiments.fitting.fit import fit as fit_log
    from sim.experiments.fitting.logs.errors import FitError
    from sim.experiments.fitting.result import SUFFIX
    from sim.experiments.fitting.scenario_text import name_of

    check_writable("--out", out)
    check_writable("--json", json)
    check_picture("--plot", plot)
    check_writable("--task-log", task_log)
    check_apart({"LOG": log, "--out": out, "--json": json, "--plot": plot, "--task-log": task_log})
    if task_log is not None and Path(task_log).suffix.lower() not in LOGS:
        raise BadInput(f"--task-log {task_log}: not a format of logs; valid: a file that ends in {', '.join(LOGS)}")
    read: list[TaskLog] = []
    if out == STDOUT and json == STDOUT:
        raise BadInput("--out -, --json -: both are stdout; valid: one of them")
    if name is not None and name_of(name) != name:
        raise BadInput(f"--name {name}: is not a name; valid: letters, digits, - and _, as in {name_of(name)}")
    columns = {
        "submitted": submitted,
        "started": started,
        "ended": ended,
        "duration": duration,
        "status": status,
        "agent": agent,
        "error": error,
        "attempt": attempt,
        "task": task,
        "pool": pool,
        "units": units,
        "kind": kind,
    }
    of_out = None if out in (None, STDOUT) else name_of(Path(str(out)).name.removesuffix(SUFFIX).split(".")[0])
    try:
        found = fit_log(
            log,
            columns={meaning: column for meaning, column in columns.items() if column is not None},
            format=format_,
            zone=zone,
            words=_words(word),
            arrivals=arrivals,
            work=work,
            detection_time=detection_time,
            skip=skip,
            tolerance=tolerance,
            spans=span,
            name=name or of_out,
            on_log=None if task_log is None else read.append,
        )
    except FitError as problem:
        raise BadInput(str(problem)) from None
    if task_log is not None:
        _write_log(read[0], task_log)
    _write(found, log, out, plot, json)
    if not quiet and STDOUT not in (out, json):
        _tell(found, out, plot, no_color)


def _write_log(log: TaskLog, file: str) -> None:
    frame = log.frame()
    with written(file) as path:
        if Path(file).suffix.lower() == LOGS[0]:
            frame.to_csv(path, index=False)
        else:
            frame.to_parquet(path, index=False)


def _words(given: list[str] | None) -> dict[str, str]:
    words = {}
    for each in given or ():
        word, sign, meaning = each.rpartition("=")
        if not sign or not word:
            raise BadInput(f"--word {each}: is no word with a meaning; valid: WORD=MEANING, as in DONE=success")
        words[word] = meaning
    return words


def _write(found: Fit, log: str, out: str | None, plot: str | None, json: str | None) -> None:
    """The CSV files first, so that a scenario is never without them."""
    if out == STDOUT and found.files:
        raise BadInput(f"--out -: the scenario uses {', '.join(found.files)}; valid: --out FILE.scenario.yaml")
    if out is not None:
        folder = Path(out).parent
        check_apart({"LOG": log, **{name: str(folder / name) for name in found.files}, "--json": json, "--plot": plot})
        for name, text in found.files.items():
            with written(str(folder / name)) as path:
                path.write_text(text, encoding="utf-8")
        write_text(out, found.text)
    if plot is not None:
        draw(found.plot.figure(), plot)
    if json is not None:
        write_json(json, found.as_json())


def _tell(found: Fit, out: str | None, plot: str | None, no_color: bool) -> None:
    from sim.presentation.formatting import signs
    from sim.reports.fitting import fitting

    shown = console(no_color)
    shown.print(fitting(found, signs(shown.encoding)))
    shown.print()
    if out is None:
        shown.print("nothing is written; --out FILE.scenario.yaml writes the scenario", soft_wrap=True)
    else:
        files = ", ".join([out, *(str(Path(out).parent / name) for name in found.files)])
        shown.print(f"scenario: {files}", soft_wrap=True)
        shown.print(f"run it: recovery-bench run {out}", soft_wrap=True)
    if plot is not None:
        shown.print(f"picture: {plot}", soft_wrap=True)
