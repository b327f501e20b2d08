"""Scenario files as pytest collects them: an item for each replication of a scenario."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from recovery.errors import RecoveryBenchError, arguments_as_options
from sim.presentation.visible_text import visible
from sim.pytest_plugin.failure_page import pages_of
from sim.pytest_plugin.finished_runs import FinishedRuns
from sim.pytest_plugin.gate import FIRST, Gate, lines
from sim.pytest_plugin.heading import Heading, heading_of

if TYPE_CHECKING:
    from scenarios import Scenario
    from sim.experiments.runs.replications import Result
    from sim.reports.failures.replay import Replay
    from sim.simulation import Run

SUFFIX = ".scenario.yaml"
OTHER_SUFFIX = ".scenario.yml"
NO_EXPECTATIONS = "no_expectations"
"""The marker of scenarios without expectations: only their invariants are judged."""
FINISHED = pytest.StashKey[FinishedRuns]()
GATE = pytest.StashKey[Gate]()
CHANGES = pytest.StashKey[Mapping[str, str]]()
"""Values by path that `--scenario-set` changes in every scenario."""
BASELINE = "baseline"
"""The property of an item that has what its baseline says of it."""
PROPERTIES = ("seed", "history_sha256", "expectation", "metric:", BASELINE)
"""Names of properties of an item in a JUnit report, or their beginnings."""


class Regression(RecoveryBenchError):
    """Metrics of a scenario are worse than in its baseline. A scenario that is expected to fail may not be worse."""


class InvalidScenario(RecoveryBenchError):
    """A scenario file cannot be loaded. The message is the line that `recovery-bench run` prints."""


class ScenarioFile(pytest.Module):
    """A scenario file. The names of its items begin with the name that it states, which may differ from its own."""

    obj = None  # there is no Python module
    replications: Sequence[str] = ()
    """The names of the replications, each of which is an item."""

    def collect(self) -> Iterator[ScenarioItem]:
        """An item for each replication of the scenario; one that fails for a file that cannot be loaded."""
        heading, error = heading_of(self.path)
        if self.path.name.endswith(OTHER_SUFFIX):
            named = self.path.name.removesuffix(OTHER_SUFFIX) + SUFFIX
            error = InvalidScenario(f"{self.path}: scenario files end with {SUFFIX}; valid: {named}")
        replications = self._replications(heading)
        if error is None and len(replications) > 1:
            error = self._loading_error()
        if error is not None:
            yield ScenarioItem.from_parent(self, name=heading.name, heading=heading, replication="", error=error)
            return
        self.replications = replications
        for replication in replications:
            name = f"{heading.name}[{replication}]"
            yield ScenarioItem.from_parent(self, name=name, heading=heading, replication=replication)

    def _replications(self, heading: Heading) -> list[str]:
        """The names of the replications: those of the baseline, unless others are asked for."""
        gate = self.config.stash[GATE]
        own = self.config.stash[CHANGES].get("seed", str(heading.seed)), 1 if gate.save is None else FIRST
        seed, many = gate.replications(heading.name) or own
        seed = self.config.getoption("--scenario-seed") or seed
        many = int(self.config.getoption("--scenario-replications") or many)
        return [seed] if "/" in seed else [f"{seed}/{number}" for number in range(many)]

    def _loading_error(self) -> RecoveryBenchError | None:
        """The error of a file with several items, of which only one is to fail."""
        try:
            self.scenario  # noqa: B018 - it is kept for the items
        except RecoveryBenchError as error:
            return error
        return None

    @cached_property
    def scenario(self) -> Scenario:
        """The scenario, with the values of `--scenario-set`. Raises ScenarioError."""
        import scenarios  # noqa: PLC0415 - loaded when something is run

        changes = self.config.stash[CHANGES]
        loaded = scenarios.load(str(self.path))
        with arguments_as_options("--scenario-"):
            return loaded.with_values(changes) if changes else loaded

    @property
    def shown(self) -> str:
        """The path relative to the directory in which pytest was started."""
        return os.path.relpath(self.path, self.config.invocation_params.dir)


class ScenarioItem(pytest.Function):
    """One replication of a scenario. The last one is also judged by the expectations on all of them.

    It is a test function without arguments, so that fixtures with `autouse` apply to it.
    """

    def __init__(self, *, name: str, parent: ScenarioFile, heading: Heading, replication: str, **others: Any) -> None:
        self.error: RecoveryBenchError | None = others.pop("error", None)
        super().__init__(name=name, parent=parent, callobj=_scenario, **others)
        self.file = parent
        self.replication = replication
        for tag in heading.tags:
            self.config.addinivalue_line("markers", f"{tag}: a tag of scenario files")
            self.add_marker(tag)
        if heading.xfail is not None:
            from sim.results.base import DoesNotHold  # noqa: PLC0415 - a file with this key is loaded as a whole

            self.add_marker(pytest.mark.xfail(reason=visible(heading.xfail), raises=DoesNotHold))
        if not heading.has_expectations:
            self.add_marker(NO_EXPECTATIONS)

    def runtest(self) -> None:
        """Run the replication. Raises DoesNotHold, Regression, and InvalidScenario."""
        from scenarios.expected_events import MOST_EVENTS, TooManyEvents  # noqa: PLC0415 - loaded when something is run
        from sim.results.base import DoesNotHold  # noqa: PLC0415

        try:
            if self.error is not None:
                raise self.error
            run, over_all = self._run(), self._over_all()
        except TooManyEvents as error:
            raise InvalidScenario(f"{error.cause}; valid: up to {MOST_EVENTS:.0e}, or --scenario-force") from None
        except RecoveryBenchError as error:
            told = str(error).replace(str(self.file.path), self.file.shown)
            raise InvalidScenario(told) from None
        self.user_properties = [each for each in self.user_properties if not each[0].startswith(PROPERTIES)]
        self.user_properties += properties(run, over_all)
        from sim.reports.failure_message import failure_message  # noqa: PLC0415

        failed = [each for each in (run, over_all) if each is not None and not each.holds]
        problems = [failure_message(each, self._replay()) for each in failed]
        worse = self._regressions(over_all)
        if problems or worse:
            problems += pages_of(self, failed or [run], self._replay())
        if worse:
            raise Regression("\n".join([*problems, *worse]))
        if problems:
            raise DoesNotHold("\n".join(problems))

    def _regressions(self, over_all: Result | None) -> list[str]:
        """The metrics that are worse than in the baseline. What else it says becomes properties."""
        if over_all is None:
            return []
        gate = self.config.stash[GATE]
        gate.keep(over_all)
        judgment = gate.judge(over_all)
        if judgment is None:
            return []
        told = [*lines(judgment)]
        self.user_properties += [
            (BASELINE, f"{self.file.shown}: {line}") for is_failure, line in told if not is_failure
        ]
        return [f"✗ {line}" for is_failure, line in told if is_failure]

    def _run(self) -> Run:
        """This replication, with the expectations that are judged on it alone."""
        from sim.experiments.runs.summary import RunSummary  # noqa: PLC0415 - loaded when something is run
        from sim.simulation import run  # noqa: PLC0415

        scenario = self.file.scenario
        judged = scenario if self._is_alone else _expecting(scenario, in_each=True)
        done = run(judged, self.replication, force=self.config.getoption("--scenario-force"))
        if not self._is_alone or self.config.stash[GATE].is_needed:
            self.config.stash[FINISHED].keep(str(self.file.path), scenario, RunSummary.of(done))
        return done

    def _over_all(self) -> Result | None:
        """All replications, with the expectations on all of them; None unless this is the last one.

        Those that other items have not finished are run.
        """
        from dataclasses import replace  # noqa: PLC0415 - loaded when something is run

        from sim.experiments.runs.executor import summary  # noqa: PLC0415
        from sim.experiments.runs.replications import Result  # noqa: PLC0415

        names = self._names
        expecting = _expecting(self.file.scenario, in_each=False)
        gated = self.config.stash[GATE].is_needed
        if self.replication != names[-1] or ((self._is_alone or not expecting.expect) and not gated):
            return None
        finished, file = self.config.stash[FINISHED], str(self.file.path)
        runs = []
        for name in names:
            found = finished.get(file, name)
            if found is None:
                found = summary(self.file.scenario, name)
                finished.keep(file, self.file.scenario, found)
            runs.append(replace(found, violations=(), errors=()))  # each is judged by its own item
        judged = self.file.scenario.model_copy(update={"expect": ()}) if self._is_alone else expecting
        return Result(judged, self.replication.rpartition("/")[0], tuple(runs))

    @property
    def _names(self) -> Sequence[str]:
        return self.file.replications

    @property
    def _is_alone(self) -> bool:
        """Whether it is the only replication, on which every expectation is judged."""
        return len(self._names) == 1

    def _replay(self) -> Replay:
        from sim.reports.failures.replay import Replay  # noqa: PLC0415 - loaded when something is run

        return Replay(self.file.shown, self.config.stash[CHANGES])

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException]) -> Any:  # type: ignore[override]  # as of an item
        """The message of a failed scenario; other errors are defects and keep their traceback."""
        if isinstance(excinfo.value, RecoveryBenchError):
            return str(excinfo.value)
        return super().repr_failure(excinfo)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """The location and the name of the item in reports."""
        return self.path, None, f"scenario {self.name}"


def _scenario() -> None:
    """The test function of every item: `ScenarioItem.runtest` runs instead."""


def _expecting(scenario: Scenario, *, in_each: bool) -> Scenario:
    """The scenario with those of its expectations that are judged on each replication, or with the others."""
    expect = tuple(each for each in scenario.expect if (each.in_runs == 1.0) is in_each)
    changed = scenario.model_copy(update={"expect": expect})
    changed._source = scenario.source
    return changed


def properties(run: Run, over_all: Result | None) -> list[tuple[str, object]]:
    """The properties of an item in a JUnit report."""
    outcomes = [*run.expectations, *(() if over_all is None else over_all.expectations)]
    found: list[tuple[str, object]] = [("seed", run.seed), ("history_sha256", run.history_sha256)]
    found += [
        ("expectation", f"{each.expression}: {'holds' if each.holds else 'does not hold'}, observed {each.observed}")
        for each in outcomes
    ]
    observed = ((name, value) for name, value in run.metrics.items() if value is not None)
    return found + [(f"metric:{name}", value if isfinite(value) else "inf") for name, value in observed]
