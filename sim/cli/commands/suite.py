"""`suite`: runs the scenario files of folders for a pipeline, and judges them against a baseline."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sim.cli.errors import BadInput
from sim.cli.interrupts import INTERRUPTED, check
from sim.cli.options import backends, parameters
from sim.cli.options.cost import check_cost
from sim.cli.options.parameter_types import Count, typed_option
from sim.cli.output.console import console, progress, say
from sim.cli.output.files import STDOUT, check_apart, check_writable, write_json, write_text
from sim.cli.output.page_file import check_page, write_page

if TYPE_CHECKING:
    from sim.baselines import ScenarioBaseline
    from sim.experiments.runs.backends import Backend
    from sim.suites.files import Entry
    from sim.suites.suite import Planned, Suite

BAD_INPUT = 2
FIRST = 20
"""Replications of a scenario in a new baseline."""


def suite(
    path: Annotated[list[str], typer.Argument(metavar="PATH", help="Scenario files, or folders with such files.")],
    baseline: Annotated[
        str | None,
        typer.Option(metavar="FILE.json", help="Judge the metrics against this baseline, on the same replications."),
    ] = None,
    update_baseline: Annotated[
        bool, typer.Option("--update-baseline", help="Write the --baseline in place of judging against it.")
    ] = False,
    tolerances: Annotated[
        str | None,
        typer.Option(metavar="FILE.yaml", help="Tolerances of metrics, for scenarios without one of their own."),
    ] = None,
    set_: parameters.Set = None,
    seed: parameters.WholeSeed = None,
    replications: Annotated[
        int | None,
        typed_option(
            Count("--replications"),
            "Replications of each scenario: one if left out, 20 for a new baseline, and later as many as it has.",
        ),
    ] = None,
    junit: Annotated[str | None, typer.Option(metavar="FILE.xml", help="Write the results as JUnit XML.")] = None,
    markdown: Annotated[str | None, typer.Option(metavar="FILE.md", help="Write a summary as Markdown.")] = None,
    html: Annotated[
        str | None,
        typer.Option(metavar="FILE.html", help="Write the results as one page, which the Markdown summary links."),
    ] = None,
    trend: Annotated[
        str | None,
        typer.Option(
            metavar="DIR", help="Add a row for this commit to the history of each scenario, for Apache Otava."
        ),
    ] = None,
    benchmark_json: Annotated[
        str | None,
        typer.Option(metavar="FILE.json", help="Write the durations in the format of pytest-benchmark."),
    ] = None,
    jobs: parameters.Jobs = 1,
    backend: backends.Name = backends.HERE,
    scheduler: backends.Scheduler = None,
    json: parameters.Json = None,
    force: Annotated[
        bool, typer.Option("--force", help="Write a baseline also where something fails, and run costly scenarios.")
    ] = False,
    quiet: parameters.Quiet = False,
    no_color: parameters.NoColor = False,
) -> int:
    """Run all scenario files of folders, and check their expectations and, with --baseline, their metrics.

    In a job of GitHub Actions, also write the job's summary, and annotate the files.

    Exit status 1 when an expectation or invariant does not hold or a metric is worse than its baseline, 2 when a file
    is not valid; the others are run.
    """
    _check(baseline, update_baseline, replications)
    reports = Reports(junit, markdown, html, json, trend, benchmark_json, quiet, no_color)
    reports.check(baseline if update_baseline else None)
    where = backends.backend_asked(backend, jobs, scheduler)
    changes = parameters.changes(set_)
    before = _read(baseline, update=update_baseline, force=force)
    entries = _entries(path, changes)
    planned = [
        _plan(entry, before.get(entry.name), seed, replications, update=update_baseline, force=force, first=baseline)
        for entry in entries
    ]
    found = _run(
        planned, where, tolerances, before, judging=baseline is not None and not update_baseline, reports=reports
    )
    reports.write(found, changes)
    status = _status(found)
    if update_baseline and baseline is not None:
        _update(found, baseline, before, force=force)
    return status


def _check(baseline: str | None, update: bool, replications: int | None) -> None:
    """Raise BadInput for options that contradict each other."""
    if update and baseline is None:
        raise BadInput("--update-baseline: has no file; valid: with --baseline FILE.json")
    if baseline == STDOUT:
        raise BadInput("--baseline -: is a file; valid: --baseline FILE.json")
    if baseline is not None and not update and replications is not None:
        raise BadInput(
            f"--replications {replications}: a baseline says how many there are; valid: leave it out, or with "
            "--update-baseline"
        )


def _read(file: str | None, *, update: bool, force: bool) -> dict[str, ScenarioBaseline]:
    """The baselines of a file; empty without one, and for one that will be written for the first time."""
    from sim.baselines import BaselineError, read_baselines

    if file is None or (update and not Path(file).exists()):
        return {}
    try:
        return read_baselines(file)
    except BaselineError as error:
        if not update:
            raise BadInput(f"--baseline {error}") from None
        if not force:
            raise BadInput(f"--baseline {error}, or --force, which replaces it") from None
        return {}


def _entries(paths: Sequence[str], changes: Mapping[str, str]) -> list[Entry]:
    from sim.suites.files import NoScenarios, entries

    try:
        return entries(paths, changes)
    except NoScenarios as error:
        raise BadInput(str(error)) from None


def _plan(
    entry: Entry,
    before: ScenarioBaseline | None,
    seed: int | None,
    replications: int | None,
    *,
    update: bool,
    force: bool,
    first: str | None,
) -> Planned:
    """The replications of a scenario: those of its baseline, unless others are asked for."""
    from sim.suites.suite import Planned

    if entry.scenario is None:
        return Planned(entry, 0, 0)
    known = 1 if first is None or not update else FIRST
    own = before.seed if before is not None else entry.scenario.seed
    many = replications or (before.replications if before is not None else known)
    try:
        check_cost(entry.scenario, many, force=force)
    except BadInput as error:
        return Planned(entry.refused(str(error).removeprefix(f"{entry.name}: ")), 0, 0)
    return Planned(entry, own if seed is None else seed, many, None if update else before)


def _run(
    planned: list[Planned],
    where: Backend,
    tolerances: str | None,
    before: Mapping[str, ScenarioBaseline],
    *,
    judging: bool,
    reports: Reports,
) -> Suite:
    from sim.baselines import read_tolerances
    from sim.suites.suite import run_suite

    given = {} if tolerances is None else read_tolerances(tolerances)
    names = {plan.entry.name for plan in planned}
    absent = [name for name in before if name not in names] if judging else []
    with progress(reports.no_color, reports.quiet) as bar:
        task = bar.add_task("suite", total=sum(plan.replications for plan in planned))

        def advance(_: object) -> None:
            bar.advance(task)
            check()

        with backends.failures(where):
            return run_suite(
                planned,
                where,
                tolerances=given,
                scenarios=len(before),
                absent=absent,
                is_judged=judging,
                on_run=advance,
                on_lost=backends.lost,
            )


def _status(found: Suite) -> int:
    from sim.suites.suite import Status

    if found.interrupted:
        return INTERRUPTED
    if found.of(Status.INVALID):
        return BAD_INPUT
    return 0 if found.holds else 1


def _update(found: Suite, file: str, before: Mapping[str, ScenarioBaseline], *, force: bool) -> None:
    """Write the baseline, with the scenarios of the file that are not in the suite. Says if it is not written."""
    from sim.baselines import BaselineError, baseline_of, write_baselines

    if found.interrupted:
        say(f"--update-baseline: {file} is not written: interrupted")
        return
    if not found.holds and not force:
        say(f"--update-baseline: {file} is not written: the suite fails; valid: with --force")
        return
    now = {case.entry.name: baseline_of(case.result) for case in found.cases if case.result is not None}
    kept = [name for name in before if name not in now]
    if kept:
        say(f"--update-baseline: kept as it was, not run: {', '.join(kept)}")
    try:
        write_baselines({**before, **now}, file)
    except BaselineError as error:
        raise BadInput(f"--baseline {error}") from None


@dataclass(frozen=True)
class Reports:
    """The outputs of a suite: files, the terminal, and what GitHub Actions reads."""

    junit: str | None
    markdown: str | None
    html: str | None
    json: str | None
    trend: str | None
    benchmark_json: str | None
    quiet: bool
    no_color: bool

    def check(self, baseline: str | None) -> None:
        """Raise BadInput for a file that cannot be written."""
        files = {
            "--junit": self.junit,
            "--markdown": self.markdown,
            "--html": self.html,
            "--json": self.json,
            "--benchmark-json": self.benchmark_json,
            "--baseline": baseline,
        }
        if self.trend is not None and Path(self.trend).exists() and not Path(self.trend).is_dir():
            raise BadInput(f"--trend {self.trend}: is a file; valid: the name of a folder")
        for option, file in files.items():
            check_writable(option, file)
        check_page(self.html)
        check_apart(files)

    @property
    def is_silent(self) -> bool:
        """Whether stdout is for a file, or nothing but what does not hold is wanted."""
        return self.quiet or STDOUT in (self.json, self.junit, self.markdown, self.benchmark_json)

    def write(self, found: Suite, changes: Mapping[str, str]) -> None:
        """Write all outputs."""
        from sim.presentation.formatting import signs
        from sim.suites.annotations import artifacts
        from sim.suites.junit import junit
        from sim.suites.lines import problems
        from sim.suites.markdown import markdown
        from sim.suites.plain import as_json
        from sim.suites.table import details, table

        if not self.is_silent:
            out = console(self.no_color)
            out.print(table(found))
            for text in details(found, changes, signs(out.encoding)):
                out.print(text, soft_wrap=True)
        else:
            for case in found.cases:
                for line in problems(case, changes, signs(sys.stderr.encoding)):
                    say(line)
        if self.junit is not None:
            write_text(self.junit, junit(found, changes))
        if self.html is not None:
            self._write_page(found, changes)
        if self.markdown is not None:
            write_text(self.markdown, markdown(found, changes, self._link(self.markdown), artifacts(os.environ)))
        if self.json is not None:
            write_json(self.json, as_json(found))
        self._add_to_history(found)
        if found.interrupted:
            finished = sum(case.result is not None and not case.result.interrupted for case in found.cases)
            say(f"interrupted; finished: {finished} of {len(found.cases)} scenarios")
        self._in_actions(found, changes)

    def _write_page(self, found: Suite, changes: Mapping[str, str]) -> None:
        """The page of the scenarios that were run, those that do not hold first."""
        from sim.reports.failures.replay import Replay

        assert self.html is not None
        results = [(case.result, Replay(case.entry.file, changes)) for case in found.cases if case.result is not None]
        if not results:
            say(f"--html: {self.html} is not written: no scenario was run")
            return
        write_page(self.html, sorted(results, key=lambda each: each[0].holds), only_failures=True)
        if not self.is_silent:
            console(self.no_color).print(f"page: {Path(self.html)}", soft_wrap=True, markup=False)

    def _link(self, file: str) -> str | None:
        """The page as a Markdown file links it; None without a page."""
        if self.html is None or not Path(self.html).exists():
            return None
        if file == STDOUT:
            return Path(self.html).as_posix()
        return Path(os.path.relpath(self.html, Path(file).parent)).as_posix()

    def _add_to_history(self, found: Suite) -> None:
        """The files for other tools, of scenarios whose runs are complete."""
        if self.trend is None and self.benchmark_json is None:
            return
        from sim.cli.output.commit import current_commit
        from sim.suites.trend import TrendError, append_trend, benchmark_json

        commit = current_commit()
        done = [case.result for case in found.cases if case.result is not None and not case.result.interrupted]
        if self.benchmark_json is not None:
            write_json(self.benchmark_json, benchmark_json(done, commit))
        if self.trend is not None:
            try:
                append_trend(self.trend, done, commit)
            except TrendError as error:
                raise BadInput(f"--trend {error}") from None

    def _in_actions(self, found: Suite, changes: Mapping[str, str]) -> None:
        """Annotations on stdout, or on stderr where stdout is a file, and the summary of the job."""
        from sim.suites.annotations import SUMMARY, annotated, artifacts, is_in_actions
        from sim.suites.markdown import markdown

        environment: Mapping[str, Any] = os.environ
        if not is_in_actions(environment):
            return
        stream = sys.stderr if STDOUT in (self.json, self.junit, self.markdown, self.benchmark_json) else sys.stdout
        for line in annotated(found, changes, environment.get("GITHUB_WORKSPACE", "")):
            stream.write(line + "\n")
        if summary := environment.get(SUMMARY):
            try:
                with Path(summary).open("a", encoding="utf-8") as file:
                    file.write(markdown(found, changes, self._link(STDOUT), artifacts(environment)))
            except OSError as error:
                raise BadInput(f"{SUMMARY} {summary}: cannot be written: {error.strerror or error}") from None
