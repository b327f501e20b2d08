"""Scenario files as pytest items: `pytest scenarios/` collects every `*.scenario.yaml`.

A scenario passes when its expectations hold and no invariant is violated. Every pytest run in an environment with
Recovery Bench imports this module, so the bench itself is imported only with the first scenario file.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from recovery.errors import RecoveryBenchError

if TYPE_CHECKING:
    from scenarios import Scenario
    from sim.experiments.runs.replications import Result

SUFFIX = ".scenario.yaml"


PROPERTIES = ("seed", "history_sha256")
"""The properties of a test in a JUnit report."""


class DoesNotHold(RecoveryBenchError):
    """A scenario does not hold, or has too many events to be run.

    The message has the failed expectations, the observed values and the repeat command.
    """


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add two options."""
    group = parser.getgroup("recovery-bench", "scenario files (*.scenario.yaml)")
    group.addoption(
        "--scenario-seed",
        metavar="N",
        help="seed of every scenario instead of its own; 7/3 is replication 3 of seed 7",
    )
    group.addoption(
        "--scenario-replications", metavar="N", default="1", help="replications of every scenario (default: 1)"
    )
    group.addoption(
        "--scenario-force", action="store_true", help="run also what is expected to take more than a billion events"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Reject invalid options."""
    seed, replications = config.getoption("--scenario-seed"), config.getoption("--scenario-replications")
    if seed is not None and not re.fullmatch(r"\d{1,4300}(/\d{1,4300})?", seed, re.ASCII):
        raise pytest.UsageError(f"--scenario-seed {seed}: not a seed; valid: a whole number such as 7, or 7/3")
    if not re.fullmatch(r"0*[1-9]\d{0,4000}", replications, re.ASCII):
        raise pytest.UsageError(
            f"--scenario-replications {replications}: not a number of replications; valid: a whole number, 1 or more"
        )
    if seed is not None and "/" in seed and int(replications) > 1:
        raise pytest.UsageError(f"--scenario-seed {seed}: is one replication; valid: without --scenario-replications")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect scenario files by name."""
    return ScenarioFile.from_parent(parent, path=file_path) if file_path.name.endswith(SUFFIX) else None


class ScenarioFile(pytest.File):
    """A scenario file; an invalid file is a collection error of one line."""

    def collect(self) -> Iterator[ScenarioItem]:
        """The scenario as the file's only item."""
        import scenarios  # noqa: PLC0415 - see the module

        shown = shown_path(self.path, self.config)
        try:
            scenario = scenarios.load(str(self.path))
        except scenarios.ScenarioError as error:
            raise self.CollectError(str(error).replace(str(self.path), shown)) from None
        yield ScenarioItem.from_parent(self, name=scenario.name, scenario=scenario)


class ScenarioItem(pytest.Item):
    """One scenario: run it and check its expectations."""

    def __init__(self, *, scenario: Scenario, **others: Any) -> None:
        super().__init__(**others)
        self.scenario = scenario

    def runtest(self) -> None:
        """Run the replications; raises `DoesNotHold`."""
        from scenarios.expected_events import MOST_EVENTS, TooManyEvents  # noqa: PLC0415 - see the module
        from sim.experiments.runs.replications import replicate  # noqa: PLC0415 - see the module

        seed = self.config.getoption("--scenario-seed")
        replications = int(self.config.getoption("--scenario-replications"))
        chosen = seed if seed is None or "/" in seed else int(seed)
        forced = self.config.getoption("--scenario-force")
        try:
            result = replicate(self.scenario, chosen, replications, force=forced)
        except TooManyEvents as error:
            cause = error.cause.replace(": replications: ", ": --scenario-replications: ")
            raise DoesNotHold(f"{cause}; valid: up to {MOST_EVENTS:.0e}, or --scenario-force") from None
        if result.interrupted:
            raise KeyboardInterrupt
        self.user_properties = [each for each in self.user_properties if each[0] not in PROPERTIES]  # of an earlier try
        self.user_properties += [("seed", run.seed) for run in result.runs]
        self.user_properties += [("history_sha256", run.history_sha256) for run in result.runs]
        if not result.holds:
            raise DoesNotHold(failure_message(result, shown_path(self.path, self.config)))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The message of a failed scenario; other errors are defects and keep their traceback."""
        if isinstance(excinfo.value, DoesNotHold):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """The location and the name of the item in reports."""
        return self.path, None, f"scenario {self.name}"


def failure_message(result: Result, name: str) -> str:
    """The text of a failure: failed expectation, observed value, seed, and the command that repeats it."""
    from sim.reports.table import failures  # noqa: PLC0415 - see the module

    seeds = ", ".join(run.seed for run in result.runs)
    return "\n".join([*failures(result, name), f"  seed: {seeds}"])


def shown_path(path: Path, config: pytest.Config) -> str:
    """A path relative to the directory in which pytest was started."""
    return os.path.relpath(path, config.invocation_params.dir)
