"""`progress=True`: a bar of the runs, on a terminal and in a notebook."""

from io import StringIO

import pytest
from rich.console import Console

import scenarios
import sim
from sim.presentation import progress_bar

POINTS = {"agents.count": [2, 3]}


@pytest.fixture
def scenario():
    text = "{name: small, duration: 30s, tasks: {arrivals: {interval: {every: 1s}}, work: 1s}, agents: {count: 2}}"
    return scenarios.loads(text)


@pytest.fixture
def shown(monkeypatch):
    terminal = Console(file=StringIO(), force_terminal=True, width=100, color_system=None)
    monkeypatch.setattr(progress_bar, "Console", lambda **_: terminal)
    return terminal.file


@pytest.mark.parametrize(
    ("experiment", "last"),
    [
        (lambda of: sim.replicate(of, seed=7, replications=3, progress=True), "3/3"),
        (lambda of: sim.compare(of, {}, {"agents.count": 3}, seed=7, replications=2, progress=True), "4/4"),
        (lambda of: sim.sweep(of, POINTS, seed=7, replications=2, progress=True), "4/4"),
        (lambda of: sim.find_warmup(of, seed=7, replications=2, progress=True), "2/2"),
    ],
)
def test_the_bar_counts_the_runs(scenario, shown, experiment, last):
    experiment(scenario)
    assert "small" in shown.getvalue()
    assert last in shown.getvalue()


def test_callbacks_are_called_beside_the_bar(scenario, shown):
    runs = []
    sim.replicate(scenario, 7, 2, 1, runs.append, progress=True)
    assert [run.seed for run in runs] == ["7/0", "7/1"]
    assert "2/2" in shown.getvalue()


def test_what_is_finished_in_a_folder_counts(scenario, shown, tmp_path):
    sim.sweep(scenario, POINTS, seed=7, out=tmp_path)
    sim.sweep(scenario, POINTS, seed=7, replications=2, out=tmp_path, progress=True)
    assert "4/4" in shown.getvalue()


def test_nothing_is_shown_unless_it_is_asked_for(scenario, capfd):
    sim.replicate(scenario, seed=7, replications=2)
    sim.replicate(scenario, seed=7, replications=2, progress=True)  # stderr is no terminal
    assert capfd.readouterr() == ("", "")
