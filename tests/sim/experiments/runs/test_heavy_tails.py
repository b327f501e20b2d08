"""Distributions without a variance are reported."""

import pytest

import scenarios
import sim
from sim.experiments.runs.heavy_tails import heavy_tails
from sim.reports.table import summary


def scenario(alpha):
    work = f"{{pareto: {{minimum: 1s, alpha: {alpha}}}}}"
    return scenarios.load("baseline").with_values({"tasks.work": work, "duration": "5m", "warmup": "0s", "expect": []})


@pytest.mark.parametrize(("alpha", "lacks"), [(2.5, None), (2.0, "variance"), (1.5, "variance"), (0.9, "mean")])
def test_a_distribution_without_variance_is_reported(alpha, lacks):
    found = heavy_tails(scenario(alpha))
    assert [(tail.path, tail.alpha) for tail in found] == ([] if lacks is None else [("tasks.work", alpha)])
    assert all(f"has no {lacks}: means" in str(tail) for tail in found)


def test_distributions_of_faults_are_included():
    every = "{pareto: {minimum: 10s, alpha: 1.2}}"
    told = scenarios.load("agent-failure").with_values({"faults": f"[{{agent_crash: {{every: {every}}}}}]"})
    assert [tail.path for tail in heavy_tails(told)] == ["faults[0].agent_crash.every"]


def test_the_warning_appears_next_to_means(capsys):
    from rich.console import Console

    result = sim.replicate(scenario(1.5), seed=1, replications=2)
    console = Console(width=200)
    console.print(summary(result))
    assert "tasks.work is pareto with alpha 1.5, which has no variance" in capsys.readouterr().out
    assert result.as_json()["heavy_tails"] == {"tasks.work": 1.5}
