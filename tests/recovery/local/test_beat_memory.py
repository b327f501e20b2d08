"""Heartbeats in shared memory are whole, and those of a process that was replaced are refused."""

import asyncio
import os

import pytest

from recovery.local import LocalConfig, agent_registry
from recovery.local.agent_registry import Beats
from recovery.local.beat_memory import SLOT, BeatMemory
from recovery.local.ports import local_ports
from tests.recovery.local.stories import do


def beats(count, name="agent.0", incarnation=1, **progress):
    return Beats(name, incarnation, 4711, count, progress)


def test_a_forked_process_writes_heartbeats_that_its_parent_reads():
    memory = BeatMemory(2)
    slots = [memory.slot(name) for name in ("agent.0", "agent.1")]
    assert memory.beats() == []
    pid = os.fork()
    if pid == 0:
        slots[1].beat(beats(3, "agent.1", task=0.5))
        os._exit(0)
    os.waitpid(pid, 0)
    assert memory.beats() == [beats(3, "agent.1", task=0.5)]
    with pytest.raises(ValueError, match=r"agent\.2: there are 2 agents"):
        memory.slot("agent.2")


def test_a_process_that_was_replaced_sends_no_heartbeat():
    memory = BeatMemory(1)
    slot = memory.slot("agent.0")
    assert slot.beat(beats(9))
    assert slot.beat(beats(1, incarnation=2))
    assert not slot.beat(beats(10))
    assert memory.beats() == [beats(1, incarnation=2)]


def test_a_heartbeat_that_is_being_written_is_not_read():
    memory = BeatMemory(1)
    slot = memory.slot("agent.0")
    slot.beat(beats(1))
    before = memory.beats()
    memory._memory[1] ^= 255  # of the checksum
    assert memory.beats() == before == [beats(1)]
    slot.beat(beats(2))
    assert memory.beats() == [beats(2)]


def test_a_heartbeat_that_is_too_long_lacks_its_progress():
    memory = BeatMemory(1)
    memory.slot("agent.0").beat(beats(1, **{"t" * SLOT: 0.5}))
    assert memory.beats() == [beats(1)]


def test_the_core_finds_agents_in_memory_and_those_that_have_sent_no_heartbeat_in_the_store(database):
    memory = BeatMemory(2)
    do(database, agent_registry.arrive, "agent.0", 1)
    do(database, agent_registry.arrive, "agent.1", 2)

    async def main():
        _, agents = local_ports(database, None, LocalConfig(), memory)
        slot = memory.slot("agent.1")
        slot.beat(beats(5, "agent.1"))
        found = [[(agent.name, agent.beats) for agent in await agents.beaten()]]
        for sent in (beats(5, "agent.1"), beats(6, "agent.1"), beats(1, "agent.1", incarnation=2)):
            slot.beat(sent)
            found.append([(agent.name, agent.incarnation, agent.beats) for agent in await agents.beaten()])
        return found

    assert asyncio.run(main()) == [
        [("agent.0", 1), ("agent.1", 5)],
        [],
        [("agent.1", 1, 6)],
        [("agent.1", 2, 1)],
    ]
