"""The commit of the current folder, from git."""

from __future__ import annotations

import os
import subprocess
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sim.suites.trend import Commit


def current_commit() -> Commit:
    """The commit that is checked out, and its time; without git, that of GITHUB_SHA, and the time now."""
    from sim.suites.trend import Commit

    command = ["git", "show", "-s", "--format=%H %cI", "HEAD"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.split()  # noqa: S603
        return Commit(found[0], found[1])
    except (OSError, subprocess.SubprocessError, IndexError):
        now = datetime.now(UTC).isoformat(timespec="seconds")  # noqa: TID251 - a result of no run
        return Commit(os.environ.get("GITHUB_SHA", ""), now)
