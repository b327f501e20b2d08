"""Celery: what a broker does with unacknowledged tasks, time limits and concurrency of workers.

Source: Celery documentation, "Configuration and defaults": `task_acks_late` False, `task_reject_on_worker_lost` None,
`worker_prefetch_multiplier` 4, "how many messages to prefetch at a time multiplied by the number of concurrent
processes", 0 for no limit; `task_time_limit` and `task_soft_time_limit` None; "Using Redis" and "Using Amazon SQS":
`visibility_timeout` in `broker_transport_options`, 1 h and 30 min. RabbitMQ: `consumer_timeout` 30 min, and of quorum
queues since 4.0 a delivery limit of 20. Settings in a Django project have upper case and the prefix `CELERY_`.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil
from typing import Any

from scenarios.exchange import python_source as python
from scenarios.exchange.surroundings import Surroundings, plain
from scenarios.exchange.values import Values
from scenarios.schema import ScenarioFields

BROKERS = ("broker_url", "broker", "broker_read_url")
ACKS_LATE = ("task_acks_late", "acks_late")
REJECT = ("task_reject_on_worker_lost", "reject_on_worker_lost")
SOFT = ("task_soft_time_limit", "soft_time_limit")
HARD = ("task_time_limit", "time_limit")
OF_QUEUES = ("visibility_timeout", "x-consumer-timeout", "x-delivery-limit", "x-max-length")
MULTIPLIER, DISABLED = "worker_prefetch_multiplier", "worker_disable_prefetch"
OTHERS = (MULTIPLIER, DISABLED, "worker_concurrency")
PREFETCH = "agents.prefetch"
DEFAULT_MULTIPLIER = 4
KNOWN = (*BROKERS, *ACKS_LATE, *REJECT, *SOFT, *HARD, *OF_QUEUES, *OTHERS)
DEFAULTS = {"redis": 3600.0, "rediss": 3600.0, "sentinel": 3600.0, "sqs": 1800.0, "amqp": 1800.0, "amqps": 1800.0}
"""The time without an acknowledgement after which a broker delivers again, in seconds, by the scheme of its URL."""
UNLIMITED = 65_535
"""What stands for a multiplier of 0, no limit: the largest prefetch count of AMQP 0-9-1."""


def read_queue(text: str, source: str) -> Surroundings:
    """The settings of the queue and of the workers in a module of tasks or a `celeryconfig`."""
    values = python.Reader(text, source).settings(KNOWN, optional=BROKERS, prefix="celery_")
    if not set(values.data) - {*BROKERS}:
        return Surroundings()
    notes: list[str] = []
    late = values.truth("acks_late", values.truth("task_acks_late", False))  # the task's own option comes first
    found = dict(_queue(values, notes, late=late)) | dict(_workers(values)) | dict(_prefetch(values, notes, late=late))
    return Surroundings(found, tuple(notes))


def _queue(values: Values, notes: list[str], *, late: bool) -> Iterator[tuple[str, Any]]:
    if any(values.has(name) for name in (*ACKS_LATE, *OF_QUEUES)):
        if late:
            yield from _late(values, notes)
        else:
            notes.append(
                "tasks are acknowledged before they are executed: one whose worker crashes is not delivered again"
            )
            yield "queue.ack_timeout", None
    if values.has("x-delivery-limit"):
        yield "queue.max_deliveries", values.whole("x-delivery-limit", 20) + 1
    if values.has("x-max-length"):
        yield "queue.capacity", values.whole("x-max-length", 0)


def _late(values: Values, notes: list[str]) -> Iterator[tuple[str, Any]]:
    scheme = _scheme(values)
    if values.has("visibility_timeout"):
        yield "queue.ack_timeout", plain(values.number("visibility_timeout", 0, 1))
    elif values.has("x-consumer-timeout"):
        yield "queue.ack_timeout", plain(values.number("x-consumer-timeout", 0, 1) / 1000)
    elif scheme in DEFAULTS:
        yield "queue.ack_timeout", plain(DEFAULTS[scheme])
    else:
        notes.append(
            "acks_late: the broker is not known; queue.ack_timeout is 1h by default with Redis, and 30m with SQS or "
            "RabbitMQ"
        )
    if scheme in {"amqp", "amqps"} and not values.has("x-delivery-limit"):
        yield "queue.max_deliveries", 21
    if not any(values.truth(name, False) for name in REJECT if values.has(name)):
        notes.append(
            "without task_reject_on_worker_lost, Celery acknowledges the task of a killed process; what is simulated "
            "is a worker that crashes as a whole"
        )


def _workers(values: Values) -> Iterator[tuple[str, Any]]:
    limits = [values.number(name, 0, 1e-3) for name in (*SOFT, *HARD) if values.has(name)]
    if limits:
        yield "tasks.timeout", plain(min(limits))
    if values.has("worker_concurrency"):
        yield "agents.slots", values.whole("worker_concurrency", 1, 1)


def _prefetch(values: Values, notes: list[str], *, late: bool) -> Iterator[tuple[str, Any]]:
    """The messages that a worker reserves, multiplier · concurrency, without those that it executes.

    With acks_late a message that is executed is still one of them; without it, it was acknowledged before.
    """
    if values.truth(DISABLED, False):
        yield PREFETCH, 0
    if values.truth(DISABLED, False) or not (values.has(MULTIPLIER) or values.has("task_acks_late")):
        return
    multiplier = values.whole(MULTIPLIER, DEFAULT_MULTIPLIER)
    slots = values.whole("worker_concurrency", 1, 1)
    if multiplier == 0:
        notes.append(f"{MULTIPLIER} 0 is no limit; {PREFETCH} is {UNLIMITED}")
        yield PREFETCH, UNLIMITED
        return
    per_slot = multiplier - late
    if not values.has(MULTIPLIER):
        notes.append(f"{MULTIPLIER} is not given; {PREFETCH} is that of {DEFAULT_MULTIPLIER}, the default of Celery")
    if per_slot and not values.has("worker_concurrency"):
        notes.append(f"worker_concurrency is not given; {PREFETCH} is that of one slot")
    yield PREFETCH, per_slot * slots


def write_queue(scenario: ScenarioFields) -> tuple[str, tuple[str, ...]]:
    """The settings of the workers and of the broker for a scenario, as Python, and notes; empty if it needs none.

    `read_queue` reads them. A queue that delivers again after `queue.ack_timeout` is one with acks_late.
    """
    timeout, slots, prefetch = scenario.queue.ack_timeout, scenario.agents.slots, scenario.most_prefetched
    late = timeout is not None
    if not late and not prefetch:
        return "", ()
    settings: dict[str, str] = {}
    if timeout is not None:
        settings["task_acks_late"] = settings["task_reject_on_worker_lost"] = "True"
        settings["broker_transport_options"] = f'{{"visibility_timeout": {python.number(timeout)}}}'
    multiplier = 0 if prefetch >= UNLIMITED else max(1, ceil(prefetch / slots) + late)
    settings[MULTIPLIER] = str(multiplier)
    if slots > 1:
        settings["worker_concurrency"] = str(slots)
    notes = []
    nearest = (multiplier - late) * slots
    if multiplier and nearest != prefetch:
        notes.append(f"celery cannot express {PREFETCH}: {prefetch} -> {nearest}, a multiple of its slots")
    if len({scenario.prefetch_of(agent) for agent in range(scenario.agents.count)}) > 1:
        notes.append(f"note: {PREFETCH} of the pools differ; {MULTIPLIER} is for the largest")
    lines = "".join(f'    "{key}": {value},\n' for key, value in settings.items())
    usage = "the queue and the workers; use: app.conf.update(worker_settings)"
    return f"{python.comment((usage,))}worker_settings = {{\n{lines}}}\n", tuple(notes)


def _scheme(values: Values) -> str:
    for name in BROKERS:
        url = values.data.get(name)
        if isinstance(url, str):
            return url.partition("://")[0].partition("+")[0].lower()
    return ""
