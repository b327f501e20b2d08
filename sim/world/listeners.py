"""Listener protocols of the world, and connections that have to be made before a run starts.

`sim.world.assembly` makes all connections. A connection has no cost per event: once made, it is a plain attribute.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from inspect import get_annotations
from typing import Annotated, Final, Protocol, TypeVar

from recovery.errors import RecoveryBenchError
from recovery.model import Failure
from sim.world.entities import Agent, Attempt, Task
from sim.world.links import Link

T = TypeVar("T")
_CONNECTION: Final = re.compile(r"Connection\[")  # annotations are texts


class NotConnected(RecoveryBenchError, RuntimeError):
    """A part of the world has no listener where it needs one."""

    reports_defect = True


Connection = Annotated[T, "set by sim.world.assembly.connect"]
"""Annotates an attribute that the assembly has to set. It has no value in the class, which would slow down each use."""


@cache
def connections(part: type) -> list[str]:
    """Names of the attributes of a class that are annotated as `Connection`."""
    return [name for name, annotation in get_annotations(part).items() if _CONNECTION.match(annotation)]


def require_connected(parts: Sequence[object]) -> None:
    """Raise NotConnected for the first connection of these parts that was not made."""
    for part in parts:
        for name in connections(type(part)):  # type: ignore[arg-type]  # types have a hash
            if not hasattr(part, name):  # vars() would make a dictionary of the attributes, whose use is slower
                raise NotConnected(
                    f"{type(part).__name__}.{name} is not connected; valid: sim.world.assembly.connect sets it"
                )


class DeliveryReceiver(Protocol):
    """Receives what the queue delivers: the agents."""

    def receive(self, task: Task, agent: Agent, incarnation: int, delivery: int) -> None:
        """A task arrives at an agent."""

    def undelivered(self, task: Task, agent: Agent) -> None:
        """A delivery did not arrive at an agent that is up."""

    def give_back_leftovers(self, task: Task) -> None:
        """A task is delivered again because its lease has expired."""


class QueueListener(Protocol):
    """Follows which tasks leave the queue: the world."""

    def settled(self, task: Task) -> None:
        """The queue has released a finished task."""

    def dead_lettered(self, task: Task) -> None:
        """A task was delivered as often as it may be."""


class ExecutionListener(Protocol):
    """Follows how attempts end: the agents."""

    def attempt_succeeded(self, attempt: Attempt) -> None:
        """An attempt has done its work."""

    def attempt_failed(self, attempt: Attempt, error: str) -> None:
        """An attempt ended with an error code."""

    def attempt_fenced(self, attempt: Attempt) -> None:
        """The store has refused a checkpoint of a void attempt."""


class CheckpointListener(Protocol):
    """Follows which checkpoints are stored: the stale replica, if there is one."""

    def saved(self, task_id: str) -> None:
        """A checkpoint of a task was stored."""


class NetworkListener(Protocol):
    """Follows the connections: the world."""

    def reconnected(self, link: Link) -> None:
        """A connection works again."""

    def send_failed(self, link: Link) -> None:
        """A sender found its connection broken."""

    def healed(self) -> None:
        """A partition has ended."""


class TransportListener(Protocol):
    """Follows whether messages arrive at once: heartbeats."""

    def transport_changed(self) -> None:
        """Messages of some endpoints may be late or lost from now on, or are no longer."""

    def recipient_changes(self) -> None:
        """Another core receives the messages from now on, or none, or receives them late."""


class AgentsListener(Protocol):
    """Follows the outcome of tasks: the world."""

    def report(self, failure: Failure) -> None:
        """The report of a failed attempt has arrived at the core."""

    def finished(self, task: Task) -> None:
        """A task has its effect."""


class LifecycleListener(Protocol):
    """Follows starts and ends of agents: heartbeats and random crashes."""

    def begin(self, agent: Agent) -> None:
        """An agent has started."""

    def end(self, agent: Agent) -> None:
        """An agent has crashed or was stopped."""


class HangListener(Protocol):
    """Follows hanging agents: heartbeats."""

    def hang(self, agent: Agent) -> None:
        """An agent hangs."""

    def beat_again(self, agent: Agent) -> None:
        """The heartbeats of an agent continue while it hangs."""

    def wake(self, agent: Agent) -> None:
        """An agent that hung goes on."""

    def clock_changed(self, agent: Agent) -> None:
        """The clock of an agent has another rate."""


class BusyListener(Protocol):
    """Follows whether agents execute something: random crashes of busy agents, if the scenario has them."""

    def busy(self, agent: Agent) -> None:
        """An agent has begun its first attempt."""

    def idle(self, agent: Agent) -> None:
        """An agent has ended its last attempt."""


class ClientsListener(Protocol):
    """Follows the ends of requests: the world."""

    def request_ended(self, request: int, rejected: bool) -> None:
        """A request was answered or abandoned, the latter perhaps because the queue was full."""


class Core(Protocol):
    """Receives reports from the world: the recovery core (`recovery.Supervisor`)."""

    def report(self, failure: Failure) -> None:
        """A failure was noticed."""

    def watch(self, agent_id: str) -> None:
        """Monitor an agent from now on."""

    def heartbeat(self, agent_id: str, progress: Mapping[str, float] | None = None) -> None:
        """A heartbeat arrived."""

    def regular_heartbeats(self, agent_id: str, interval: float, latest: Callable[[], float]) -> bool:
        """Heartbeats arrive every `interval` seconds and are not passed on one by one. False: each one has to be."""

    def regular_heartbeats_end(self, agent_id: str) -> None:
        """Each heartbeat of an agent is passed on again."""

    def agent_down(self, agent_id: str) -> None:
        """A perfect detector reports that an agent is down."""

    def delivery_failed(self, link: str, endpoints: Sequence[str], queue_ids: Sequence[str], since: float) -> None:
        """A sender found a connection broken."""

    def connection_restored(self, link: str) -> None:
        """A connection works again."""

    def task_succeeded(self, task_id: str) -> None:
        """The task store has accepted a task's effect."""


class Host(Protocol):
    """How the world reaches the recovery core: every `sim.core.host.CoreHost`."""

    @property
    def core(self) -> Core:
        """What the world reports to."""

    def receive(self, arrive: Callable[[], None]) -> None:
        """Call `arrive` when the core takes a report."""

    def network_healed(self) -> None:
        """A partition has ended."""
