"""The names of the runbook's commands, for which a scenario can give costs."""

from __future__ import annotations

COMMANDS: tuple[str, ...] = (
    "release_resources",
    "restore_checkpoint",
    "retry_task",
    "allocate_new_resources",
    "migrate_task",
    "restart_agent",
    "reassign_agent_tasks",
    "reset_connections",
    "replay_messages",
    "check_resource_state",
    "verify_resource_health",
    "analyze_resource_metrics",
    "verify_agent_health",
    "analyze_agent_logs",
    "verify_network_status",
    "check_queue_health",
    "check_logs",
)
"""Every command that the documented runbook uses."""
