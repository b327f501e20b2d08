"""`demo`: the four documented failures, end to end, with a table and a picture."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sim.cli.options import parameters
from sim.cli.output.console import console, progress, say
from sim.cli.output.files import STDOUT, check_apart, check_picture, check_writable, draw, write_json

if TYPE_CHECKING:
    from sim.experiments.runs.replications import Result

DOCUMENTED = ("execution-failure", "resource-failure", "agent-failure", "communication-failure")
TITLE = "Four documented failures, and how the recovery core answers them"


def demo(
    out: Annotated[
        str, typer.Option(metavar="FILE.png", help="The picture: .png, .svg or .pdf.")
    ] = "recovery-bench-demo.png",
    seed: parameters.AnySeed = None,
    json: parameters.Json = None,
    quiet: parameters.Quiet = False,
    no_color: parameters.NoColor = False,
) -> int:
    """Run the four documented failures, print how the core recovered from each, and draw them."""
    check_picture("--out", out)
    check_writable("--json", json)
    check_apart({"--json": json, "--out": out})

    import scenarios
    from sim.experiments.runs.replications import Result
    from sim.experiments.runs.summary import RunSummary
    from sim.reports.timeline import timelines
    from sim.simulation import run

    runs = []
    with progress(no_color, quiet) as bar:
        task = bar.add_task("simulating", total=len(DOCUMENTED) + 1)
        for name in DOCUMENTED:
            bar.update(task, description=name)
            runs.append(run(scenarios.load(name), seed))
            bar.advance(task)
        bar.update(task, description="drawing")
        seeds = ", ".join(dict.fromkeys(found.seed.removesuffix("/0") for found in runs))
        subtitle = f"Excerpts around the first fault of one virtual hour each; seed {seeds}"
        draw(timelines([found.record for found in runs], TITLE, subtitle), out)
        bar.advance(task)
    results = [Result(found.scenario, found.seed.partition("/")[0], (RunSummary.of(found),)) for found in runs]
    _report(results, Path(out), quiet or json == STDOUT, no_color)
    if json is not None:
        write_json(json, [result.as_json() for result in results])
    return 0 if all(result.holds for result in results) else 1


def _report(results: list[Result], picture: Path, quiet: bool, no_color: bool) -> None:
    from sim.presentation.formatting import count, duration, signs
    from sim.reports.demo import side_by_side
    from sim.reports.failures.replay import Replay
    from sim.reports.table import failures

    if not quiet:
        out = console(no_color)
        virtual = duration(results[0].runs[0].virtual_seconds)
        events = sum(run.events for result in results for run in result.runs)
        took = sum(run.wall_seconds for result in results for run in result.runs)
        out.print(
            f"{count(len(results), 'failure')}, {virtual} of virtual time each: {events:,} events in {took:.1f} s\n"
        )
        out.print(side_by_side(results, signs(out.encoding)))
        out.print(f"\npicture: {picture}\nlook closer: recovery-bench run agent-failure", soft_wrap=True)
    for result in results:
        for line in failures(result, Replay(result.scenario.name), signs(sys.stderr.encoding)):
            say(line)
