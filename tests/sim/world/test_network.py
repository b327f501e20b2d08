"""The network: latency, loss, partitions and replay."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import simpy

from scenarios.fields.distributions import Constant
from sim.history import Event, History
from sim.randomness.streams import Streams
from sim.world.links import Link
from sim.world.network import Network
from tests.sim.world.stories import NetworkLog


@pytest.fixture
def env() -> simpy.Environment:
    """A clock."""
    return simpy.Environment()


def network(env: simpy.Environment, latency: float = 0.0, loss: float = 0.0) -> Network:
    """A network with its own history."""
    made = Network(env, History(env), Streams("1/0"), Constant(value=latency), loss)
    made.listener = NetworkLog()
    return made


def say(env: simpy.Environment, log: list[tuple[float, str]], word: str) -> Callable[[], None]:
    """What to do when a message arrives."""
    return lambda: log.append((env.now, word))


def test_a_message_has_the_latency(env: simpy.Environment) -> None:
    """No latency: at once. Otherwise: after the latency."""
    log: list[tuple[float, str]] = []
    network(env).send("ack", "agent.1", "queue", say(env, log, "at once"))
    network(env, latency=2.0).send("ack", "agent.1", "queue", say(env, log, "later"))
    env.run()
    assert log == [(0.0, "at once"), (2.0, "later")]


def test_a_lossy_network_drops_messages_silently(env: simpy.Environment) -> None:
    """The sender of a lost message only learns that it is lost in the model, without a link."""
    lost: list[Link | None] = []
    network(env, loss=1.0).send("ack", "agent.1", "queue", lambda: pytest.fail("arrived"), lost.append)
    assert lost == [None]


@pytest.mark.parametrize(
    ("sides", "source", "target", "cut"),
    [
        (("agents", "queue"), "agent.3", "queue", True),
        (("queue", "agents"), "queue", "agent.3", True),
        (("agents", "queue"), "agent.3", "core", False),
        (("agent.3", "queue"), "agent.3", "queue", True),
        (("agent.3", "queue"), "agent.4", "queue", False),
        (("agents", "core"), "core", "agent.0", True),
    ],
)
def test_a_partition_drops_messages_between_its_sides(
    env: simpy.Environment, sides: tuple[str, str], source: str, target: str, cut: bool
) -> None:
    """Groups and single endpoints, in both directions, and nothing else."""
    made = network(env)
    made.cut(*sides)
    assert (made.broken_link(source, target) is not None) is cut


def test_a_broken_link_is_found_after_every_change(env: simpy.Environment) -> None:
    """An answer holds until a link is cut or reconnected; of two broken links, the one that was cut first counts."""
    made, found = network(env), []

    def ask() -> None:
        links = [made.broken_link(source, "core") for source in ("agent.0", "agent.1")]
        found.append([link and link.name for link in links])

    ask()
    own = made.cut("agent.0", "core")
    ask()
    shared = made.cut("agents", "core")
    ask()
    made.heal(own)
    ask()
    made.heal(shared)
    ask()
    assert found == [
        [None, None],
        ["agent.0|core", None],
        ["agent.0|core", "agents|core"],
        ["agents|core", "agents|core"],
        [None, None],
    ]


def test_a_kept_message_waits_for_reconnection_and_replay(env: simpy.Environment) -> None:
    """A healed path is not yet a connection, and a connection not yet a replay."""
    made, log = network(env), []
    name = made.cut("agents", "queue")
    made.send("ack", "agent.1", "queue", say(env, log, "ack"))
    made.heal(name)
    assert made.replay() == 0
    assert made.reconnect(made.broken_among(["agents", "queue"])[0])
    assert log == []
    assert made.replay() == 1
    assert log == [(0.0, "ack")]
    assert made.replay() == 0


def test_a_path_cannot_be_reconnected_before_all_its_partitions_end(env: simpy.Environment) -> None:
    """Partitions of one link may overlap."""
    made = network(env)
    name = made.cut("agents", "queue")
    made.cut("queue", "agents")
    link = made.broken_among([])[0]
    made.heal(name)
    assert not made.reconnect(link)
    made.heal(name)
    assert made.reconnect(link)
    assert made.transparent


def test_connections_to_the_core_reconnect_automatically(env: simpy.Environment) -> None:
    """Reports that could not be sent arrive when the path is whole."""
    made, log = network(env), []
    name = made.cut("agents", "core")
    made.send("report", "agent.1", "core", say(env, log, "report"))
    made.heal(name)
    assert log == [(0.0, "report")]
    assert made.transparent


def test_a_partition_drops_a_message_in_flight(env: simpy.Environment) -> None:
    """It was sent in time and did not arrive in time: its sender notices."""
    made, lost = network(env, latency=5.0), []
    made.send("delivery", "queue", "agent.1", lambda: pytest.fail("arrived"), lost.append)
    env.run(until=1)
    made.cut("agents", "queue")
    env.run()
    assert [link.name for link in lost] == ["agents|queue"]


def test_unsent_messages_of_a_crashed_sender_are_lost(env: simpy.Environment) -> None:
    """A power cut empties only its own buffers."""
    made, log = network(env), []
    made.cut("agents", "queue")
    for agent in ("agent.1", "agent.2"):
        made.send("ack", agent, "queue", say(env, log, agent))
    made.drop_unsent("agent.1")
    made.heal("agents|queue")
    made.reconnect(made.broken_among([])[0])
    made.replay()
    assert log == [(0.0, "agent.2")]


def test_a_failed_send_is_recorded_and_reported(env: simpy.Environment) -> None:
    """This is how a partition is detected."""
    history = History(env)
    made = Network(env, history, Streams("1/0"), Constant(value=0.0), 0.0)
    log = made.listener = NetworkLog()
    made.cut("queue", "agents")
    made.send("ack", "agent.1", "queue", lambda: None)
    assert log.failures == ["agents|queue"]
    assert history.table["event"].tolist() == [Event.LINK_CUT, Event.SEND_FAILED]
