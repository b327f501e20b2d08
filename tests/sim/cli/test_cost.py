"""Runs that could never end are refused before they start, unless they are forced."""

import pytest

from scenarios import expected_events
from sim.cli import main

HUGE = "agents.count=100000000000000000000"
VALID = "valid: up to 1e+09, or --force"
REFUSED = f"baseline: agents.count: about 8e+22 events are expected in a run; {VALID}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "baseline", "--set", HUGE], REFUSED),
        (["run", "baseline", "--set", HUGE, "--check-determinism"], REFUSED),
        (["run", "baseline", "--set", HUGE, "--find-warmup"], REFUSED),
        (["run", "baseline", "--set", HUGE, "--precision", "5%"], REFUSED),
        (["compare", "baseline", "--b", HUGE], REFUSED),
        (["sweep", "baseline", "--grid", HUGE, "--out", "sweep"], REFUSED),
        (
            ["compare", "baseline", "--grid", f"{HUGE},1", "--metric", "tasks.wait.mean", "--indifference", "1s"],
            REFUSED,
        ),
        (
            ["run", "baseline", "--replications", "1" + "0" * 20],
            f"baseline: --replications: about 7e+24 events are expected in {10**20:,} runs; {VALID}\n",
        ),
        (
            ["run", "baseline", "--replications", "1" + "0" * 400],
            f"baseline: --replications: about 7e+34 events are expected in 1e+30 or more runs; {VALID}\n",
        ),
        (
            ["run", "baseline", "--rare", "recovery.time > 600s", "--particles", "1" + "0" * 20],
            f"baseline: --particles: about 7e+25 events are expected in {10**21:,} runs; {VALID}\n",
        ),
        (
            ["run", "baseline", "--rare", "tasks.lost > 0", "--level", "none", "--replications", "1" + "0" * 20],
            f"baseline: --replications: about 7e+24 events are expected in {10**20:,} runs; {VALID}\n",
        ),
    ],
)
def test_what_cannot_end_is_refused(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    assert capsys.readouterr().err == message
    assert not list(tmp_path.iterdir())


def test_it_is_run_when_it_is_forced(capsys, monkeypatch):
    monkeypatch.setattr(expected_events, "MOST_EVENTS", 10.0)
    command = ["run", "baseline", "--set", "duration=1m", "--set", "warmup=0s", "--set", "expect=[]", "--quiet"]
    assert main(command) == 2
    assert "events are expected in a run; valid: up to 1e+01, or --force" in capsys.readouterr().err
    assert main([*command, "--force"]) == 0
