"""Contradictions between parts of a scenario that are valid individually."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from pydantic_core import PydanticCustomError

from recovery.model import TASK_KINDS
from scenarios.endless import endless
from scenarios.errors import Path, instead, shown
from scenarios.faults import (
    AgentCrash,
    AgentFlap,
    AgentHang,
    AgentSlow,
    AnyFault,
    CheckpointCorrupt,
    CheckpointStale,
    CheckpointTorn,
    ClockSkew,
    Group,
    LoadSurge,
    MessageDelay,
    MessageLoss,
    Partition,
    ResourceDegraded,
    ResourceLeak,
    ResourceUnavailable,
    StorageFailure,
    StorageSlow,
    each,
)
from scenarios.faults.clocks import QUEUE
from scenarios.faults.trigger import FAULT, STEP
from scenarios.fields.expectations import known_metric
from scenarios.fields.tolerances import metric_of
from scenarios.parts import contradictions_of_parts, parts_of_faults
from scenarios.schema import ScenarioFields
from scenarios.sections.arrivals import Burst, Closed, Interval, Trace
from scenarios.task_views import any_task, own_path, views

Contradiction = tuple[Path, str]


def first_contradiction(scenario: ScenarioFields) -> Contradiction | None:
    """Position and message of the first contradiction; None when there is none."""
    checks = (contradictions_of_parts, parts_of_faults, _warmup, _of_tasks, _breakers, _faults, _observations)
    return next(chain.from_iterable(check(scenario) for check in checks), None)


def first_contradiction_of_faults(scenario: ScenarioFields) -> Contradiction | None:
    """As `first_contradiction`, for a valid scenario of which the faults alone were replaced."""
    checks = (parts_of_faults, _of_tasks, _faults)
    return next(chain.from_iterable(check(scenario) for check in checks), None)


def _faults(scenario: ScenarioFields) -> Iterator[Contradiction]:
    for number, fault in enumerate(scenario.faults):
        path: Path = ("faults", number, fault.kind)
        found = _group(scenario, fault) if isinstance(fault, Group) else _fault(scenario, fault)
        for below, problem in (*found, *_when(scenario, number, fault)):
            yield path + below, problem


def _observations(scenario: ScenarioFields) -> Iterator[Contradiction]:
    """Metrics that are unknown, or never observed."""
    if scenario.steady_state is not None and not scenario.tasks.clients_wait:
        for number, condition in enumerate(scenario.steady_state.holds):
            if condition.metric.startswith("client."):
                path: Path = ("steady_state", "holds", number)
                yield path, f"{condition.metric} is never observed here; valid: with tasks.client"
    for number, expectation in enumerate(scenario.expect):
        try:
            known_metric(expectation.metric, scenario.parts)
        except PydanticCustomError as error:
            yield ("expect", number), error.message()
        if expectation.metric.startswith("cost.") and scenario.cost is None:
            yield ("expect", number), f"{expectation.metric} is never observed here; valid: with the prices of `cost`"
    for name in scenario.tolerances:
        try:
            metric_of(name, scenario.parts)
        except PydanticCustomError as error:
            yield ("tolerances", name), error.message()


def _of_tasks(scenario: ScenarioFields) -> Iterator[Contradiction]:
    """Contradictions of single tasks, for each kind of them."""
    for name, view in views(scenario):
        for place, problem in (*_times(view), *_needs(view), *endless(view)):
            yield own_path(scenario, name, place), problem


def _warmup(scenario: ScenarioFields) -> Iterator[Contradiction]:
    duration = scenario.duration
    if scenario.warmup >= duration:
        yield (
            ("warmup",),
            f"{_time(scenario.warmup)} leaves nothing to measure; valid: less than duration, {_time(duration)}",
        )


def _times(scenario: ScenarioFields) -> Iterator[Contradiction]:
    duration = scenario.duration
    arrivals = scenario.tasks.arrivals
    if isinstance(arrivals, Closed) and arrivals.think.mean == 0 and scenario.tasks.work.mean == 0:
        yield ("tasks", "arrivals", "closed", "think"), "time would never advance; valid: think or work of more than 0"
    if isinstance(arrivals, Burst) and arrivals.at > duration:
        path: Path = ("tasks", "arrivals", "burst", "at")
        yield path, f"{_time(arrivals.at)} is after the end; valid: up to duration, {_time(duration)}"
    yield from _no_submission(scenario)


def _no_submission(scenario: ScenarioFields) -> Iterator[Contradiction]:
    """Arrivals of which the first is at the end of the run, or later. Random ones are not judged.

    An interval longer than the run is how a scenario of recoveries alone, with faults and without tasks, is written.
    """
    arrivals = scenario.tasks.arrivals
    first: float | None = None
    key = ""
    if isinstance(arrivals, Burst):
        first, key = arrivals.at, "at"
    elif isinstance(arrivals, Interval) and not (scenario.faults or scenario.agents.mtbf):
        first, key = arrivals.every, "every"
    elif isinstance(arrivals, Closed):
        first, key = arrivals.think.constant, "think"
    elif isinstance(arrivals, Trace):
        first, key = float(arrivals.values[0]), "file"
    if first is None or first < scenario.duration:
        return
    if not isinstance(arrivals, Burst | Closed) and any(
        isinstance(each_, LoadSurge) for each_ in each(scenario.faults)
    ):
        return  # a surge brings arrivals forward
    nothing = f"the first task would arrive at {_time(first)}, and nothing would be submitted"
    yield ("tasks", "arrivals", arrivals.kind, key), f"{nothing}; valid: less than duration, {_time(scenario.duration)}"


def _breakers(scenario: ScenarioFields) -> Iterator[Contradiction]:
    """Only tasks have attempts."""
    for kind, condition in scenario.recovery.conditions:
        if kind in TASK_KINDS or condition is None:
            continue
        policies = {(): condition} | {("by_error", code): policy for code, policy in condition.by_error.items()}
        for below, policy in policies.items():
            if policy.breaker is not None and policy.breaker.counts == "attempts":
                path: Path = ("recovery", "conditions", kind, *below, "breaker", "counts")
                yield path, f"{kind} has no attempts at tasks; valid: tries"


def _needs(scenario: ScenarioFields) -> Iterator[Contradiction]:
    for name, units in scenario.tasks.needs.items():
        path: Path = ("tasks", "needs", name)
        pool = scenario.resources.get(name)
        if pool is None:
            yield path, _unknown_resource(scenario, name)
        elif units > pool.units:
            yield path, f"{units} can never be allocated; valid: up to {pool.units}, the units of {name}"


def _fault(scenario: ScenarioFields, fault: AnyFault) -> Iterator[Contradiction]:
    if isinstance(fault, ClockSkew):
        yield from _clocks(scenario, fault)
    elif isinstance(fault, AgentCrash | AgentHang | AgentSlow | AgentFlap):
        yield from _agent_targets(scenario, fault)
    elif isinstance(fault, Partition | MessageLoss | MessageDelay):
        yield from _endpoints(scenario, fault)
    elif isinstance(fault, ResourceUnavailable | ResourceDegraded | ResourceLeak):
        yield from _pool(scenario, fault)
    elif isinstance(fault, CheckpointCorrupt | CheckpointTorn | CheckpointStale | StorageFailure | StorageSlow):
        if all(tasks.checkpoint is None for tasks in any_task(scenario)):
            yield (), "no task writes checkpoints; valid: with tasks.checkpoint only"
    elif isinstance(fault, LoadSurge) and all(isinstance(tasks.arrivals, Burst) for tasks in any_task(scenario)):
        yield (), "a burst arrives at one instant and cannot be faster; valid: with other arrivals"
    if isinstance(fault, AgentFlap) and fault.down.mean + fault.up.mean == 0:
        yield ("up",), "time would never advance; valid: down or up of more than 0"


def _clocks(scenario: ScenarioFields, fault: ClockSkew) -> Iterator[Contradiction]:
    """A skewed clock must be in use."""
    if fault.of_cores:
        if isinstance(fault.targets, tuple):
            for place, name in enumerate(fault.targets):
                yield from ((("targets", place), problem) for problem in _unknown_core(scenario, name))
    elif fault.targets != QUEUE:
        yield from _agent_targets(scenario, fault)
        if scenario.recovery.detection.detector == "perfect" and all(
            tasks.timeout is None for tasks in any_task(scenario)
        ):
            yield ("targets",), "agents use no clock here; valid: with another detector, or with tasks.timeout"
    elif all(queue.ack_timeout is None for queue in (scenario.queues or {"": scenario.queue}).values()):
        yield ("targets",), "the queue uses no clock here; valid: with queue.ack_timeout"


def _group(scenario: ScenarioFields, group: Group) -> Iterator[Contradiction]:
    for number, fault in enumerate(group.faults):
        path: Path = ("faults", number, fault.kind)
        yield from ((path + below, problem) for below, problem in _fault(scenario, fault))
    if group.for_ is not None and not any(fault.lasts() for fault in group.faults):
        yield ("for",), "none of these faults has a duration; valid: omit 'for'"


def _when(scenario: ScenarioFields, number: int, fault: AnyFault | Group) -> Iterator[Contradiction]:
    """Contradictions between a condition and the rest of the scenario: unknown pools, steps and faults."""
    trigger = fault.when
    if trigger is None:
        return
    if trigger.about.startswith("resources.") and trigger.name not in scenario.resources:
        yield ("when",), _unknown_resource(scenario, trigger.name)
    if trigger.about == STEP:
        steps = dict.fromkeys(
            step.command for _, entry in scenario.recovery.in_force.entries() for step in entry.recovery
        )
        if trigger.value not in steps:
            yield (
                ("when",),
                f"{trigger.value} is not a step of a recovery; {instead(str(trigger.value), steps, 'valid')}",
            )
    if trigger.about != FAULT:
        return
    others = [other for place, other in enumerate(scenario.faults) if place != number]
    named = [other for other in others if trigger.name in _kinds(other)]
    if not named:
        kinds = dict.fromkeys(kind for other in others for kind in _kinds(other))
        valid = instead(trigger.name, kinds, "valid") if kinds else "valid: another fault, and there are none"
        yield ("when",), f"no other fault is {shown(trigger.name)}; {valid}"
    elif trigger.value == "cleared" and not any(_ends(other, trigger.name) for other in named):
        yield ("when",), f"{trigger.name} does not end by itself here; valid: injected"


def _kinds(fault: AnyFault | Group) -> dict[str, None]:
    """The kind of a fault, and for a group the kinds of its members."""
    return dict.fromkeys((fault.kind, *(member.kind for member in each([fault]))))


def _ends(fault: AnyFault | Group, kind: str) -> bool:
    """Whether the fault of this kind ends by itself."""
    same = [single for single in (fault, *each([fault])) if single.kind == kind]
    lasts = getattr(fault, "for_", None) is not None and any(single.lasts() for single in same)
    return lasts or any(isinstance(single, AgentFlap) for single in same)


def _endpoints(scenario: ScenarioFields, fault: Partition | MessageLoss | MessageDelay) -> Iterator[Contradiction]:
    if fault.between is None:
        if fault.one_way:
            yield ("one_way",), "requires two endpoints; valid: with between only"
        return
    for place, endpoint in enumerate(fault.between):
        yield from ((("between", place), problem) for problem in _unknown_agent(scenario, endpoint))
        yield from ((("between", place), problem) for problem in _unknown_core(scenario, endpoint))
    if all(endpoint.startswith("agent") for endpoint in fault.between):
        yield ("between",), "agents do not exchange messages; valid: queue and core, or agents and one of them"


def _pool(
    scenario: ScenarioFields, fault: ResourceUnavailable | ResourceDegraded | ResourceLeak
) -> Iterator[Contradiction]:
    pool = scenario.resources.get(fault.resource)
    if pool is None:
        yield ("resource",), _unknown_resource(scenario, fault.resource)
    elif not isinstance(fault, ResourceDegraded) and fault.units > pool.units:
        yield (
            ("units",),
            f"{fault.units} exceeds the size of the pool; valid: up to {pool.units}, the units of {fault.resource}",
        )


def _agent_targets(
    scenario: ScenarioFields, fault: AgentCrash | AgentHang | AgentSlow | AgentFlap | ClockSkew
) -> Iterator[Contradiction]:
    targets = fault.targets
    count = scenario.agents.count
    if isinstance(targets, int) and targets > count:
        yield ("targets",), f"{targets} exceeds the number of agents; valid: up to {count}"
    if isinstance(targets, tuple):
        for place, name in enumerate(targets):
            yield from ((("targets", place), problem) for problem in _unknown_agent(scenario, name))


def _unknown_agent(scenario: ScenarioFields, name: str) -> Iterator[str]:
    count = scenario.agents.count
    if name.startswith("agent.") and int(name.removeprefix("agent.")) >= count:
        last = f"agent.{count - 1}"
        valid = f"agent.0 … {last}" if count > 1 else last
        yield f"{shown(name)} does not exist; valid: {valid} (nearest: '{last}')"


def _unknown_core(scenario: ScenarioFields, name: str) -> Iterator[str]:
    count = scenario.recovery.cores.count
    if name.startswith("core.") and int(name.removeprefix("core.")) >= count:
        valid = "core.0" if count == 1 else f"core.0 … core.{count - 1}"
        yield f"{shown(name)} does not exist; valid: {valid}, as recovery.cores says"


def _unknown_resource(scenario: ScenarioFields, name: str) -> str:
    if not scenario.resources:
        return f"unknown resource {shown(name)}; valid: one of resources, and there are none"
    return f"unknown resource {shown(name)}; {instead(name, scenario.resources, 'valid')}"


def _time(value: float) -> str:
    return f"{value:g}s"
