"""Annotations of GitHub Actions: a line for each problem, which GitHub shows beside the line of the scenario file."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

from sim.baselines import Verdict
from sim.reports.failures.replay import Replay
from sim.reports.table import NOT_OBSERVED, failures
from sim.suites.files import line_of
from sim.suites.lines import judged
from sim.suites.suite import Case, Suite

IN_ACTIONS = "GITHUB_ACTIONS"
SUMMARY = "GITHUB_STEP_SUMMARY"


def is_in_actions(environment: Mapping[str, str]) -> bool:
    """Whether a job of GitHub Actions is running."""
    return environment.get(IN_ACTIONS) == "true"


def artifacts(environment: Mapping[str, str]) -> str | None:
    """The address of the artifacts of the job that is running; None where no job is running."""
    parts = [environment.get(name) for name in ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")]
    if not is_in_actions(environment) or not all(parts):
        return None
    server, repository, run = parts
    return f"{server}/{repository}/actions/runs/{run}#artifacts"


def annotated(suite: Suite, changes: Mapping[str, str] | None = None, workspace: str = "") -> Iterator[str]:
    """An error for each problem, a warning for each inconclusive metric, a notice for each improvement.

    Paths are relative to the `workspace`, the folder of the repository.
    """
    for case in suite.cases:
        file = _relative(case.entry.file, workspace)
        if case.entry.problem:
            yield annotation("error", file, case.entry.line, "invalid scenario", case.entry.problem)
        yield from _of_expectations(case, file, changes)
        if case.judgment is not None:
            for kind, found in (
                ("error", case.judgment.of(Verdict.REGRESSION)),
                ("warning", case.judgment.of(Verdict.INCONCLUSIVE)),
                ("notice", case.judgment.improved),
            ):
                for each in found:
                    yield annotation(kind, file, 1, case.entry.name, judged(each))


def _of_expectations(case: Case, file: str, changes: Mapping[str, str] | None) -> Iterator[str]:
    """Each failed expectation at its line, and errors and violations of runs at the first line."""
    if case.result is None or case.is_expected_to_fail:
        return
    how = Replay(case.entry.file, changes or {})
    lines = [line for line in failures(case.result, how) if not line.startswith("  ")]
    places = {outcome.expression: place for place, outcome in enumerate(case.result.expectations)}
    for line in lines:
        said = line.removeprefix("✗ ")
        place = places.get(said.partition(": observed ")[0].removesuffix(f": {NOT_OBSERVED}"))
        at = 1 if place is None else line_of(case.entry.file, ("expect", place))
        yield annotation("error", file, at, case.entry.name, said)


def annotation(kind: str, file: str, line: int, title: str, message: str) -> str:
    """A workflow command, escaped as GitHub's toolkit does it."""
    properties = f"file={_property(file)},line={line},title={_property(title)}"
    return f"::{kind} {properties}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _relative(file: str, workspace: str) -> str:
    """The path from the workspace, where the file is in it; otherwise the path as it was given."""
    if not workspace:
        return file
    found = os.path.relpath(os.path.realpath(file), os.path.realpath(workspace))
    return file if found.startswith("..") else found.replace(os.sep, "/")
