"""The expected cost of a run, in events: an estimate from the settings alone, before anything is simulated.

It is a sum of means: arrivals, heartbeats, checks, probes, renewals of leases, crashes, faults, checkpoints, samples.
Retries, messages and recoveries are part of the events of a task. The estimate is meant to find runs that could never
end, and has the right order of magnitude for others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, isfinite
from typing import Any

from recovery.errors import RecoveryBenchError
from scenarios.errors import written
from scenarios.faults.agents import AgentFlap
from scenarios.faults.tasks import LoadSurge
from scenarios.schema import ScenarioFields
from scenarios.sections.arrivals import Burst, Closed, Diurnal, Interval, Poisson, Trace
from scenarios.task_views import own_path, views

MOST_EVENTS = 1e9
"""Some hours on one core."""
EVENTS_OF_A_TASK = 8.0
EVENTS_OF_AN_AGENT = 100.0
"""What the start and the memory of an agent or of a slot cost, in events."""
LEARNT_WINDOW, LOOKS_IN_A_WINDOW = 30.0, 10.0
"""The window (s) of a steady state that is not given, and how often the service is evaluated in one."""
_MOST_RUNS = 10**30
_USUAL_DURATION, _USUAL_AGENTS, _USUAL_INTERVAL = 3600.0, 10.0, 5.0


@dataclass(frozen=True, slots=True)
class ExpectedEvents:
    """`events` of a run, and the key that is furthest from its usual value in the largest part of them."""

    events: float
    key: str


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of the events, and by key how much higher than usual its factors are."""

    events: float
    factors: dict[str, float]


class TooManyEvents(RecoveryBenchError, ValueError):
    """More events are expected of a scenario than `MOST_EVENTS`. One line: the key to blame, and the estimate.

    `cause` is the line without what would be valid. `argument` names the number of runs if this is what is too high.
    """

    def __init__(self, scenario: str, argument: str | None, key: str, text: str) -> None:
        self.argument = argument
        self.cause = f"{scenario}: {key}: {text}"
        super().__init__(scenario, argument, key, text)

    def __str__(self) -> str:
        return f"{self.cause}; valid: up to {MOST_EVENTS:.0e}, or force=True"


def check_events(scenario: ScenarioFields, runs: int = 1, argument: str = "replications") -> None:
    """Raise TooManyEvents if a run, or that many runs, are expected to have too many events.

    `argument` is the name of the argument that gives the number of runs.
    """
    expected = expected_events(scenario)
    if expected.events > MOST_EVENTS:
        text = f"about {expected.events:.1g} events are expected in a run"
        raise TooManyEvents(scenario.name, None, expected.key, text)
    together = expected.events * float(min(runs, _MOST_RUNS))
    if together > MOST_EVENTS:
        many = f"{runs:,}" if runs < _MOST_RUNS else "1e+30 or more"
        text = f"about {together:.1g} events are expected in {many} runs"
        raise TooManyEvents(scenario.name, argument, argument, text)


def affordable_runs(scenarios: Sequence[ScenarioFields], least: int, wanted: int) -> int:
    """The highest number of runs of each scenario up to `wanted` whose events are not too many; at least `least`."""
    together = sum(expected_events(each).events for each in scenarios)
    return (
        wanted if together * float(min(wanted, _MOST_RUNS)) <= MOST_EVENTS else max(least, int(MOST_EVENTS / together))
    )


def expected_events(scenario: ScenarioFields) -> ExpectedEvents:
    """The expected number of events of a run, infinite if it exceeds the range of numbers."""
    parts = [_agents(scenario), *_all_tasks(scenario), *_periodic(scenario), *_faults(scenario)]
    largest = max(parts, key=lambda part: part.events)
    events = sum(part.events for part in parts)
    return ExpectedEvents(events, max(largest.factors, key=lambda key: largest.factors[key]))


def _duration(scenario: ScenarioFields) -> dict[str, float]:
    return {"duration": scenario.duration / _USUAL_DURATION}


def _number(scenario: ScenarioFields) -> dict[str, float]:
    return {"agents.count": float(scenario.agents.count) / _USUAL_AGENTS}


def _often(key: str, interval: float) -> dict[str, float]:
    return {key: _per(_USUAL_INTERVAL, interval)}


def _per(amount: float, interval: float) -> float:
    return amount / interval if interval > 0 else inf


def _agents(scenario: ScenarioFields) -> _Part:
    agents = scenario.agents
    factors = _number(scenario) | {"agents.slots": float(agents.slots)}
    return _Part(float(agents.count) * float(agents.slots) * EVENTS_OF_AN_AGENT, factors)


def _all_tasks(scenario: ScenarioFields) -> list[_Part]:
    """The part of each kind of tasks, with the paths of the scenario."""
    parts = []
    for name, view in views(scenario):
        part = _tasks(view)
        factors = {written(own_path(scenario, name, tuple(key.split(".")))): of for key, of in part.factors.items()}
        parts.append(_Part(part.events, factors))
    return parts


def _tasks(scenario: ScenarioFields) -> _Part:
    arrivals, tasks, duration = scenario.tasks.arrivals, scenario.tasks, scenario.duration
    path = f"tasks.arrivals.{arrivals.kind}"
    factors = _duration(scenario)
    number = 0.0
    if isinstance(arrivals, Poisson | Diurnal):
        number, factors[f"{path}.rate"] = arrivals.rate * duration, arrivals.rate
    elif isinstance(arrivals, Interval):
        number = _per(duration, arrivals.every)
        factors[f"{path}.every"] = _per(1.0, arrivals.every)
    elif isinstance(arrivals, Burst):
        number, factors = float(arrivals.size), {f"{path}.size": float(arrivals.size)}
    elif isinstance(arrivals, Trace):
        number, factors = float(len(arrivals.values)), {f"{path}.file": 1.0}
    elif isinstance(arrivals, Closed):
        number = clients = float(arrivals.clients)
        cycle = arrivals.think.mean + tasks.work.mean
        factors[f"{path}.clients"] = clients / _USUAL_AGENTS
        if cycle > 0:
            servers = float(scenario.agents.count) * float(scenario.agents.slots)
            rate = min(clients / cycle, servers / tasks.work.mean if tasks.work.mean > 0 else inf)
            number += rate * duration
    if tasks.count is not None:
        number = min(number, float(tasks.count))
    events = number * EVENTS_OF_A_TASK
    if tasks.checkpoint is not None:
        written = min(number * tasks.work.mean, float(scenario.agents.count) * float(scenario.agents.slots) * duration)
        checkpoints = _per(written, tasks.checkpoint.every)
        if checkpoints > events:
            factors = _duration(scenario) | _often("tasks.checkpoint.every", tasks.checkpoint.every)
        events += checkpoints
    return _Part(events, factors)


def _periodic(scenario: ScenarioFields) -> list[_Part]:
    """What happens at intervals for the whole run."""
    detection, duration, count = scenario.recovery.detection, scenario.duration, float(scenario.agents.count)
    of_agents: list[tuple[str, float | None]] = [("poll", detection.poll)]
    if detection.detector != "perfect":
        of_agents.append(("heartbeat_interval", detection.heartbeat_interval))
    parts = [
        _Part(
            count * _per(duration, interval),
            _duration(scenario) | _number(scenario) | _often(f"recovery.detection.{key}", interval),
        )
        for key, interval in of_agents
        if interval is not None
    ]
    if detection.resource_probe is not None and scenario.resources:
        probes = _per(duration, detection.resource_probe) * len(scenario.resources)
        factors = _duration(scenario) | _often("recovery.detection.resource_probe", detection.resource_probe)
        parts.append(_Part(probes, factors))
    cores = scenario.recovery.cores
    if cores.count > 1:
        number = {"recovery.cores.count": float(cores.count) / _USUAL_AGENTS}
        looks = float(cores.count) * _per(duration, cores.lease.renew_every)
        often = _often("recovery.cores.lease.renew_every", cores.lease.renew_every)
        parts.append(_Part(looks + float(cores.count) * EVENTS_OF_AN_AGENT, _duration(scenario) | number | often))
    if scenario.recovery.monitor is not None:
        samples = _per(duration, scenario.recovery.monitor.every)
        factors = _duration(scenario) | _often("recovery.monitor.every", scenario.recovery.monitor.every)
        parts.append(_Part(samples, factors))
    window = LEARNT_WINDOW if scenario.steady_state is None else scenario.steady_state.window
    often = {} if scenario.steady_state is None else _often("steady_state.window", window)
    parts.append(_Part(LOOKS_IN_A_WINDOW * _per(duration, window), _duration(scenario) | often))
    return parts


def _surge(scenario: ScenarioFields, key: str, surge: LoadSurge) -> _Part:
    """The additional tasks of a surge, which lasts to the end if it is repeated."""
    is_short = surge.for_ is not None and surge.every is None
    share = min(1.0, surge.for_.mean / scenario.duration) if is_short and surge.for_ is not None else 1.0
    events = _tasks(scenario).events * (surge.factor - 1) * share
    if scenario.tasks.count is not None:
        events = min(events, scenario.tasks.count * EVENTS_OF_A_TASK)
    return _Part(events, {key: surge.factor})


def _faults(scenario: ScenarioFields) -> list[_Part]:
    """Random crashes, faults that are repeated, surges, and agents that flap."""
    duration, count = scenario.duration, float(scenario.agents.count)
    intervals: list[tuple[str, float, Any]] = [("agents.mtbf", count, scenario.agents.mtbf)]
    intervals += [
        (f"faults[{number}].{fault.kind}.every", 1.0, fault.every) for number, fault in enumerate(scenario.faults)
    ]
    surges = [
        _surge(scenario, f"faults[{number}].{fault.kind}.factor", fault)
        for number, fault in enumerate(scenario.faults)
        if isinstance(fault, LoadSurge) and fault.factor > 1
    ]
    flaps = [
        _Part(EVENTS_OF_A_TASK * _per(duration, fault.down.mean + fault.up.mean), {f"{key}.down": 1.0})
        for number, fault in enumerate(scenario.faults)
        if isinstance(fault, AgentFlap) and (key := f"faults[{number}].{fault.kind}")
    ]
    return [*surges, *flaps] + [
        _Part(many * EVENTS_OF_A_TASK * _per(duration, each.mean), _duration(scenario) | _often(key, each.mean))
        for key, many, each in intervals
        if each is not None and isfinite(each.mean)
    ]
