"""Warnings about retries of many tasks at one moment, and about retries of retries."""

from __future__ import annotations

from collections.abc import Iterator

from scenarios.consistency.attempt_times import mean_attempt
from scenarios.consistency.inconsistency import Inconsistency, InconsistencyKind, time
from scenarios.faults import (
    AgentCrash,
    AgentHang,
    AnyFault,
    ExecutionFailure,
    Group,
    Partition,
    QueueBlocked,
    ResourceUnavailable,
    each,
)
from scenarios.faults.targets import KindTargets, PoolTargets
from scenarios.offered_load import arrival_rate
from scenarios.schema import ScenarioFields
from scenarios.sections.arrivals import Burst, Closed
from scenarios.sections.policies import Policy
from scenarios.task_views import views

LEAST = 5
"""Retries at one moment that are worth a warning, at least."""
PART = 0.5
"""And the share of all slots that they are."""


def about_waves(scenario: ScenarioFields) -> Iterator[Inconsistency]:
    """Failures at one moment whose retries come at one moment, and retries of a client on top of those of its task."""
    if scenario.recovery.load is None:
        yield from _of_recoveries(scenario)
    yield from _of_clients(scenario)
    yield from _layered(scenario)


# ------------------------------------------------------------------------------------ at one moment
def in_service(scenario: ScenarioFields) -> float:
    """Mean number of tasks that are executed at once: λ · E[S], up to the number of slots; all slots where the rate of
    arrivals is not known (Little's law).
    """
    slots = float(scenario.agents.count * scenario.agents.slots)
    rate = arrival_rate(scenario)
    return slots if rate is None else min(slots, rate * mean_attempt(scenario))


def _of_recoveries(scenario: ScenarioFields) -> Iterator[Inconsistency]:
    slots = scenario.agents.count * scenario.agents.slots
    found = set()
    for number, fault in enumerate(scenario.faults):
        for single in each([fault]):
            kind, together = _fails_together(scenario, single)
            policy = getattr(scenario.recovery.conditions, kind, None) if kind else None
            if (
                policy is None
                or kind in found
                or not _in_step(policy)
                or together < max(LEAST, PART * _all(scenario, kind, slots))
            ):
                continue
            found.add(kind)
            path = f"recovery.conditions.{kind}"
            what = "agents" if kind == "agent_failure" else "tasks"
            member = single.kind if isinstance(fault, Group) else ""
            yield Inconsistency(
                InconsistencyKind.SYNCHRONISED_RETRIES,
                (f"{path}.jitter", f"faults[{number}].{fault.kind}"),
                {"retries at one moment": together, "retry_delay": policy.retry_delay},
                f"{member or fault.kind} makes about {together:.3g} {what} fail at one moment, and without jitter all "
                f"are retried at one moment, {time(policy.retry_delay)} later",
                "jitter: full",
            )


def _all(scenario: ScenarioFields, kind: str, slots: int) -> int:
    return scenario.agents.count if kind == "agent_failure" else slots


def _fails_together(scenario: ScenarioFields, fault: AnyFault) -> tuple[str, float]:
    """The kind of failure, and how many of them a fault causes at one moment."""
    match fault:
        case ExecutionFailure():
            return "task_failure", _targeted(fault.targets, _running(scenario, fault.targets))
        case AgentCrash() | AgentHang():
            return "agent_failure", _targeted(fault.targets, members(scenario, fault.targets))
        case ResourceUnavailable():
            return "resource_failure", losers(scenario, fault)
    return "", 0.0


def losers(scenario: ScenarioFields, fault: ResourceUnavailable) -> float:
    """Mean number of running tasks that lose a unit of a pool, each unit with the same probability."""
    needed, units = scenario.tasks.needs.get(fault.resource, 0), scenario.resources[fault.resource].units
    if not needed:
        return 0.0
    kept = max(0.0, 1 - fault.units / units) ** needed
    return min(in_service(scenario), units // needed) * (1 - kept)


def members(scenario: ScenarioFields, targets: object) -> int:
    """The number of agents that a fault can affect: those of its pool, or all. A view may lack the pool."""
    if isinstance(targets, PoolTargets):
        pool = scenario.agents.pools.get(targets.pool)
        return 0 if pool is None else pool.count
    return scenario.agents.count


def _running(scenario: ScenarioFields, targets: object) -> float:
    """The mean number of tasks that are executed at once, of one kind if the targets are of one."""
    if isinstance(targets, KindTargets):
        return next((in_service(view) for name, view in views(scenario) if name == targets.kind), 0.0)
    return in_service(scenario)


def _targeted(targets: object, there: float) -> float:
    match targets:
        case PoolTargets() | KindTargets():
            return _targeted(targets.amount, there)
        case "all":
            return there
        case int(number):
            return min(float(number), there)
        case float(share):
            return share * there
        case tuple(names):
            return min(float(len(dict.fromkeys(names))), there)
    return 0.0


def _in_step(policy: Policy) -> bool:
    """Whether retries of failures at one moment come at one later moment. A retry without delay adds no wait."""
    return policy.jitter == "none" and policy.retry_delay > 0 and policy.max_retries != 0


def _of_clients(scenario: ScenarioFields) -> Iterator[Inconsistency]:
    """Requests that time out together: those of a burst, and those of clients that wait for a service that is out."""
    client, arrivals = scenario.tasks.client, scenario.tasks.arrivals
    if client.timeout is None or not client.max_retries or client.jitter != "none" or client.late_answer == "accept":
        return
    slots = scenario.agents.count * scenario.agents.slots
    every, paths = client.timeout + client.retry_delay, ("tasks.client.jitter", f"tasks.arrivals.{arrivals.kind}")
    if isinstance(arrivals, Burst):
        served = slots * client.timeout / max(mean_attempt(scenario), 1e-9)
        late = arrivals.size - served
        if late >= max(LEAST, PART * slots):
            yield Inconsistency(
                InconsistencyKind.SYNCHRONISED_RETRIES,
                paths,
                {"retries at one moment": late, "timeout": client.timeout},
                f"of {arrivals.size:,} requests at one moment, about {late:,.0f} time out at one moment, and without "
                f"jitter all are repeated at one moment, {time(every)} after they were made",
                "jitter: full",
            )
    elif isinstance(arrivals, Closed) and arrivals.clients >= max(LEAST, PART * slots):
        cycle = arrivals.think.mean + mean_attempt(scenario)
        fault = _stops_all(scenario, client.timeout)
        if fault and cycle < every:
            yield Inconsistency(
                InconsistencyKind.SYNCHRONISED_RETRIES,
                (*paths, fault),
                {"retries at one moment": float(arrivals.clients), "interval": every, "width": cycle},
                f"during {fault.partition('.')[2]}, {arrivals.clients:,} clients that asked within about {time(cycle)} "
                f"of each other all time out, and without jitter repeat their requests in waves, every {time(every)}",
                "jitter: full",
            )


def _stops_all(scenario: ScenarioFields, timeout: float) -> str:
    """The path of a fault that stops all work for longer than a client waits; empty if there is none."""
    for number, fault in enumerate(scenario.faults):
        for single in each([fault]):
            stops = isinstance(single, QueueBlocked) or (
                isinstance(single, Partition) and set(single.between) == {"agents", "queue"}
            )
            lasts = getattr(fault, "for_", None)
            if stops and (lasts is None or lasts.mean > timeout):
                return f"faults[{number}].{fault.kind}"
    return ""


# ------------------------------------------------------------------------------------ on top of each other
def _layered(scenario: ScenarioFields) -> Iterator[Inconsistency]:
    """Retries of a client on top of the retries of its task, with no budget that limits their product."""
    client, policy = scenario.tasks.client, scenario.recovery.conditions.task_failure
    if not client.max_retries or policy is None or policy.max_retries == 0:
        return
    if client.budget is not None or policy.budget is not None or not _can_fail(scenario):
        return
    requests = client.max_retries + 1
    paths = ("tasks.client.max_retries", "recovery.conditions.task_failure.max_retries")
    if policy.max_retries is None:
        figures = {"tasks of a request": float(requests)}
        product = f"{requests} tasks of a request, each with any number of attempts"
    else:
        attempts = policy.max_retries + 1
        figures = {"attempts of a request": float(requests * attempts)}
        product = (
            f"{requests} tasks of a request × {attempts} attempts of each = {requests * attempts} attempts in place of "
            "one, when all fail"
        )
    yield Inconsistency(
        InconsistencyKind.LAYERED_RETRIES,
        paths,
        figures,
        f"a client repeats what the recovery has already retried: {product}",
        "retries at one of the two, or a budget at one of them",
    )


def _can_fail(scenario: ScenarioFields) -> bool:
    """Whether attempts can fail, so that tasks are retried."""
    tasks = scenario.tasks
    faults = (ExecutionFailure,)
    injected = any(isinstance(single, faults) for fault in scenario.faults for single in each([fault]))
    return bool(tasks.failure_probability or tasks.timeout is not None or injected)
