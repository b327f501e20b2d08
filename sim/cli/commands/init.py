"""`init`: a starter scenario, a suite with its baseline, and a GitHub Actions workflow."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sim.cli.errors import BadInput
from sim.cli.options import parameters
from sim.cli.output.console import console
from sim.cli.output.files import write_text

SCENARIO = """\
name: agent-crash
description: One of five agents crashes while it holds work; its task is restarted on another agent.
seed: 7
duration: 10m
tasks:
  arrivals: {poisson: {rate: 0.5/s}}
  work: {exponential: {mean: 3s}}
agents: {count: 5, restart_time: 20s}
recovery:
  detection: {heartbeat_interval: 5s, missed_heartbeats: 3}
  conditions: {task_failure: {max_retries: 3, retry_delay: 30s}}
faults:
  - agent_crash: {targets: 1, at: 5m}
expect:
  - tasks.lost == 0
  - recovery.time.max <= 60s
tolerances:
  recovery.time.mean: 10%
"""
WORKFLOW = """\
name: recovery
on:
  push: {branches: [main]}
  pull_request:
permissions: {contents: read, pull-requests: write}
jobs:
  suite:
    runs-on: ubuntu-latest
    strategy:
      fail-fast: false
      matrix: {python: ["3.11", "3.13"]}
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with: {python-version: "${{ matrix.python }}", cache: pip, cache-dependency-path: requirements-recovery.txt}
      - run: pip install -r requirements-recovery.txt
      - run: >-
          recovery-bench suite scenarios --baseline baseline.json
          --junit results.xml --markdown summary.md --html results.html
      - uses: actions/upload-artifact@v4
        if: always()
        with: {name: "recovery-${{ matrix.python }}", path: "results.*"}
      - if: always() && github.event_name == 'pull_request' && matrix.python == '3.13'
        run: >-
          gh pr comment "$NUMBER" --body-file summary.md --edit-last
          || gh pr comment "$NUMBER" --body-file summary.md
        env: {GH_TOKEN: "${{ github.token }}", NUMBER: "${{ github.event.number }}"}
"""
REQUIREMENTS = "requirements-recovery.txt"
BASELINE = "baseline.json"


def init(
    folder: Annotated[str, typer.Argument(metavar="DIR", help="The folder to write to; created if missing.")] = ".",
    quiet: parameters.Quiet = False,
    no_color: parameters.NoColor = False,
) -> int:
    """Write a starter scenario, a baseline, and a GitHub Actions workflow that run at once.

    No file is replaced: exit status 2 when one of them exists.
    """
    from sim.experiments.runs.provenance import installed_version

    root = Path(folder)
    files = {
        root / "scenarios" / "agent-crash.scenario.yaml": SCENARIO,
        root / REQUIREMENTS: f"recovery-bench=={installed_version()}\n",
        root / ".github" / "workflows" / "recovery.yml": WORKFLOW,
    }
    for file in (*files, root / BASELINE):
        if file.exists():
            raise BadInput(f"{file}: exists already; valid: another folder, or remove the file")
    for file, text in files.items():
        _make_folder(file.parent)
        write_text(str(file), text)
    status = _baseline(root)
    if not quiet:
        out = console(no_color)
        for file in (*files, root / BASELINE):
            out.print(f"written: {file}", soft_wrap=True)
        where = "" if root == Path() else f"cd {root} && "
        out.print(f"run it: {where}recovery-bench suite scenarios --baseline {BASELINE}", soft_wrap=True)
    return status


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"{folder}: cannot be created: {error.strerror or error}") from None


def _baseline(root: Path) -> int:
    """Measure the baseline; returns the exit status of the suite."""
    from sim.cli.commands.suite import suite

    return suite([str(root / "scenarios")], baseline=str(root / BASELINE), update_baseline=True, quiet=True)
