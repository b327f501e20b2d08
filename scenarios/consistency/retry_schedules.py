"""Warnings about retries: schedules that end before the outage, and limits that contradict each other."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from math import inf

from recovery.policies.retry import RetryPolicy
from scenarios.consistency.attempt_times import attempt_time, mean_attempt
from scenarios.consistency.inconsistency import Inconsistency, InconsistencyKind, at_least, time
from scenarios.consistency.retry_waves import losers, members
from scenarios.faults import AgentSlow, AnyFault, DependencyDown, Group, Partition, QueueBlocked, ResourceUnavailable
from scenarios.faults.targets import PoolTargets
from scenarios.fields.distributions import AnyDistribution
from scenarios.offered_load import arrival_rate
from scenarios.schema import ScenarioFields
from scenarios.sections.policies import Policy

COUNTED = 10_000
"""The number of retries up to which delays are added up."""
MIDDLE = 0.5
"""The random number of a typical delay: without a cap, it gives the mean delay of each kind of jitter."""


def about_retries(scenario: ScenarioFields) -> Iterator[Inconsistency]:
    """Retries and requests that end before an outage, and limits of one policy that contradict each other."""
    yield from _outages_of_resources(scenario)
    yield from _outages_of_dependencies(scenario)
    yield from _slow_times(scenario)
    yield from _partitions(scenario)
    yield from _outages_of_clients(scenario)
    for kind, condition in scenario.recovery.conditions:
        if condition is not None:
            yield from _limits(f"recovery.conditions.{kind}", condition)
            for code, policy in condition.by_error.items():
                yield from _limits(f"recovery.conditions.{kind}.by_error.{code}", policy)


def delays(policy: RetryPolicy) -> Iterator[float]:
    """The typical delay before each retry that `max_retries` allows, up to `COUNTED`."""
    previous = None
    for retry in range(1, COUNTED + 1):
        if not policy.allows(retry):
            return
        previous = policy.unlimited_delay(retry, MIDDLE, previous)
        yield previous


def span(policy: RetryPolicy | None) -> float:
    """The time from the first failure to the last retry that a policy makes; infinite without a limit."""
    if policy is None:
        return 0.0
    total = inf if policy.max_retries is None else sum(delays(policy))
    return total if policy.deadline is None else min(total, policy.deadline)


# ------------------------------------------------------------------------------------------- outages
def _placed(scenario: ScenarioFields) -> Iterator[tuple[str, AnyFault, AnyDistribution | None]]:
    """Each fault with the path of the fault or group that has its duration, and the duration."""
    for number, fault in enumerate(scenario.faults):
        path = f"faults[{number}].{fault.kind}"
        if isinstance(fault, Group):
            for member in fault.faults:
                yield path, member, fault.for_ if member.lasts() else None
        else:
            yield path, fault, getattr(fault, "for_", None)


def _outage(scenario: ScenarioFields, fault: AnyFault, duration: AnyDistribution | None) -> float:
    """The mean duration of an outage in seconds; one without an end lasts until the end of the run."""
    begin = fault.at or 0.0
    return max(0.0, scenario.duration - begin) if duration is None else duration.mean


def _outages_of_resources(scenario: ScenarioFields) -> Iterator[Inconsistency]:
    """Tasks that lost their resources, and too few units are left: for one task, or for the tasks that arrive."""
    rate = arrival_rate(scenario) or 0.0
    condition = scenario.recovery.conditions.resource_failure
    for path, fault, duration in _placed(scenario):
        if not isinstance(fault, ResourceUnavailable):
            continue
        needed = scenario.tasks.needs.get(fault.resource, 0)
        left = (scenario.resources[fault.resource].units - fault.units) // needed if needed else 0
        if not needed or (left and rate * mean_attempt(scenario) < left):
            continue
        yield from _too_short(
            scenario, "resource_failure", condition, path, fault, duration, 0.0, losers(scenario, fault)
        )


def _outages_of_dependencies(scenario: ScenarioFields) -> Iterator[Inconsistency]:
    """Attempts that call a dependency which is down: those that begin early in the outage are not retried after it."""
    condition = scenario.recovery.conditions.task_failure
    own = None if condition is None else condition.by_error.get("dependency_down")
    kind = "task_failure" if own is None else "task_failure.by_error.dependency_down"
    for path, fault, duration in _placed(scenario):
        if isinstance(fault, DependencyDown) and fault.dependency in scenario.tasks.calls:
            early = max(0.0, _outage(scenario, fault, duration) - span(own or condition))
            rate = arrival_rate(scenario) or 0.0
            yield from _too_short(scenario, kind, own or condition, path, fault, duration, 0.0, rate * early)


def _slow_times(scenario: ScenarioFields) -> Iterator[Inconsistency]:
    """Attempts that exceed their time limit while every agent is slow."""
    timeout = scenario.tasks.timeout
    condition = scenario.recovery.conditions.task_failure
    for path, fault, duration in _placed(scenario):
        if timeout is None or not isinstance(fault, AgentSlow) or not _hits_all(scenario, fault):
            continue
        slow = attempt_time(scenario, scenario.tasks.work.mean) * fault.factor
        if slow > timeout:
            attempts = 1 if condition is None or condition.max_retries is None else condition.max_retries + 1
            more, rate = attempts * timeout, arrival_rate(scenario) or 0.0
            hit = rate * max(0.0, _outage(scenario, fault, duration) - span(condition) - more)
            yield from _too_short(scenario, "task_failure", condition, path, fault, duration, more, hit)


def _partitions(scenario: ScenarioFields) -> Iterator[Inconsistency]:
    """Connections that can be reset only after a partition, and tries that end before it. Without a limit, a try
    waits for the end of the partition.
    """
    condition = scenario.recovery.conditions.communication_failure
    if condition is None or condition.try_timeout is None or condition.max_retries is None:
        return
    for path, fault, duration in _placed(scenario):
        if isinstance(fault, Partition):
            tries = (condition.max_retries + 1) * condition.try_timeout
            yield from _too_short(scenario, "communication_failure", condition, path, fault, duration, tries)


def _too_short(
    scenario: ScenarioFields,
    kind: str,
    condition: Policy | None,
    path: str,
    fault: AnyFault,
    duration: AnyDistribution | None,
    more: float,
    escalated: float = 0.0,
) -> Iterator[Inconsistency]:
    """A warning if the last retry comes before the end of an outage. `escalated`: the mean number of tasks that do not
    outlast it; 0 if it is not known.
    """
    outage, lasts = _outage(scenario, fault, duration), span(condition) + more
    if lasts >= outage:
        return
    policy = f"recovery.conditions.{kind}"
    if condition is None:
        made = f"its {scenario.recovery.unconditional_tries} tries are made at once, as it has no condition"
    elif condition.max_retries == 0:
        made = "it is not retried"
    else:
        made = f"the last of {condition.max_retries} retries is made {time(lasts)} after the failure"
        if condition.deadline is not None and condition.deadline <= lasts - more:
            made = f"the deadline refuses retries later than {time(condition.deadline)} after the failure"
    ends = "to the end of the run" if duration is None else f"for {time(outage)}"
    yield Inconsistency(
        InconsistencyKind.RETRY_SCHEDULE,
        (policy, path if duration is None else f"{path}.for"),
        {
            "time of the last retry": lasts,
            "outage": outage,
            **({"escalations": escalated} if escalated else {}),
        },
        f"{made}, and {fault.kind} lasts {ends}: {_who(escalated)} escalated before it ends",
        _longer(condition, outage - more),
    )


def _who(escalated: float) -> str:
    """What fails at the beginning of an outage, with its mean number where it is known."""
    number = round(escalated)
    if not number:
        return "what fails at its beginning is"
    if number == 1:
        return "about 1 task that fails at its beginning is"
    return f"about {number:,} tasks that fail at its beginning are"


def _longer(condition: Policy | None, outage: float) -> str:
    """The smallest number of retries whose schedule lasts as long as the outage."""
    if condition is None:
        return f"a condition whose retries last {time(at_least(outage))} or more"
    total, unlimited = 0.0, condition.model_copy(update={"max_retries": None})
    for retry, delay in enumerate(islice(delays(unlimited), COUNTED), 1):
        total += delay
        if total >= outage:
            deadline = condition.deadline
            limited = "" if deadline is None or deadline >= outage else f" and a deadline of {time(at_least(outage))}"
            return f"max_retries of {retry} or more{limited}, or longer delays"
    return f"delays that add up to {time(at_least(outage))} or more"


def _outages_of_clients(scenario: ScenarioFields) -> Iterator[Inconsistency]:
    """Outages of the whole service that last longer than all requests of a client."""
    client = scenario.tasks.client
    if client.timeout is None or client.max_retries == 0 or client.late_answer == "accept":
        return
    policy = RetryPolicy(
        max_retries=client.max_retries,
        retry_delay=client.retry_delay,
        backoff=client.backoff,
        multiplier=client.multiplier,
        max_delay=client.max_delay,
        jitter=client.jitter,
        spread=client.spread,
    )
    lasts = span(policy) + (client.max_retries + 1) * client.timeout - mean_attempt(scenario)
    for path, fault, duration in _placed(scenario):
        if not _stops_all(scenario, fault):
            continue
        outage = _outage(scenario, fault, duration)
        if lasts < outage:
            yield Inconsistency(
                InconsistencyKind.CLIENT_RETRIES,
                ("tasks.client", path if duration is None else f"{path}.for"),
                {"time of the last request that can be answered": lasts, "outage": outage},
                f"a client gives up {time(max(0.0, lasts))} after its request at the latest, "
                f"and {fault.kind} lasts {time(outage)}: requests from its beginning are abandoned before it ends",
                f"timeouts and delays that add up to {time(at_least(outage))} or more",
            )


def _hits_all(scenario: ScenarioFields, fault: AgentSlow) -> bool:
    match fault.targets:
        case PoolTargets(amount="all" | 1.0):
            return members(scenario, fault.targets) == scenario.agents.count
        case "all" | 1.0:
            return True
        case int(number):
            return number >= scenario.agents.count
        case tuple(names):
            return len(dict.fromkeys(names)) >= scenario.agents.count
    return False


def _stops_all(scenario: ScenarioFields, fault: AnyFault) -> bool:
    """Whether no task is executed during the fault, whatever the core does."""
    if isinstance(fault, QueueBlocked):
        return True
    return isinstance(fault, Partition) and set(fault.between) == {"agents", "queue"}


# -------------------------------------------------------------------------------- limits of one policy
def _limits(path: str, policy: Policy) -> Iterator[Inconsistency]:
    first = policy.retry_delay
    if policy.max_delay is not None and policy.max_delay < first:
        yield Inconsistency(
            InconsistencyKind.MAX_DELAY,
            (f"{path}.max_delay", f"{path}.retry_delay"),
            {"max_delay": policy.max_delay, "retry_delay": first},
            f"max_delay {time(policy.max_delay)} is below retry_delay {time(first)}, which has no effect",
            f"max_delay of {time(first)} or more",
        )
    if policy.deadline is not None and policy.max_retries:
        total, made = 0.0, 0
        for delay in delays(policy):
            total += delay
            made += total <= policy.deadline
        if made < policy.max_retries:
            yield Inconsistency(
                InconsistencyKind.DEADLINE,
                (f"{path}.deadline", f"{path}.max_retries"),
                {"deadline": policy.deadline, "sum of the delays": total},
                f"the delays of {policy.max_retries} retries add up to {time(total)}, and the deadline of "
                f"{time(policy.deadline)} allows {made} of them",
                f"a deadline of {time(at_least(total))} or more, or max_retries of {made}",
            )
    if policy.budget is not None and policy.max_retries and policy.budget.tokens < policy.max_retries:
        yield Inconsistency(
            InconsistencyKind.BUDGET,
            (f"{path}.budget.tokens", f"{path}.max_retries"),
            {"tokens": policy.budget.tokens, "max_retries": float(policy.max_retries)},
            f"the budget of all tasks together has {policy.budget.tokens:g} retries, and one task may need "
            f"{policy.max_retries}",
            f"{policy.max_retries} tokens or more",
        )
