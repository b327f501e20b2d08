"""A warning about settings that contradict each other, as a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import ceil, floor, isfinite, log10
from types import MappingProxyType


class InconsistencyKind(StrEnum):
    """What contradicts what; `MEANINGS` has the details."""

    LOAD = "load"
    ACK_TIMEOUT = "ack_timeout"
    PREFETCH = "prefetch"
    ATTEMPT_TIMEOUT = "attempt_timeout"
    CLIENT_TIMEOUT = "client_timeout"
    TRY_TIMEOUT = "try_timeout"
    MTBF = "mtbf"
    RETRY_SCHEDULE = "retry_schedule"
    CLIENT_RETRIES = "client_retries"
    SYNCHRONISED_RETRIES = "synchronised_retries"
    LAYERED_RETRIES = "layered_retries"
    DEADLINE = "deadline"
    MAX_DELAY = "max_delay"
    BUDGET = "budget"
    BUDGET_EMPTIED = "budget_emptied"
    LEASE = "lease"
    HEARTBEAT_TIMEOUT = "heartbeat_timeout"
    MAX_DELIVERIES = "max_deliveries"
    NEVER_REDELIVERED = "never_redelivered"
    CHECKPOINT_INTERVAL = "checkpoint_interval"
    DURATION = "duration"
    FAULT_AFTER_END = "fault_after_end"
    FAULT_OUTLASTS_RUN = "fault_outlasts_run"
    FAULT_IN_WARMUP = "fault_in_warmup"
    UNDETECTED = "undetected"


MEANINGS: Mapping[InconsistencyKind, str] = MappingProxyType(
    {
        InconsistencyKind.LOAD: "the offered load is 1 or more, retries included",
        InconsistencyKind.ACK_TIMEOUT: "`queue.ack_timeout` is below the p95 of an attempt: tasks are delivered again "
        "while they are being executed",
        InconsistencyKind.PREFETCH: "`queue.ack_timeout` is below the time in which an agent executes what it has "
        "prefetched: tasks are delivered again while they wait in an agent",
        InconsistencyKind.ATTEMPT_TIMEOUT: "`tasks.timeout` is below the p95 of an attempt",
        InconsistencyKind.CLIENT_TIMEOUT: "`tasks.client.timeout` is below the p95 of an attempt",
        InconsistencyKind.TRY_TIMEOUT: "the `try_timeout` of a condition is below the duration of its recovery's steps",
        InconsistencyKind.MTBF: "agents crash, in the median, before an attempt or its first checkpoint is done",
        InconsistencyKind.RETRY_SCHEDULE: "the last retry of a condition comes before the end of the outage that it "
        "faces: unavailable resources of which too few are left for the load, agents that are all too slow for "
        "`tasks.timeout`, a partition with tries of limited duration",
        InconsistencyKind.CLIENT_RETRIES: "a client makes its last request before the end of a blocked queue, or of a "
        "partition between agents and queue",
        InconsistencyKind.SYNCHRONISED_RETRIES: "many tasks, agents or requests fail at one moment, and without jitter "
        "they are retried at one moment",
        InconsistencyKind.LAYERED_RETRIES: "clients repeat requests whose tasks are retried as well, without a budget: "
        "the numbers of attempts multiply",
        InconsistencyKind.DEADLINE: "the `deadline` of a policy refuses retries that its `max_retries` allows",
        InconsistencyKind.MAX_DELAY: "`max_delay` is below `retry_delay`",
        InconsistencyKind.BUDGET: "the budget of all tasks has fewer retries than `max_retries` of one task",
        InconsistencyKind.BUDGET_EMPTIED: "without any fault, failures take more retries from a budget than successes "
        "refund, and it is empty before the end of the run",
        InconsistencyKind.LEASE: "of several cores, the leader loses its lease when one renewal fails",
        InconsistencyKind.HEARTBEAT_TIMEOUT: "the latency of heartbeats varies by more than the detector allows for: "
        "healthy agents are suspected",
        InconsistencyKind.MAX_DELIVERIES: "`queue.max_deliveries` is below the number of attempts",
        InconsistencyKind.NEVER_REDELIVERED: "messages of the queue are lost, and without `queue.ack_timeout` nothing "
        "is delivered again",
        InconsistencyKind.CHECKPOINT_INTERVAL: "95 % of the tasks end before their first checkpoint",
        InconsistencyKind.DURATION: "the run is shorter than the p95 of an attempt",
        InconsistencyKind.FAULT_AFTER_END: "the run ends before the fault happens",
        InconsistencyKind.FAULT_OUTLASTS_RUN: "the run ends before the fault does",
        InconsistencyKind.FAULT_IN_WARMUP: "the fault begins and ends within the warm-up, and is not measured",
        InconsistencyKind.UNDETECTED: "silent agents, or agents without progress, go on before their detector suspects "
        "them",
    }
)
"""When each warning appears."""
PAGE = "scenarios/consistency/README.md"
"""The page with a section for each warning."""


@dataclass(frozen=True)
class Inconsistency:
    """Settings that contradict each other.

    `paths` are the keys to change, the first one first. `figures` are the compared quantities by name, durations in
    seconds. `problem` says what happens, with the figures, and `consistent` what would be consistent.
    """

    kind: InconsistencyKind
    paths: tuple[str, ...]
    figures: Mapping[str, float]
    problem: str
    consistent: str

    @property
    def page(self) -> str:
        """The section of the documentation about this kind of warning."""
        return f"{PAGE}#{self.kind.value}"

    def __str__(self) -> str:
        return f"{', '.join(self.paths)}: {self.problem}; consistent: {self.consistent}"


def time(value: float) -> str:
    """A duration in a message, such as `30s`, with at most three digits."""
    return f"{value:.3g}s" if value < 1000 else f"{value:.0f}s"


def at_least(value: float) -> float:
    """The value rounded up to two digits: a limit that is consistent with it."""
    if value <= 0 or not isfinite(value):
        return value
    step = 10.0 ** (floor(log10(value)) - 1)
    return round(ceil(round(value / step, 9)) * step, 12)
