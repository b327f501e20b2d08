"""What a framework's file says besides the retry policy: the queue, heartbeats and time limits, as values of a policy
file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Surroundings:
    """Values by path, and notes on what they stand for, or on what is not simulated."""

    values: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Whether anything was found."""
        return bool(self.values or self.notes)


def detected_by_heartbeats(timeout: float) -> Iterator[tuple[str, Any]]:
    """The detection of an engine that gives up an attempt without a heartbeat for `timeout` seconds, and whose queue
    does not deliver it again by itself.
    """
    yield "recovery.detection.detector", "heartbeat"
    yield "recovery.detection.heartbeat_interval", plain(timeout)
    yield "recovery.detection.missed_heartbeats", 1
    yield "queue.ack_timeout", None


def plain(value: float) -> float:
    """Whole numbers without a decimal point."""
    return int(value) if float(value).is_integer() else value
