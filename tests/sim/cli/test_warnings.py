"""Warnings of `show` and `run` about settings that contradict each other."""

import pytest

from sim.cli import main
from tests.sim.cli.small import SMALL

CONTRADICTING = SMALL % "35s" + "queue: {ack_timeout: 1s, max_deliveries: 2, loss: 1%}\n"


@pytest.fixture
def contradicting(tmp_path, monkeypatch):
    """A folder with a scenario whose ack_timeout is below its work, among others."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.scenario.yaml").write_text(SMALL % "35s")
    (tmp_path / "warned.scenario.yaml").write_text(CONTRADICTING)


@pytest.mark.usefixtures("contradicting")
def test_show_prints_warnings_in_a_section_of_their_own(capsys):
    assert main(["show", "warned.scenario.yaml"]) == 0
    shown = " ".join(capsys.readouterr().out.split()).partition("Warnings ")[2]
    assert shown.startswith(
        "ack_timeout: queue.ack_timeout, tasks.work: 1s is below the duration of an attempt (mean 3s, p95 8.99s)"
    )
    assert "queue.max_deliveries, recovery.conditions.task_failure.max_retries: " in shown
    assert main(["show", "small.scenario.yaml"]) == 0
    assert "Warnings" not in capsys.readouterr().out


@pytest.mark.usefixtures("contradicting")
def test_run_prints_warnings_on_stderr_unless_quiet(capsys):
    main(["run", "warned.scenario.yaml", "small.scenario.yaml"])
    captured = capsys.readouterr()
    lines = captured.err.splitlines()
    assert lines[0].startswith("warning: small: queue.ack_timeout, tasks.work: 1s is below")
    assert all(line.startswith("warning: small: ") for line in lines)
    assert len(lines) == 2
    assert "warning" not in captured.out
    main(["run", "warned.scenario.yaml", "--quiet"])
    assert "warning" not in capsys.readouterr().err


def test_run_of_a_shipped_scenario_warns_of_changed_settings_only(capsys):
    assert main(["run", "dead-letters", "--set", "duration=1m", "--set", "faults=[]", "--set", "warmup=0s"]) in {0, 1}
    assert "warning: dead-letters: queue.max_deliveries" in capsys.readouterr().err
