"""What a run breaks: invariants, expectations of the scenario, and unexpected exceptions of the core."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from scenarios import Scenario
from scenarios.fields.metrics import lookup
from sim.core.build import BuildCore, build_core
from sim.core.run_errors import errors_of
from sim.history import History
from sim.invariants import check_all
from sim.measures import observe
from sim.presentation.formatting import quantity
from sim.simulation import BuildStore, simulate
from sim.world.task_store import NumberedTaskStore

RUN_ERROR = "run.error"
"""What a run with an unexpected exception breaks."""


@dataclass(frozen=True)
class Break:
    """Something that does not hold in a run. `name`: an invariant, the text of an expectation, or `run.error`."""

    name: str
    message: str


@dataclass(frozen=True)
class Judge:
    """Runs and judges scenarios. `invariants_only`: expectations are not judged, which is faster."""

    core: BuildCore = build_core
    store: BuildStore = NumberedTaskStore
    invariants_only: bool = False

    def run(self, scenario: Scenario) -> tuple[History | None, tuple[Break, ...]]:
        """The history of replication 0 of the scenario's seed, and what it breaks, the first of each kind.

        There is no history when the simulation itself raised an exception.
        """
        try:
            history = simulate(scenario, f"{scenario.seed}/0", self.core, self.store)
        except Exception as error:  # noqa: BLE001 - a core that is searched may raise anything, and be in a livelock
            return None, (Break(RUN_ERROR, f"the run ended with {type(error).__name__}: {error}"),)
        return history, tuple(self._broken(scenario, history))

    def _broken(self, scenario: Scenario, history: History) -> Iterator[Break]:
        for error in errors_of(history)[:1]:
            yield Break(RUN_ERROR, str(error))
        found = check_all(history)
        for invariant, violations in found.items():
            if violations:
                first = violations[0]
                where = f"{first.subject}: " if first.subject else ""
                yield Break(invariant, f"{invariant} at {first.time:g} s: {where}{first.message}")
        expected = [each for each in scenario.expect if not each.metric.startswith("consistency.")]
        if self.invariants_only or not expected:
            return
        metrics = observe(history, found).metrics
        for expectation in expected:
            observed = metrics.get(expectation.metric)
            if observed is not None and not expectation.holds(observed):
                said = quantity(observed, lookup(expectation.metric, scenario.parts).unit)
                yield Break(expectation.expression, f"{expectation.expression}: observed {said}")
