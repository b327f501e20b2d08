"""The assembly of a world: builds its parts and the ports of the recovery core, and connects all listeners."""

from __future__ import annotations

from recovery.ports import System
from recovery.stores import PlainTaskStore, inline
from scenarios import Scenario
from sim.history import History
from sim.loop import SimLoop
from sim.randomness.streams import Streams
from sim.world.agents.breakdowns import Breakdowns
from sim.world.agents.heartbeats import Heartbeats
from sim.world.listeners import Host
from sim.world.ports.adapters import WorldAgents, WorldNetwork, WorldQueue, WorldResources, WorldTasks
from sim.world.ports.history_audit import HistoryAudit
from sim.world.ports.topology import WorldTopology
from sim.world.world import World


def assemble(scenario: Scenario, streams: Streams, loop: SimLoop, history: History, store: PlainTaskStore) -> World:
    """The world of a scenario, with its ports. `connect` it with a core's host, then `start` it."""
    world = World(scenario, streams, loop, history, store)
    world.system = System(
        tasks=WorldTasks(world),
        agents=WorldAgents(world, world.restarts),
        resources=WorldResources(world),
        queues=WorldQueue(world),
        network=WorldNetwork(world, loop),
        logs=world.logs,
        store=inline(store if world.replica is None else world.replica.as_store),
        audit=HistoryAudit(history),
        topology=WorldTopology(world),
    )
    return world


def connect(world: World, host: Host) -> None:
    """Connect every part of a world with its listeners, and the world with the host of the core that recovers it."""
    scenario, agents, core = world.scenario, world.agents, host.core
    world.host, world.core = host, core
    world.network.listener = world
    for queue in world.queue.parts:
        queue.receiver, queue.listener = agents, world
    world.execution.listener, world.execution.checkpoint_listener = agents, world.replica
    agents.listener, agents.host, agents.core = world, host, core
    if world.clients is not None:
        world.clients.listener = world
    heartbeats = Heartbeats(
        world.env, world.streams, world.network, core, scenario.recovery.detection, world.execution.progress_of
    )
    agents.hang_listener = world.network.transport_listener = heartbeats
    if scenario.agents.mtbf is None:
        agents.lifecycle_listeners = (heartbeats,)
        return
    only_while_busy = scenario.agents.failure_clock == "busy"
    breakdowns = Breakdowns(world.env, world.streams, agents, scenario.agents.mtbf, only_while_busy=only_while_busy)
    agents.lifecycle_listeners = (heartbeats, breakdowns)
    world.breakdowns = breakdowns
    if only_while_busy:
        agents.busy_listener = breakdowns
