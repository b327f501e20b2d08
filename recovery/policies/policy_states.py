"""States of policies: what a later core has to have, so that a restart changes no limit and no delay.

Instants are in seconds of the loop's clock, like those of an incident; `later` moves them to another clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from recovery.model import FailureKind


@dataclass(frozen=True, slots=True)
class RetryState:
    """The retries of a subject: the instant of its first failure, and its last delay in seconds (None: none yet)."""

    kind: FailureKind
    subject: str
    since: float
    delay: float | None = None
    of: Literal["retries"] = "retries"

    @property
    def name(self) -> str:
        """The name under which the state is stored."""
        return f"retries {self.kind.value} {self.subject}"

    def later(self, seconds: float) -> RetryState:
        """The same state by a clock that is ahead by `seconds`."""
        return replace(self, since=self.since + seconds)


@dataclass(frozen=True, slots=True)
class DrawState:
    """The number of random numbers that were drawn for the delays of an agent or a connection."""

    subject: str
    drawn: int
    of: Literal["draws"] = "draws"

    @property
    def name(self) -> str:
        """The name under which the state is stored."""
        return f"draws {self.subject}"

    def later(self, seconds: float) -> DrawState:
        """The state itself: it has no instants."""
        return self


@dataclass(frozen=True, slots=True)
class BudgetState:
    """The content of a retry budget, in retries. `rule` is the name of its policy."""

    rule: str
    left: float
    of: Literal["budget"] = "budget"

    @property
    def name(self) -> str:
        """The name under which the state is stored."""
        return f"budget {self.rule}"

    def later(self, seconds: float) -> BudgetState:
        """The state itself: it has no instants."""
        return self


@dataclass(frozen=True, slots=True)
class AwaitedVerdict:
    """A probe whose attempt has no verdict yet: its ticket, and the instant at which it frees its place."""

    ticket: int
    until: float


@dataclass(frozen=True, slots=True)
class BreakerRecord:
    """A circuit breaker: its state since `opened_at`, and what it counts.

    `period` is the number of its changes of state, `failures` the number of consecutive failures. `window` has the
    last results, the oldest first: 1 for one that worked, 0 for one that failed; it is empty if the policy has no
    `share`. `worked` is the number of probes that have worked. `awaited` has probes by task.
    """

    rule: str
    state: str
    opened_at: float
    period: int
    failures: int = 0
    window: str = ""
    worked: int = 0
    awaited: Mapping[str, AwaitedVerdict] = field(default_factory=dict)
    of: Literal["breaker"] = "breaker"

    @property
    def name(self) -> str:
        """The name under which the state is stored."""
        return f"breaker {self.rule}"

    def later(self, seconds: float) -> BreakerRecord:
        """The same state by a clock that is ahead by `seconds`."""
        awaited = {task_id: replace(each, until=each.until + seconds) for task_id, each in self.awaited.items()}
        return replace(self, opened_at=self.opened_at + seconds, awaited=awaited)


@dataclass(frozen=True, slots=True)
class LoadState:
    """The load limit: the instant of the next token without bursts, after the tasks that have passed."""

    next_token: float
    of: Literal["load"] = "load"

    @property
    def name(self) -> str:
        """The name under which the state is stored."""
        return "load"

    def later(self, seconds: float) -> LoadState:
        """The same state by a clock that is ahead by `seconds`."""
        return replace(self, next_token=self.next_token + seconds)


@dataclass(frozen=True, slots=True)
class HeartbeatState:
    """The intervals between the heartbeats of an agent: their number, mean and standard deviation (s)."""

    agent_id: str
    count: int
    mean: float
    deviation: float
    of: Literal["heartbeats"] = "heartbeats"

    @property
    def name(self) -> str:
        """The name under which the state is stored."""
        return f"heartbeats {self.agent_id}"

    def later(self, seconds: float) -> HeartbeatState:
        """The state itself: it has no instants."""
        return self


@dataclass(frozen=True, slots=True)
class DeliveryState:
    """The number of failed sends over a connection that is not reported yet."""

    link: str
    failed: int
    of: Literal["deliveries"] = "deliveries"

    @property
    def name(self) -> str:
        """The name under which the state is stored."""
        return f"deliveries {self.link}"

    def later(self, seconds: float) -> DeliveryState:
        """The state itself: it has no instants."""
        return self


@dataclass(frozen=True, slots=True)
class PoolState:
    """The pools that the last probe found unhealthy, in the order in which they were found."""

    suspected: tuple[str, ...]
    of: Literal["pools"] = "pools"

    @property
    def name(self) -> str:
        """The name under which the state is stored."""
        return "pools"

    def later(self, seconds: float) -> PoolState:
        """The state itself: it has no instants."""
        return self


PolicyState = (
    RetryState | DrawState | BudgetState | BreakerRecord | LoadState | HeartbeatState | DeliveryState | PoolState
)
"""A state of a policy or of a detector."""
PolicyChanges = Mapping[str, PolicyState | None]
"""Changed states by name; None: the state is deleted."""
_STATE: TypeAdapter[PolicyState] = TypeAdapter(Annotated[PolicyState, Field(discriminator="of")])


def state_to_json(state: PolicyState, later: float = 0.0) -> bytes:
    """A state as JSON. `later` seconds are added to its instants."""
    return _STATE.dump_json(state.later(later))


def state_from_json(text: bytes, later: float = 0.0) -> PolicyState:
    """The inverse of `state_to_json`. Raises pydantic.ValidationError."""
    return _STATE.validate_json(text).later(later)
