"""The assembly: a listener that was not connected is an error that names it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from recovery import Supervisor
from recovery.stores.memory import MemoryTaskStore
from sim.core.build import build_core
from sim.core.direct import DirectHost
from sim.history import History
from sim.loop import SimLoop
from sim.randomness.streams import Streams
from sim.world import listeners
from sim.world.assembly import assemble, connect
from sim.world.listeners import NotConnected
from sim.world.world import World
from tests.sim.world.stories import scenario

WAITING = {"tasks.client.timeout": "5s"}


def assembled() -> tuple[SimLoop, World, Supervisor]:
    loop, of, streams = SimLoop(), scenario(WAITING), Streams("1/0")
    world = assemble(of, streams, loop, History(loop.env), MemoryTaskStore())
    return loop, world, build_core(of, world.system, streams)


def connections() -> list[tuple[str, str]]:
    """Part and listener of each connection of a world with clients."""
    loop, world, _ = assembled()
    loop.abandon()
    parts = {"": world} | {name: part for name, part in vars(world).items() if type(part).__module__ != "builtins"}
    return [(name, attribute) for name, part in parts.items() for attribute in listeners.connections(type(part))]


@pytest.mark.parametrize(("part", "listener"), connections())
def test_a_listener_that_was_not_connected_is_named_when_the_world_starts(part: str, listener: str) -> None:
    loop, world, core = assembled()
    try:
        loop.run_until_complete(core.start())
        connect(world, DirectHost(core))
        forgetful: Any = getattr(world, part) if part else world
        del forgetful.__dict__[listener]
        with pytest.raises(NotConnected, match=re.escape(f"{type(forgetful).__name__}.{listener} is not connected")):
            world.start()
    finally:
        loop.abandon()


def test_a_connected_world_starts() -> None:
    loop, world, core = assembled()
    try:
        loop.run_until_complete(core.start())
        connect(world, DirectHost(core))
        world.start()
        assert all(agent.up for agent in world.agents.all)
    finally:
        loop.abandon()


def test_there_are_connections_in_every_part() -> None:
    """So that the first test is not empty."""
    assert {part for part, _ in connections()} == {"", "network", "queue", "execution", "agents", "clients"}
