"""`run --plot`: a picture of the runs, of any window."""

import pytest
from matplotlib.image import imread

from sim.cli import main


def test_the_picture_shows_the_given_window(small, monkeypatch):
    drawn = []

    def timeline(history, window):
        drawn.append((history.meta["seed"], window))
        return real(history, window)

    import sim.reports.timeline

    real = sim.reports.timeline.timeline
    monkeypatch.setattr(sim.reports.timeline, "timeline", timeline)
    command = ["run", "small.scenario.yaml", "--replications", "2", "--plot", "run.png", "--window", "1m..90s", "-q"]
    assert main(command) == 0
    assert drawn == [("7/0", (60.0, 90.0))]
    assert imread("run.png").shape[:2] == (564, 1080)


def test_several_scenarios_are_side_by_side(small):
    assert main(["run", "small.scenario.yaml", "strict.scenario.yaml", "--plot", "runs.svg", "-q"]) == 1
    assert (small / "runs.svg").read_text().count("<!-- small -->") == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--plot", "run.gif"], "--plot run.gif: not a picture format; valid: a file that ends in .png, .svg, .pdf\n"),
        (["--plot", "."], "--plot .: is a folder; valid: the name of a file\n"),
        (["--plot", "-"], "--plot -: is a picture, which is kept in a file; valid: --plot FILE.png\n"),
        (["--plot", "a.png", "--json", "a.png"], "--plot a.png: is the file of --json as well; valid: two different "),
        (["--plot", "a.png", "--window", "5m"], "--window 5m: not a window; valid: BEGIN..END, such as 10m..20m\n"),
        (["--plot", "a.png", "--window", "9m..5m"], "--window 9m..5m: ends before it begins; valid: BEGIN..END, "),
        (["--plot", "a.png", "--window", "9d..10d"], "--window 9d..10d: is outside the run, which ends at "),
        (
            ["--window", "1s..2s"],
            "--window: is the part of a run that --plot draws; valid: with --plot FILE.png, --html FILE or --live",
        ),
    ],
)
def test_invalid_input_is_one_line_with_status_2(small, capsys, options, message):
    assert main(["run", "small.scenario.yaml", "--quiet", *options]) == 2
    err = capsys.readouterr().err
    assert err.startswith(message)
    assert err.count("\n") == 1
    assert sorted(path.name for path in small.iterdir()) == ["small.scenario.yaml", "strict.scenario.yaml"]
