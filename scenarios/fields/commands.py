"""The names of the runbook's commands, for which a scenario can set costs."""

from __future__ import annotations

from recovery.runbook.catalogue import command_names

COMMANDS: tuple[str, ...] = command_names()
"""Every command of automatic recovery."""
