"""The fixture `bench`: runs scenarios in test functions. The report of a failing test says how to repeat them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from scenarios import Scenario
    from sim.experiments.runs.replications import Result
    from sim.simulation import Run

RAN = pytest.StashKey[list[Any]]()
"""What the fixture has run in a test."""
SECTION = "scenarios that bench ran"


class Bench:
    """Runs scenarios for a test."""

    def __init__(self, ran: list[Any]) -> None:
        self._ran = ran

    def __call__(
        self,
        scenario: Scenario | str,
        *,
        policies: Mapping[str, Any] | None = None,
        core: Callable[..., Any] | None = None,
        replications: int | None = None,
        seed: int | str | None = None,
        jobs: int = 1,
    ) -> Run | Result:
        """Run a scenario, or the one of this name or file: once, as `sim.run`, or so many replications, as
        `sim.replicate`. `assert_holds()` of what it returns raises an AssertionError unless everything holds.

        `policies` by kind of failure replace conditions of the scenario, and `core` builds another recovery core.
        Raises ScenarioError, InvalidPolicies, and ValueError for an invalid seed or number of replications.
        """
        __tracebackhide__ = True
        try:
            done = self._run(scenario, policies, core, replications, seed, jobs)
        except ValueError as error:  # of an invalid argument: the report shows the line of the test, and the message
            raise error.with_traceback(None) from None
        self._ran.append(done)
        return done

    @staticmethod
    def _run(
        scenario: Scenario | str,
        policies: Mapping[str, Any] | None,
        core: Callable[..., Any] | None,
        replications: int | None,
        seed: int | str | None,
        jobs: int,
    ) -> Run | Result:
        import scenarios  # noqa: PLC0415 - only who runs a scenario needs it
        import sim  # noqa: PLC0415

        loaded = scenario if isinstance(scenario, scenarios.Scenario) else scenarios.load(scenario)
        core = sim.build_core if core is None else core
        if replications is None:
            return sim.run(loaded, seed, policies=policies, core=core)
        return sim.replicate(loaded, seed, replications, jobs, policies=policies, core=core)


@pytest.fixture
def bench(request: pytest.FixtureRequest) -> Bench:
    """Runs a scenario: `bench("agent-failure", policies=…, replications=5).assert_holds()`.

    A failing test's report has the command and the hash of each run.
    """
    ran: list[Any] = []
    request.node.stash[RAN] = ran
    return Bench(ran)


def section(ran: list[Any]) -> str:
    """How to repeat what a test has run."""
    from sim.reports.failure_message import as_result, origin_lines  # noqa: PLC0415 - loaded when a test fails
    from sim.reports.failures.replay import Replay  # noqa: PLC0415

    lines: list[str] = []
    for done in ran:
        result = as_result(done)
        seed = done.seed if done is not result else result.seed
        lines += [
            result.title(),
            f"  replay: {Replay.of(result.scenario, result.replaced).command(seed, len(result.runs))}",
        ]
        lines += [] if result.replaced is None else [f"  with {result.replaced}"]
        lines += origin_lines(result)
    return "\n".join(lines)
