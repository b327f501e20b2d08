"""Heartbeats in memory that the processes of a system share. To send or to read one waits for nothing.

A heartbeat by way of a file waits for the disk whenever the file system does, for instance while it commits its own
journal, and all agents of a system would be silent together.
"""

from __future__ import annotations

import json
import mmap
import struct
import zlib
from collections.abc import Sequence

from recovery.local.agent_registry import Beats

SLOT = 1 << 16
"""The size of a slot in bytes. Memory that is never written to is not used."""
_HEADER = struct.Struct("=II")  # the checksum and the length of the record


class BeatMemory:
    """A slot for each of `agents` agents, with its latest heartbeat. It is shared with processes that are forked."""

    def __init__(self, agents: int) -> None:
        self._memory = mmap.mmap(-1, agents * SLOT)
        self._slots: dict[str, int] = {}
        self._read: list[tuple[tuple[int, int], Beats | None]] = [((0, 0), None)] * agents

    def slot(self, name: str) -> BeatSlot:
        """The slot of an agent. Raises ValueError if there are more agents than slots."""
        number = self._slots.setdefault(name, len(self._slots))
        if number >= len(self._read):
            raise ValueError(f"{name}: there are {len(self._read)} agents")
        return BeatSlot(self, number)

    def beats(self) -> Sequence[Beats]:
        """The latest heartbeat of each agent that has sent one, in the order of the slots."""
        latest = (self.latest(number) for number in range(len(self._read)))
        return [beats for beats in latest if beats is not None]

    def latest(self, number: int) -> Beats | None:
        """The latest heartbeat in a slot; the one before while it is written."""
        header = _HEADER.unpack_from(self._memory, number * SLOT)
        known, beats = self._read[number]
        if header == known:
            return beats
        start = number * SLOT + _HEADER.size
        checksum, length = header
        record = self._memory[start : start + min(length, SLOT - _HEADER.size)]
        if zlib.crc32(record) != checksum:
            return beats
        found = Beats(*json.loads(record))
        self._read[number] = header, found
        return found

    def write(self, number: int, beats: Beats) -> None:
        """Write a heartbeat to a slot. If it is too long for that, it lacks the progress."""
        fields = [beats.name, beats.incarnation, beats.pid, beats.beats]
        record = json.dumps([*fields, dict(beats.progress)]).encode()
        if len(record) > SLOT - _HEADER.size:
            record = json.dumps([*fields, {}]).encode()
        start = number * SLOT
        self._memory[start : start + _HEADER.size + len(record)] = (
            _HEADER.pack(zlib.crc32(record), len(record)) + record
        )


class BeatSlot:
    """The slot of one agent, as its processes write to it."""

    def __init__(self, memory: BeatMemory, number: int) -> None:
        self._memory = memory
        self._number = number

    def beat(self, beats: Beats) -> bool:
        """Write a heartbeat. False: a process with a higher incarnation has sent one, and nothing was written."""
        latest = self._memory.latest(self._number)
        if latest is not None and latest.incarnation > beats.incarnation:
            return False
        self._memory.write(self._number, beats)
        return True
