"""Contradictions of a scenario in which the same things would be repeated without end while no time passes.

Only what is certain is refused here; a run that comes to such a repetition by chance ends with `sim.loop.Livelock`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from scenarios.errors import Path
from scenarios.faults import PoisonTask, each
from scenarios.fields.distributions import Distribution
from scenarios.schema import ScenarioFields
from scenarios.sections.policies import Policy

MOST = 10_000
"""From this limit on, what is repeated at one instant counts as endless."""
EXECUTION_ERROR = "execution_error"
"""The error code of attempts that fail by `tasks.failure_probability`."""


def endless(scenario: ScenarioFields) -> Iterator[tuple[Path, str]]:
    """Position and message of what would be repeated without end."""
    yield from _clients(scenario)
    if not _takes_no_time((scenario.queue.latency, scenario.network.latency)) or _is_limited(scenario):
        return
    yield from _poison(scenario)
    yield from _retries(scenario)


def _clients(scenario: ScenarioFields) -> Iterator[tuple[Path, str]]:
    """A request that is rejected is repeated at once, and rejected again."""
    client = scenario.tasks.client
    tokens = MOST if client.budget is None else client.budget.tokens
    if scenario.queue.capacity is not None and client.retry_delay == 0 and min(client.max_retries, tokens) >= MOST:
        problem = (
            f"a rejected request would be repeated {client.max_retries} times while no time passes; valid: less than "
            f"{MOST}, or a retry_delay above 0s"
        )
        yield ("tasks", "client", "max_retries"), problem


def _poison(scenario: ScenarioFields) -> Iterator[tuple[Path, str]]:
    """Its agent's crash is detected at once, and the agent is restarted at once."""
    faults = list(each(scenario.faults))
    if (
        faults
        and all(isinstance(fault, PoisonTask) for fault in faults)
        and scenario.recovery.detection.detector == "perfect"
        and _takes_no_time([scenario.agents.restart_time])
        and _repeats_at_once(scenario.recovery.conditions.agent_failure)
    ):
        problem = (
            "a poison task would crash its agents without end while no time passes: each crash is detected at once, "
            "and each agent restarts at once; valid: above 0s, a detector other than perfect, a limit by "
            "queue.max_deliveries or recovery.conditions.agent_failure.max_retries"
        )
        yield ("agents", "restart_time"), problem


def _retries(scenario: ScenarioFields) -> Iterator[tuple[Path, str]]:
    """Attempts that take no time fail, each, and are retried at once."""
    tasks, condition = scenario.tasks, scenario.recovery.conditions.task_failure
    policy = condition if condition is None else condition.by_error.get(EXECUTION_ERROR, condition)
    if (
        tasks.failure_probability == 1
        and tasks.checkpoint is None
        and _takes_no_time([tasks.work])
        and not scenario.faults
        and _repeats_at_once(policy)
    ):
        below = () if policy is None or policy is condition else ("by_error", EXECUTION_ERROR)
        key = () if policy is None else ("retry_delay",)
        problem = (
            "attempts that take no time would fail and be retried without end while no time passes; valid: a "
            "retry_delay above 0s, a limit by max_retries or queue.max_deliveries, tasks.work above 0s, or a "
            "tasks.failure_probability below 100%"
        )
        yield ("recovery", "conditions", "task_failure", *below, *key), problem


def _is_limited(scenario: ScenarioFields) -> bool:
    """Whether deliveries are limited, or something in the core takes time."""
    most, recovery = scenario.queue.max_deliveries, scenario.recovery
    return (most is not None and most < MOST) or any(recovery.costs.values()) or recovery.load is not None


def _takes_no_time(distributions: Sequence[Distribution]) -> bool:
    return all(each_.constant == 0 for each_ in distributions)


def _repeats_at_once(policy: Policy | None) -> bool:
    """Whether a policy allows retries at one instant without an end; None: there is no policy."""
    if policy is None:
        return True
    limited = policy.max_retries is not None and policy.max_retries < MOST
    budget = policy.budget is not None and policy.budget.tokens < MOST
    return policy.retry_delay == 0 and not (limited or budget or policy.breaker is not None)
