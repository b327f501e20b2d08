"""The core is ordinary asyncio code and runs without any simulator."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
STORY = """
import asyncio
import sys

for name in ("simpy", "sim", "scenarios"):
    sys.modules[name] = None  # to import it is an error from now on

from recovery import Supervisor
from tests.recovery.small_system import SmallSystem, failure_of

QUICK = {"task_failure": {"max_retries": 3, "retry_delay": "1ms"}}
DETECTION = {"heartbeat_interval": "200ms", "missed_heartbeats": 3}  # no second suspicion before the core stops


async def main():
    system = SmallSystem()
    system.failed("task.1", gpu=2)
    system.up["agent.0"] = False
    supervisor = Supervisor({"conditions": QUICK, "detection": DETECTION}, system.ports)
    await supervisor.start()
    supervisor.report(failure_of("task.1"))
    await supervisor.settled()
    supervisor.watch("agent.0")
    while not system.up["agent.0"]:
        await asyncio.sleep(0.001)
    await supervisor.settled()
    await supervisor.stop()
    print(system.queue, system.held, *system.trail, sep="\\n")


asyncio.run(main())
assert sys.modules["simpy"] is None
"""


def test_tasks_and_agents_recover_on_the_wall_clock_without_a_simulator():
    told = subprocess.run(
        [sys.executable, "-W", "error", "-c", STORY], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert told.stderr == ""
    assert told.stdout.splitlines() == [
        "['task.1']",
        "{}",
        "recovery.opened task_failure",
        "retry.granted task_failure",
        "recovery.started",
        "recovery.analyzed task_failures.execution_failure",
        "task.fenced",
        "step.started release_resources",
        "step.completed release_resources",
        "step.started restore_checkpoint",
        "step.completed restore_checkpoint",
        "step.started retry_task",
        "step.completed retry_task",
        "recovery.executed",
        "recovery.verified",
        "agent.suspected",
        "recovery.opened agent_failure",
        "recovery.started",
        "recovery.analyzed system_failures.agent_failure",
        "step.started restart_agent",
        "step.completed restart_agent",
        "step.started reassign_agent_tasks",
        "step.completed reassign_agent_tasks",
        "recovery.executed",
        "recovery.verified",
        "agent.cleared",
    ]
