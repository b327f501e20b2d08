"""Shared fixtures of the tests of commands."""

import pytest

from tests.sim.cli.desk import Desk
from tests.sim.cli.small import SMALL


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A folder with a scenario that holds and one that does not."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.scenario.yaml").write_text(SMALL % "35s")
    (tmp_path / "strict.scenario.yaml").write_text(SMALL % "1s")
    return tmp_path


@pytest.fixture
def interrupts(monkeypatch):
    """Ctrl-C after so many finished runs."""
    import sim.experiments.runs.executor as workers
    import sim.simulation

    def after(finished):
        done = []

        def run(*arguments, real=sim.simulation.run, **options):
            if len(done) == finished:
                raise KeyboardInterrupt
            done.append(real(*arguments, **options))
            return done[-1]

        monkeypatch.setattr(workers, "run", run)
        monkeypatch.setattr(sim.simulation, "run", run)

    return after


@pytest.fixture
def desk(tmp_path, monkeypatch, capsys):
    """The desk of alice, an operator."""
    monkeypatch.chdir(tmp_path)
    return Desk(tmp_path, monkeypatch, capsys)
