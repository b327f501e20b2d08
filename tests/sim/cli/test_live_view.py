"""`run --live`: shows a finished run, and changes neither its results nor its exit status."""

import io
import json
import re
from pathlib import Path

import pytest
from rich.console import Console

import scenarios
import sim
from sim.cli import main
from sim.cli.output import live_view
from sim.reports.live.frame import Frame

ROOT = Path(__file__).parents[3]
RECORDED = ["rack-failure", "--record", "live.svg", "--window", "290s..385s", "--speed", "6"]


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def screen(monkeypatch):
    shown = Terminal()
    found = Console(file=shown, force_terminal=True, width=80, height=24, _environ={"TERM": "xterm"})
    monkeypatch.setattr(live_view, "_terminal", lambda no_color: found)
    return shown


def results(*options):
    status = main(["run", "small.scenario.yaml", "strict.scenario.yaml", "--json", "a.json", *options])
    found = json.loads(Path("a.json").read_text())
    for run in (run for result in found for run in result["runs"]):
        del run["wall_seconds"]
    return status, found


def without_times(table):
    return re.sub(r"in \d+\.\d s", "in a while", table)


def test_results_and_status_are_those_of_a_run_that_is_not_shown(small, screen, capsys):
    shown = results("--live", "--speed", "1000000")
    table = without_times(capsys.readouterr().out)
    assert shown == results()
    assert shown[0] == 1
    assert table == without_times(capsys.readouterr().out)
    assert "1 of 2 as expected" in screen.getvalue()


def test_the_run_is_shown_at_the_speed(small, monkeypatch):
    run = sim.run(scenarios.load("small.scenario.yaml"))
    now, times = [0.0], []

    def frame(replay, time, *others):
        times.append(time)
        return Frame(replay, time, *others)

    monkeypatch.setattr("sim.reports.live.frame.Frame", frame)
    on = Console(file=io.StringIO(), force_terminal=True, width=80, height=24)
    live_view.play(run, on, (30.0, 90.0), 20.0, clock=lambda: now[0], sleep=lambda s: now.__setitem__(0, now[0] + 0.5))
    assert times == [30.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0]
    default = live_view._frames(run, None, None)(0.0).speed, live_view._frames(run, (30.0, 90.0), None)(0.0).speed
    assert default == (4.0, 1.0)


def test_an_interrupt_ends_the_view_and_keeps_the_results(small, screen, monkeypatch, capsys):
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr(live_view, "check", interrupted)
    assert results("--live")[0] == 130
    assert len(json.loads(Path("a.json").read_text())) == 2
    assert screen.getvalue().endswith("\x1b[?25h")  # the cursor is visible again
    assert "✗ recovery.time.max <= 1s" in capsys.readouterr().out


def test_without_a_terminal_there_is_a_line_and_the_results(small, capsys):
    assert main(["run", "small.scenario.yaml", "--live"]) == 0
    out, err = capsys.readouterr()
    assert "✓ tasks.lost == 0" in out
    assert err == "--live: there is no terminal to show the run in; the results are the same without it\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is full")
@pytest.mark.parametrize("option", ["--record", "--html", "--plot"])
def test_a_picture_for_which_there_is_no_room_loses_no_result(small, capsys, option):
    Path("full.svg").symlink_to("/dev/full")
    assert main(["run", "small.scenario.yaml", "--json", "a.json", option, "full.svg"]) == 2
    out, err = capsys.readouterr()
    assert "✓ tasks.lost == 0" in out
    assert err == "full.svg: cannot be written: No space left on device\n"
    assert json.loads(Path("a.json").read_text())["expectations"][0]["holds"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--speed", "60"], "--speed: is the speed of --live; valid: with --live"),
        (["--live", "--speed", "0"], "--speed 0: not a speed; valid: virtual seconds a second, such as 60 or 0.5"),
        (["--live", "--speed", "nan"], "--speed nan: not a speed; valid: "),
        (["--live", "-q"], "--live, --quiet: one shows the run, the other nothing; valid: one of them"),
        (["--live", "--window", "9m..10m"], "--window 9m..10m: is outside the run, which ends at 4m"),
        (["--record", "a.gif"], "--record a.gif: not a recording format; valid: a file that ends in .svg"),
        (["--record", "-"], "--record -: is a picture, which is kept in a file; valid: --record FILE.svg"),
        (["--record", "no/a.svg"], "--record no/a.svg: there is no folder 'no'; valid: a file in a folder that exists"),
        (["--live", "--check-determinism"], "--check-determinism: keeps and shows nothing; valid: without --json, "),
        (
            ["--live", "--rare", "recovery.time > 10s"],
            "--rare, --live: --rare only estimates a probability; valid: one of them",
        ),
    ],
)
def test_invalid_input_is_one_line_with_status_2(small, capsys, options, message):
    assert main(["run", "small.scenario.yaml", *options]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith(message)
    assert sorted(path.name for path in small.iterdir()) == ["small.scenario.yaml", "strict.scenario.yaml"]


@pytest.mark.long
def test_the_recording_of_the_first_page_is_up_to_date(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["run", *RECORDED, "-q"]) == 0
    assert Path("live.svg").read_text() == (ROOT / ".images" / "live.svg").read_text()
    page = (ROOT / ".github" / "CONTRIBUTING.md").read_text()
    assert " ".join(["recovery-bench run", *RECORDED]).replace("live.svg", ".images/live.svg") in page
