"""`run --precision` with a metric that a scenario never observes."""

import json

import pytest

from sim.cli import main

PRECISE = ["--precision", "20%", "--precise", "detection.latency.mean", "--json", "found.json"]
NEVER = (
    "--precise detection.latency.mean: calm observes it in none of the first 10 replications; valid: one that it "
    "observes, such as tasks.sojourn.mean\n"
)


@pytest.fixture
def calm(small):
    """A scenario in which nothing fails, beside the others."""
    text = (small / "small.scenario.yaml").read_text()
    calm = text.replace("name: small", "name: calm").partition("faults:")[0]
    (small / "calm.scenario.yaml").write_text(calm)
    return small


def test_an_unobserved_metric_is_rejected_in_one_line(calm, capsys):
    assert main(["run", "calm.scenario.yaml", *PRECISE]) == 2
    assert capsys.readouterr() == ("", NEVER)
    assert not (calm / "found.json").exists()


def test_earlier_scenarios_are_kept(calm, capsys):
    assert main(["run", "small.scenario.yaml", "calm.scenario.yaml", *PRECISE]) == 2
    out, err = capsys.readouterr()
    assert "precision of detection.latency.mean: " in out
    assert err == NEVER
    assert [found["scenario"] for found in json.loads((calm / "found.json").read_text())] == ["small"]
