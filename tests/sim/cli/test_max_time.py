"""`--max-time`: the command is interrupted when its time is over, and reports what has finished."""

import json
import threading

import pytest

from sim.cli import main
from sim.cli.interrupts import interruptible, time_limit

LONG_WAIT = 600


def test_a_time_limit_interrupts_a_wait():
    with interruptible():
        with pytest.raises(KeyboardInterrupt), time_limit(0.2) as limit:
            threading.Event().wait(LONG_WAIT)
        assert limit.is_over


def test_a_command_that_ends_in_time_is_not_interrupted():
    with interruptible():
        for _ in range(50):
            with time_limit(LONG_WAIT) as limit:
                pass
        assert not limit.is_over
    assert not [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]


@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_time_beyond_what_threads_can_wait_for_is_no_limit():
    with interruptible(), time_limit(1e300) as limit:
        threading.Event().wait(0.01)
    assert not limit.is_over


def test_without_a_time_there_is_no_limit():
    with time_limit(None) as limit:
        assert threading.active_count() >= 1
    assert not limit.is_over


def test_the_runs_that_finish_in_time_are_reported(small, capsys, monkeypatch):
    import sim.experiments.runs.executor as workers

    class Timer:
        def __init__(self, seconds, function):
            seconds_of.append((seconds, function))

        def start(self):
            pass

        def cancel(self):
            pass

        def join(self):
            pass

    def run(*arguments, real=workers.run, **options):
        done.append(real(*arguments, **options))
        if len(done) == 3:
            seconds_of[0][1]()
        return done[-1]

    seconds_of, done = [], []
    monkeypatch.setattr("sim.cli.interrupts.threading.Timer", Timer)
    monkeypatch.setattr(workers, "run", run)
    command = ["run", "small.scenario.yaml", "--replications", "5", "--max-time", "2m", "--json", "part.json"]
    assert main(command) == 0
    assert seconds_of[0][0] == 120
    assert capsys.readouterr().err == "--max-time is over; finished: 2 of 5 of small\n"
    assert len(json.loads((small / "part.json").read_text())["runs"]) == 2
