"""The log files of the world, which the recovery core can search."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence

import simpy

LOG_LINES = 1000


class WorldLogs:
    """Implements `recovery.ports.LogPort`: the latest lines of all files, each with its time."""

    def __init__(self, env: simpy.Environment) -> None:
        self._env = env
        self._lines: deque[tuple[float, str, str]] = deque(maxlen=LOG_LINES)

    def write(self, path: str, line: str) -> None:
        """Append a line to a log file."""
        self._lines.append((self._env.now, path, line))

    async def search(self, path: str, pattern: str, timeframe: float) -> Sequence[str]:
        """Lines below `path` that match, of the last `timeframe` seconds."""
        wanted, since = re.compile(pattern), self._env.now - timeframe
        return [line for at, file, line in self._lines if at >= since and file.startswith(path) and wanted.search(line)]
