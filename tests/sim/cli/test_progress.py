"""Progress on a terminal: rate, time left and current precision."""

import io
import re

import pytest
from rich.console import Console

from sim.cli import main
from sim.cli.output import console as console_module

PRECISE = ["run", "small.scenario.yaml", "--precision", "6%", "--precise", "tasks.sojourn.mean", "--seed", "7"]


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def terminal(monkeypatch):
    """The output on a terminal, in place of stderr, without color."""
    shown = io.StringIO()
    real = console_module.console

    def console(no_color=False, *, stderr=False):
        if not stderr:
            return real(no_color)
        return Console(file=shown, force_terminal=True, width=80, color_system=None, legacy_windows=False)

    monkeypatch.setattr(console_module, "console", console)
    return shown


def on_a_terminal(steps, seconds, width=80, name="agent-failure", **told):
    """The line of a progress bar of ten after so many steps of so many seconds each."""
    from rich.progress import Progress

    from sim.presentation.progress_bar import columns

    clock = Clock()
    shown = Console(file=io.StringIO(), force_terminal=True, width=width, color_system=None)
    bar = Progress(*columns(), console=shown, get_time=clock, auto_refresh=False)
    task = bar.add_task(name, total=10, **told)
    for _ in range(steps):
        clock.now += seconds
        bar.advance(task)
    with shown.capture() as captured:
        shown.print(bar.get_renderable())
    return captured.get().splitlines()


def test_the_progress_bar_shows_count_rate_and_time_left():
    (line,) = on_a_terminal(steps=4, seconds=2.0)
    assert line.startswith("agent-failure ")
    assert re.search(r" 4/10 +0\.5 runs/s +00:12\b", line)


def test_no_rate_is_shown_before_the_first_result():
    (line,) = on_a_terminal(steps=1, seconds=2.0)
    assert "1/10" in line
    assert "runs/s" not in line
    assert "--:--" in line


def test_extra_text_is_appended_and_a_long_name_is_shortened():
    (line,) = on_a_terminal(4, 2.0, name="communication-failure, that is a long name", told="±7.1 % of ±5 %")
    assert re.search(r"^communication-\S*… .* 4/10 +0\.5 runs/s +00:12 ±7\.1 % of ±5 %$", line.rstrip())
    assert len(line) <= 80


@pytest.mark.long
def test_the_achieved_precision_is_shown(small, terminal, capsys):
    assert main([*PRECISE, "--quiet"]) == 0
    assert terminal.getvalue() == ""
    assert main([*PRECISE, "--json", "-"]) == 0
    told = [float(share) for share in re.findall(r"±([\d.]+) % of ±6 %", terminal.getvalue())]
    assert told[0] > 6, "the first look was not precise enough"
    assert told[-1] <= 6
    assert "precision" in capsys.readouterr().out


def test_no_progress_is_shown_without_a_terminal(small, capsys):
    assert main([*PRECISE]) == 0
    assert capsys.readouterr().err == ""
