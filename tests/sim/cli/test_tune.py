"""`recovery-bench tune`."""

import json

import pytest

from sim.cli import main
from tests.sim.experiments.tuning.test_tune import DELAY, SPACE, TEXT

pytest.importorskip("optuna")
QUICK = ["--trials", "5", "--replications", "2", "--fresh", "5"]


@pytest.fixture(autouse=True)
def small(tmp_path, monkeypatch):
    (tmp_path / "small.scenario.yaml").write_text(TEXT)
    monkeypatch.chdir(tmp_path)


def tune(*arguments):
    return main(["tune", "small.scenario.yaml", "--vary", SPACE[0], *QUICK, *arguments])


def test_the_proposed_setting_and_what_it_changes_are_printed(capsys, tmp_path):
    picture = tmp_path / "tuned.png"
    assert tune("--minimize", "tasks.sojourn.mean", "--json", "tuned.json", "--plot", str(picture)) == 0
    out = capsys.readouterr().out
    for line in ("minimize tasks.sojourn.mean", "chosen", "on 5 fresh replications", "better    tasks.sojourn.mean -"):
        assert line in out
    found = json.loads((tmp_path / "tuned.json").read_text())
    assert set(found["chosen"]) == {DELAY}
    assert len(found["tried"]) == 5
    assert picture.stat().st_size > 10_000


def test_the_exit_status_is_1_when_no_setting_meets_the_expectations(capsys):
    assert tune("--minimize", "tasks.sojourn.mean", "--set", "expect=[tasks.sojourn.mean <= 1ms]") == 1
    assert "no setting meets the expectations; the nearest is" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ([], "there is no objective; valid: one metric or more to minimize or maximize"),
        (["--minimize", "x"], "x: unknown metric 'x'; valid: a metric of the catalogue, such as recovery.time.mean"),
        (["--minimize", "tasks.failed", "--vary", "agents.cuont=1..2"], "small.scenario.yaml: --vary agents.cuont=1"),
        (["--minimize", "tasks.failed", "--across", "best"], "--across best: not known; valid: worst, mean"),
        (
            ["--minimize", "tasks.failed", "--study", "nosuch://me:secret@host"],
            "nosuch://…@host: cannot be used as a study",
        ),
    ],
)
def test_bad_input_is_refused_in_one_line(arguments, line, capsys):
    assert tune(*arguments) == 2
    (told,) = capsys.readouterr().err.splitlines()
    assert told.removeprefix("recovery-bench: ").startswith(line)
