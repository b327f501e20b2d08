"""Logs in the store: lines of tasks and agents, with the time of each."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence

from sqlalchemy import Connection, insert, select

from recovery.stores.tables import LOGS

TASK_LOGS = "/var/log/tasks/"
AGENT_LOGS = "/var/log/agents/"
REFUSED = "[refused]"
"""Marks the lines about an attempt that was refused because its epoch is fenced."""
LONGEST = 2000
"""The maximum length of a line in characters; longer ones are truncated."""


def write(connection: Connection, path: str, line: str) -> None:
    """Append a line to a log."""
    connection.execute(insert(LOGS).values(at=time.time(), path=path, line=line[:LONGEST]))


def search(connection: Connection, path: str, pattern: str, since: float = 0.0) -> Sequence[str]:
    """The log lines below `path` since `since` (s since the epoch) that match a regular expression."""
    wanted = re.compile(pattern)
    asked = select(LOGS.c.line).where(LOGS.c.at >= since, LOGS.c.path.startswith(path, autoescape=True))
    return [line for line in connection.execute(asked.order_by(LOGS.c.number)).scalars() if wanted.search(line)]
