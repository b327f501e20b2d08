"""The names of the runbook's commands, for which a scenario can give costs."""

from __future__ import annotations

from recovery.runbook.catalogue import command_names

COMMANDS: tuple[str, ...] = command_names()
"""Every command that automatic recovery gives."""
