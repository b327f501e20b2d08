"""Runs a scenario with a seed.

A run is one replication: one world and one recovery core on one loop, and one history. All results are functions of
that history.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cached_property
from importlib import import_module
from itertools import accumulate, pairwise
from typing import Any, Protocol

import pandas as pd
import simpy

from recovery.monitoring.telemetry import TelemetryTrail
from recovery.stores.memory import MemoryTaskStore
from scenarios import Scenario
from scenarios.errors import shown
from scenarios.expected_events import check_events
from scenarios.fields.csv_columns import files_sha256
from scenarios.fields.metrics import lookup
from scenarios.fields.quantities import is_whole
from scenarios.schema import ScenarioFields
from sim.core.build import BuildCore, build_core, with_policies
from sim.core.host import host_for
from sim.core.own_cores import BuiltCores
from sim.core.replacement import replaced_by
from sim.core.run_errors import RunError, RunErrors, errors_of
from sim.core.standstill import Standstill
from sim.faults import Faults
from sim.gc_tuning import rare_collections
from sim.history import History
from sim.history.storage import RowsInFile, RowsInMemory
from sim.invariants import Violation, check_all
from sim.loop import Deadlock, Livelock, SimLoop
from sim.measures import RunMetrics, frames, observe
from sim.measures.metrics.diagnosis import as_frame, diagnoses
from sim.measures.outcomes import Outcome
from sim.randomness.branching import BranchingStreams, Trajectory
from sim.randomness.streams import Streams
from sim.results.base import JudgedResult
from sim.stats.samples import Sample
from sim.world.assembly import assemble, connect
from sim.world.drain import Unfinished
from sim.world.task_store import NumberedTaskStore

BuildStore = Callable[[], MemoryTaskStore]


SEED_DIGITS = 4300
"""Python converts numbers of up to so many digits."""
LARGEST_SEED = 10**SEED_DIGITS - 1
LONGEST_NAME = 10 * SEED_DIGITS
"""Characters of the name of a trajectory, with its branches."""
PICTURES = "sim.reports.timeline"
"""The module that plots runs. It needs matplotlib and is imported on first use."""


class RunPictures(Protocol):
    """`run.plot`."""

    def timeline(self, window: tuple[float, float] | None = None, *, width: float = 9.0) -> Any:
        """A matplotlib figure: load above, recoveries below; without a window, around the first faults."""


def metrics_frame(scenario: Scenario, runs: Iterable[tuple[str, Mapping[str, float | None]]]) -> pd.DataFrame:
    """The metrics of runs, named by their replication, as a tidy frame: scenario, replication, metric, value, unit."""
    pools = scenario.parts
    rows = [
        (scenario.name, replication, name, value, lookup(name, pools).unit)
        for replication, metrics in runs
        for name, value in metrics.items()
        if value is not None
    ]
    return pd.DataFrame(rows, columns=["scenario", "replication", "metric", "value", "unit"])


@dataclass(frozen=True, eq=False, repr=False)
class Run(JudgedResult):
    """One replication and its results. `seed` names it: `"7/0"` is replication 0 of seed 7.

    With `history: summary`, access to individual events raises `HistoryNotKept`, and `kept_diagnosis` has the counts of
    `diagnosis`. `replaced`: what ran in place of the scenario's own core, in words; None if nothing did.
    """

    scenario: Scenario
    seed: str
    record: History
    metrics: dict[str, float | None]
    samples: Mapping[str, Sample]
    violations: tuple[Violation, ...]
    wall_seconds: float
    replaced: str | None = None
    kept_diagnosis: dict[str, dict[str, int]] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "metrics", RunMetrics(self.metrics, self.samples))

    @property
    def events(self) -> int:
        """Number of events in the history."""
        return len(self.record)

    @property
    def virtual_seconds(self) -> float:
        """Virtual time that the run covers, with its drain."""
        return float(self.record.meta["end"])

    def title(self) -> str:
        """A one-line summary: scenario and number of runs."""
        return f"{self.scenario.name}, seed {self.seed}: {self.events:,} events"

    @property
    def errors(self) -> tuple[RunError, ...]:
        """Unexpected exceptions of the core, its policies and its commands. A run with errors is not valid."""
        return errors_of(self.record)

    @cached_property
    def expectations(self) -> tuple[Outcome, ...]:
        """The scenario's expectations, judged on this run. None holds if there are `errors`: the run is not valid."""
        found = [Outcome.of(each, [self], self.metrics.get(each.metric)) for each in self.scenario.expect]
        return tuple(replace(each, holds=each.holds and not self.errors) for each in found)

    @property
    def holds(self) -> bool:
        """Whether every expectation holds, no invariant was violated and the run had no errors."""
        return all(each.holds for each in self.expectations) and not self.violations and not self.errors

    @cached_property
    def frame(self) -> pd.DataFrame:
        """Tidy: scenario, replication, metric, value, unit."""
        return metrics_frame(self.scenario, [(self.seed, self.metrics)])

    @cached_property
    def recoveries(self) -> pd.DataFrame:
        """A row for each recovery: `sim.measures.frames.recoveries`, after scenario and replication.

        Raises HistoryNotKept with `history: summary`, as `tasks` and `faults` do.
        """
        return self._named(frames.recoveries(self.record))

    @cached_property
    def tasks(self) -> pd.DataFrame:
        """A row for each submitted task: `sim.measures.frames.tasks`, after scenario and replication."""
        return self._named(frames.tasks(self.record))

    @cached_property
    def faults(self) -> pd.DataFrame:
        """A row for each fault and target: `sim.measures.frames.faults`, after scenario and replication."""
        return self._named(frames.faults(self.record))

    def _named(self, frame: pd.DataFrame) -> pd.DataFrame:
        frame.insert(0, "scenario", self.scenario.name)
        frame.insert(1, "replication", self.seed)
        return frame

    @property
    def plot(self) -> RunPictures:
        """Pictures, as matplotlib figures: `timeline()`."""
        pictures: RunPictures = import_module(PICTURES).RunPlots(self.record)
        return pictures

    @cached_property
    def history(self) -> pd.DataFrame:
        """The history as a data frame: scenario, replication, time, event, subject, task, agent, epoch, incident,
        value, detail, about.
        """
        return self._named(self.record.frame())

    @cached_property
    def diagnosis(self) -> dict[str, dict[str, int]]:
        """Counts of recoveries by true fault and diagnosis."""
        return diagnoses(self.record) if self.kept_diagnosis is None else self.kept_diagnosis

    @property
    def confusion(self) -> pd.DataFrame:
        """The counts as a data frame, faults in rows and diagnoses in columns: `sim.measures.confusion`."""
        return as_frame(self.diagnosis)

    @cached_property
    def history_sha256(self) -> str:
        """Hash of the history's canonical bytes: equal for equal scenario, seed and version on every machine."""
        return self.record.sha256()


def run(
    scenario: Scenario,
    seed: int | str | None = None,
    replication: int = 0,
    *,
    policies: Mapping[str, Any] | None = None,
    core: BuildCore = build_core,
    store: BuildStore = NumberedTaskStore,
    telemetry: bool = False,
    force: bool = False,
) -> Run:
    """Run one replication of a scenario.

    `policies` by kind of failure replace conditions of the scenario (`sim.core.build.core_config`). `seed` defaults to
    that of the scenario; a string such as `"7/3"` names seed and replication. `core` and `store` build other recovery
    cores and task stores; tests pass broken ones. With `telemetry`, recoveries are also exported through
    OpenTelemetry's global providers, with virtual time as seconds since the start of 1970 (names in
    `recovery.monitoring.telemetry`).

    A run that is expected to take more than a billion events is refused (TooManyEvents), unless `force` is true.

    Raises InvalidPolicies, also for `policies` and `core` together, and with `telemetry` ModuleNotFoundError, which
    names the package to install, without its API.
    """
    began = time.perf_counter()  # noqa: TID251 - wall time of a run for users; no result depends on it
    name = replication_name(scenario, seed, replication)
    core = with_policies(policies, core)
    if not force:
        check_events(scenario)
    record = simulate(scenario, name, core, store, telemetry=telemetry)
    found = check_all(record)
    observed = observe(record, found)
    violations = tuple(violation for of_invariant in found.values() for violation in of_invariant)
    taken = time.perf_counter() - began  # noqa: TID251 - duration of a run, for users; no result depends on it
    of = replaced_by(core, scenario)
    made = Run(scenario, name, record, observed.metrics, observed.samples, violations, taken, of)
    if scenario.history == "summary":
        made = replace(made, kept_diagnosis=made.diagnosis)
        record.keep_no_rows()
    return made


def replication_name(scenario: Scenario, seed: int | str | None, replication: int = 0) -> str:
    """`"7/0"` for seed 7, replication 0. Raises ValueError for an invalid seed or replication, and TypeError for what
    is no scenario.
    """
    if not isinstance(scenario, ScenarioFields):
        raise TypeError(f"{shown(scenario)} is not a scenario; valid: such as scenarios.load('baseline')")
    chosen = scenario.seed if seed is None else seed
    if (isinstance(chosen, int) and chosen > LARGEST_SEED) or (isinstance(chosen, str) and len(chosen) > LONGEST_NAME):
        raise ValueError(f"the seed is too long a number; valid: up to {SEED_DIGITS} digits")
    if isinstance(chosen, bool) or re.fullmatch(r"\d+(/.+)?", str(chosen), re.ASCII) is None:
        raise ValueError(
            f"{shown(chosen)} is not a seed; valid: a whole number of at least 0, or a string such as '7/3'"
        )
    if not is_whole(replication) or not 0 <= replication <= LARGEST_SEED:
        raise ValueError(f"{shown(replication)} is not a replication; valid: a whole number of at least 0")
    return chosen if isinstance(chosen, str) and "/" in chosen else f"{chosen}/{replication}"


def check_counts(replications: int, jobs: int) -> None:
    """Raise ValueError unless the numbers of replications and of jobs are whole numbers of at least 1."""
    if not all(is_whole(number) and number >= 1 for number in (replications, jobs)):
        raise ValueError(f"{shown(replications)} replications on {shown(jobs)} jobs; valid: 1 or more of each")


def whole_seed(scenario: Scenario, seed: int | str | None) -> str:
    """`"7"` for seed 7. Raises ValueError for an invalid seed, and for `"7/3"`, which is one replication of it."""
    if isinstance(seed, str) and "/" in seed:
        raise ValueError(f"{seed} is a single replication, which shows no variance; valid: a whole seed")
    return replication_name(scenario, seed).rpartition("/")[0]


def simulate(
    scenario: Scenario,
    name: str,
    core: BuildCore = build_core,
    store: BuildStore = NumberedTaskStore,
    *,
    telemetry: bool = False,
    follow: Callable[[History, simpy.Environment], object] | None = None,
) -> History:
    """The history of one replication or trajectory. `follow` is called with it before the start.

    Raises BranchNotReached for a trajectory with a branch after the end of the run.
    """
    loop = SimLoop()
    try:
        rows = RowsInFile() if scenario.history == "summary" else RowsInMemory()
        history = History(loop.env, meta_of(scenario, name), rows)
        streams = _streams(name, history, loop.env)
        if follow is not None:
            follow(history, loop.env)
        task_store = store()
        world = assemble(scenario, streams, loop, history, task_store)
        errors = RunErrors(history, loop, name)
        standstill = Standstill(history, loop, scenario.duration)
        history.on_chunk = standstill.look
        loop.set_exception_handler(errors.from_loop)
        system = replace(world.system, on_defect=errors.record)
        if telemetry:
            telemetry_trail = TelemetryTrail(system.audit, lambda: loop.env.now)
            system = replace(system, audit=telemetry_trail)
        built = BuiltCores(lambda system: core(scenario, system, streams), history)
        host = host_for(scenario, loop, world, system, built.build)
        connect(world, host)
        loop.run_until_complete(host.boot())
        world.start()
        faults = Faults(loop.env, streams, world, task_store, host)
        faults.start(scenario.faults)
        with rare_collections():
            standstill.run(until=scenario.duration)
            if scenario.drain is not None:
                faults.stop()
                world.stop_arrivals()
                all_ended = Unfinished(loop.env, history, has_clients=world.clients is not None).all_ended
                standstill.run(until=loop.env.any_of([all_ended, loop.env.timeout(scenario.drain)]))
                history.meta["end"] = loop.env.now
        if isinstance(streams, BranchingStreams):
            streams.check_left(len(history))
        if telemetry:
            telemetry_trail.close()
        errors.close()
        history.meta["restarting"] = world.restarts.under_way
        history.close()
        return history
    except (Deadlock, Livelock) as error:
        raise type(error)(f"{scenario.name}: {error}") from error
    finally:
        loop.abandon()


def _streams(name: str, history: History, env: simpy.Environment) -> Streams:
    trajectory = Trajectory.parse(name)
    if not trajectory.branches:
        return Streams(name)
    streams = BranchingStreams(trajectory)
    streams.follow(history, env)
    return streams


def meta_of(scenario: Scenario, name: str) -> dict[str, Any]:
    """The constants of a run that measures need in addition to its events.

    `sim.core.own_cores.BuiltCores` adds those of the core's configuration, and `sim.core.run_errors` the errors.
    """
    global _latest_meta  # noqa: PLW0603 - one entry, because the runs of a search or a replication follow each other
    latest = _latest_meta
    if latest is None or not _is_same_world(scenario, latest[0]):
        latest = _latest_meta = scenario, _meta_of_world(scenario.model_copy(update={"faults": ()}))
    meta = deepcopy(latest[1])
    meta["seed"] = name
    for fault in scenario.faults:
        meta["files_sha256"] |= files_sha256(fault)
    return meta


_latest_meta: tuple[Scenario, dict[str, Any]] | None = None
"""A scenario, and the constants of its runs without those of its faults and seed."""


def _is_same_world(one: Scenario, other: Scenario) -> bool:
    """Whether one is a copy of the other with other faults and another seed (`Scenario.with_faults`)."""
    values = vars(other)
    return all(value is values[key] for key, value in vars(one).items() if key not in {"faults", "seed"})


def _meta_of_world(scenario: Scenario) -> dict[str, Any]:
    pools, queues = _pools(scenario), _queues(scenario)
    return {
        **({"pools": pools} if pools else {}),
        **({"queues": queues} if queues else {}),
        **({"prefetch": most} if (most := scenario.most_prefetched) else {}),
        "scenario": scenario.name,
        "seed": "",
        "duration": scenario.duration,
        "end": scenario.duration,
        "warmup": scenario.warmup,
        "agents": scenario.agents.count,
        "slots": scenario.agents.slots,
        "resources": {pool: settings.units for pool, settings in scenario.resources.items()},
        "needs": dict(scenario.tasks.needs),
        "task_kinds": list(scenario.tasks.kinds),
        "downstream": list(scenario.downstream),
        "interrupted": scenario.tasks.interrupted,
        **({"interrupted_by_kind": interrupted} if (interrupted := _interrupted(scenario)) else {}),
        "ack_timeout": scenario.queue.ack_timeout,
        "heartbeat_interval": scenario.recovery.detection.heartbeat_interval,
        "costs": {command: cost for command, cost in scenario.recovery.costs.items() if cost},
        "runbook_sha256": scenario.recovery.runbook_sha256,
        "clients": scenario.tasks.clients_wait,
        "late_answers": scenario.tasks.client.accepts_late,
        **({"late_answers_by_kind": late} if (late := _late_answers(scenario)) else {}),
        "files_sha256": files_sha256(scenario),
        "steady_state": _steady_state(scenario),
        "cost": None if scenario.cost is None else scenario.cost.model_dump(),
    }


def _pools(scenario: Scenario) -> dict[str, list[int]]:
    """The number of the first agent of each pool, and that after its last one."""
    ends = list(accumulate((pool.count for pool in scenario.agents.pools.values()), initial=0))
    return {name: list(both) for name, both in zip(scenario.agents.pools, pairwise(ends), strict=True)}


def _interrupted(scenario: Scenario) -> dict[str, str]:
    """What happens to the work of an interrupted task, of the kinds that have a value of their own."""
    return {name: kind.interrupted for name, kind in scenario.tasks.kinds.items() if kind.interrupted is not None}


def _late_answers(scenario: Scenario) -> dict[str, bool]:
    """Whether late answers count, of the kinds that have clients of their own."""
    kinds = scenario.tasks.kinds.items()
    return {name: kind.client.accepts_late for name, kind in kinds if kind.client is not None}


def _queues(scenario: Scenario) -> dict[str, list[str]]:
    """The kinds of tasks that wait in each of the further queues."""
    kinds = scenario.tasks.kinds
    return {queue: [kind for kind in kinds if kinds[kind].queue == queue] for queue in scenario.queues}


def _steady_state(scenario: Scenario) -> dict[str, Any] | None:
    steady = scenario.steady_state
    if steady is None:
        return None
    holds = [(each.expression, each.metric, each.operator, each.value) for each in steady.holds]
    return {"window": steady.window, "holds": holds}
