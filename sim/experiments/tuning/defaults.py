"""What a search varies and optimizes if nothing is given: the retry policies of the failures that occur, for the most
tasks within their time at the least wasted work.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from recovery.model import FailureKind
from scenarios import Scenario
from scenarios.consistency.attempt_times import long_attempt
from scenarios.consistency.inconsistency import at_least
from scenarios.documents.overrides import value_of
from scenarios.errors import ScenarioError
from scenarios.exchange.words import seconds as in_words
from scenarios.expected_events import expected_events
from scenarios.faults import MessageLoss, Partition
from scenarios.faults import each as each_fault
from scenarios.fields.quantities import seconds
from scenarios.sections.clients import ClientSettings
from scenarios.sections.policies import Condition
from scenarios.task_views import views
from sim.experiments.runs.metric_estimates import failure_kinds
from sim.experiments.runs.summary import RunSummary
from sim.experiments.tuning.space import TuneError

WASTED = "work.wasted_fraction"
LONGEST_DELAY = 60.0
SHORTEST_DELAY = 0.1
DELAYS = ("0s", "100ms", "300ms", "1s", "3s", "10s", "30s")
MOST_RETRIES = 8
AMPLIFIED = 1.2
"""Attempts per task from which a retry budget is part of the search."""
BUDGETS = ({"tokens": 10, "refill": 0.1}, {"tokens": 50, "refill": 0.2})
Vary = dict[str, Any]
TRIALS = 60
REPLICATIONS = 8
FRESH = 20


@dataclass(frozen=True)
class Effort:
    """How much a search runs if nothing is given. `limit` is the number of settings without ranges; None: `TRIALS`."""

    replications: int = REPLICATIONS
    fresh: int = FRESH
    limit: int | None = None

    @classmethod
    def of(cls, scenarios: Sequence[Scenario]) -> Effort:
        """The effort of a search without ranges: about `EVENTS` events, that is a minute or two."""
        events = sum(expected_events(each).events for each in scenarios)
        is_long = events > MANY_EVENTS
        replications, fresh = (3, 8) if is_long else (4, 12)
        runs = EVENTS / events - 2 * fresh - replications
        return cls(replications, fresh, max(LEAST_TRIALS, int(runs / RUNS_OF_A_TRIAL)))

    def trials(self, dimensions: int) -> int:
        """The number of settings to try in a space of so many dimensions."""
        return TRIALS if self.limit is None else min(self.limit, 12 + 5 * dimensions)


EVENTS = 1.5e7
MANY_EVENTS = 2e5
LEAST_TRIALS = 16
RUNS_OF_A_TRIAL = 4.0
"""Mean number of replications of a setting, most of which are stopped early."""


@dataclass(frozen=True)
class TheirTime:
    """The time within which a task is to be completed, in seconds, and where it is from."""

    seconds: float
    source: str

    @property
    def metric(self) -> str:
        """`tasks.within(18s)`."""
        return f"tasks.within({in_words(self.seconds)})"


def their_time(scenarios: Sequence[Scenario], given: str | float | None = None) -> TheirTime:
    """The time within which the tasks of scenarios are to be completed: the longest of them. Raises TuneError."""
    if given is not None:
        try:
            value = seconds(given)
        except ValueError as error:
            raise TuneError(f"within={given}: {error}") from None
        if not value > 0:
            raise TuneError(f"within={given}: is not above 0; valid: a duration such as 20s")
        return TheirTime(value, "as asked")
    return max((_their_time(each) for each in scenarios), key=lambda each: each.seconds)


def _their_time(scenario: Scenario) -> TheirTime:
    cost = scenario.cost
    waits = [TheirTime(wait, f"{path}.timeout") for path, client, _ in _clients(scenario) if (wait := client.timeout)]
    if waits:
        return max(waits, key=lambda each: each.seconds)
    if cost is not None and cost.late_task is not None:
        return TheirTime(cost.late_task.after, "cost.late_task.after")
    for each in scenario.expect:
        name, _, inside = each.metric.partition("(")
        if name == "tasks.within" and inside:
            return TheirTime(seconds(inside.rstrip(")")), f"the expectation {each.expression}")
        if name in {"tasks.sojourn.p95", "tasks.sojourn.p99", "tasks.sojourn.max"} and each.operator in {"<=", "<"}:
            return TheirTime(each.value, f"the expectation {each.expression}")
    return TheirTime(at_least(2 * _long_attempt(scenario)), "twice the 95th percentile of an attempt")


def _long_attempt(scenario: Scenario) -> float:
    """The 95th percentile of an attempt; of the kind of tasks with the longest ones."""
    return max(long_attempt(view) for _, view in views(scenario))


def default_space(scenario: Scenario, runs: Sequence[RunSummary]) -> Vary:
    """The retry policies of the failures that occur in some runs of a scenario, as `vary` of a search.

    Of a suspected agent it is the detection as well, of clients that repeat requests their policy, and of messages that
    are lost the time without an acknowledgement.
    """
    found: Vary = {}
    amplified = any((run.metrics.get("attempts.amplification") or 0.0) >= AMPLIFIED for run in runs)
    for kind in failure_kinds(runs):
        condition = getattr(scenario.recovery.conditions, kind, None)
        own = _own_retries(scenario, runs) if kind == FailureKind.TASK else {}
        if condition is not None and (not own or _is_shared(scenario, runs)):
            found |= dict(_policy(f"recovery.conditions.{kind}", condition, with_budget=amplified))
        for path, policy in own.items():
            found |= dict(_policy(path, policy, with_budget=amplified))
        if kind == "agent_failure":
            found |= dict(_detection(scenario))
    for path, client, retries in _clients(scenario):
        if client.max_retries and any(run.metrics.get(metric) for run in runs for metric in retries):
            found |= dict(_policy(path, client, with_budget=True))
    timeout = scenario.queue.ack_timeout
    if timeout is not None and _loses_messages(scenario):
        low = min(timeout, at_least(_long_attempt(scenario)))
        found["queue.ack_timeout"] = (f"{low:g}s", f"{4 * timeout:g}s")
    return found


Client = tuple[str, ClientSettings, tuple[str, ...]]
"""The path of a client, its settings, and the metrics of its retries."""


def _clients(scenario: Scenario) -> list[Client]:
    tasks = scenario.tasks
    own = {name: kind.client for name, kind in tasks.kinds.items() if kind.client is not None}
    found: list[Client] = [
        (f"tasks.kinds.{name}.client", client, (f"client.{name}.retries",)) for name, client in own.items()
    ]
    if own.keys() == tasks.kinds.keys() and own:
        return found
    shared = tuple(f"client.{name}.retries" for name in tasks.kinds if name not in own)
    return [("tasks.client", tasks.client, shared if own else ("client.retries",)), *found]


def _own_retries(scenario: Scenario, runs: Sequence[RunSummary]) -> dict[str, Condition]:
    """The policies of their own of the kinds of tasks whose attempts fail in some runs, by their paths."""
    kinds = scenario.tasks.kinds.items()
    return {
        f"tasks.kinds.{name}.retry": kind.retry for name, kind in kinds if kind.retry is not None and _fails(name, runs)
    }


def _is_shared(scenario: Scenario, runs: Sequence[RunSummary]) -> bool:
    """Whether attempts fail at tasks of a kind that has the policy of all tasks."""
    return any(kind.retry is None and _fails(name, runs) for name, kind in scenario.tasks.kinds.items())


def _fails(kind: str, runs: Sequence[RunSummary]) -> bool:
    ends = (f"retries.{kind}.count", f"retries.{kind}.exhausted")
    return any(run.metrics.get(metric) for run in runs for metric in ends)


def _loses_messages(scenario: Scenario) -> bool:
    """Whether tasks are delivered again because an acknowledgement is late."""
    queue = scenario.queue
    if queue.loss or queue.ack_loss or scenario.network.loss:
        return True
    return any(isinstance(fault, MessageLoss | Partition) for fault in each_fault(scenario.faults))


def _policy(path: str, policy: Any, *, with_budget: bool) -> Iterator[tuple[str, Any]]:
    delay = policy.retry_delay
    if delay:
        ends = min(SHORTEST_DELAY, delay / 10), max(LONGEST_DELAY, 2 * delay)
        yield f"{path}.retry_delay", tuple(f"{each:g}s" for each in ends)
    else:  # 0 has no place on a logarithmic scale
        yield f"{path}.retry_delay", list(DELAYS)
    retries = policy.max_retries
    if retries is None:
        yield f"{path}.max_retries", [None, 0, 1, 2, 3, 5, 8, 12]
    else:
        yield f"{path}.max_retries", (0, max(MOST_RETRIES, 2 * retries))
    yield f"{path}.backoff", _choices(policy.backoff, "fixed", "exponential")
    yield f"{path}.jitter", _choices(policy.jitter, "none", "full")
    if with_budget or policy.budget is not None:
        own = [] if policy.budget is None else [policy.budget.model_dump()]
        yield f"{path}.budget", [None, *own, *(each for each in BUDGETS if each not in own)]


def _choices(own: str, *usual: str) -> list[str]:
    return list(dict.fromkeys((own, *usual)))


def _detection(scenario: Scenario) -> Iterator[tuple[str, Any]]:
    detection, path = scenario.recovery.detection, "recovery.detection"
    if detection.detector == "perfect":
        return
    interval = detection.heartbeat_interval
    yield f"{path}.heartbeat_interval", (f"{interval / 5:g}s", f"{2 * interval:g}s")
    if detection.detector == "heartbeat":
        yield f"{path}.missed_heartbeats", (1, max(5, detection.missed_heartbeats))
    else:
        yield f"{path}.phi_threshold", (1.0, max(16.0, detection.phi_threshold))


def united(spaces: Sequence[Vary]) -> Vary:
    """What several scenarios vary. Of a path that is varied in several, the range or the choices of the first."""
    found: Vary = {}
    for space in spaces:
        found = {**space, **found}
    return found


def settable(scenarios: Sequence[Scenario], space: Mapping[str, Any]) -> Vary:
    """The part of a space that every scenario has."""

    def has(scenario: Scenario, path: str) -> bool:
        try:
            value_of(scenario, path)
        except ScenarioError:
            return False
        return True

    return {path: values for path, values in space.items() if all(has(each, path) for each in scenarios)}
