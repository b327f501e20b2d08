"""`recovery-bench tune`."""

import json
from pathlib import Path

import pytest

from sim.cli import main
from tests.sim.experiments.tuning.test_tune import DELAY, SPACE, TEXT

pytestmark = pytest.mark.long

pytest.importorskip("optuna")
COMMAND = "tune small.scenario.yaml --trials 3 --replications 2 --jobs 1 --set duration=2m"
RECOMMEND = COMMAND.split()
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


def test_the_chosen_setting_is_written_as_a_policy_file_that_run_uses(capsys, tmp_path):
    own = "--set", "recovery.conditions.task_failure={preset: celery, deadline: 90s}"
    assert tune("--minimize", "tasks.sojourn.mean", *own, "--out", "policy.yaml", "--json", "tuned.json") == 0
    assert "policy: policy.yaml; to use it: recovery-bench run small.scenario.yaml --policy policy.yaml" in (
        capsys.readouterr().out
    )
    chosen = json.loads((tmp_path / "tuned.json").read_text())["chosen"][DELAY]
    assert main(["run", "small.scenario.yaml", "--policy", "policy.yaml", "--json", "by-policy.json"]) == 0
    assert main(["run", "small.scenario.yaml", *own, "--set", f"{DELAY}={chosen}s", "--json", "set.json"]) == 0
    by_policy, by_set = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("by-policy", "set"))
    assert by_policy["runs"][0]["history_sha256"] == by_set["runs"][0]["history_sha256"]
    assert by_policy["scenario_resolved"]["recovery"]["conditions"]["task_failure"]["deadline"] == 90


def test_a_recommendation_says_what_to_change_and_how_sure_it_is(capsys, tmp_path):
    """Without ranges and objectives. The policy file has what is recommended."""
    assert main([*RECOMMEND, "--fresh", "5", "--out", "p.yaml", "--json", "tuned.json"]) == 0
    out = capsys.readouterr().out
    assert "the most tasks within 6s at the least wasted work" in out
    assert f"  {DELAY}: 30s -> " in out
    assert "tasks.within(6s): better in 5 of 5 pairs, worse in 0" in out
    found = json.loads((tmp_path / "tuned.json").read_text())
    change = found["recommended"][DELAY]
    assert change["from"] == [30]
    assert change["to"] < 6
    assert f"retry_delay: {change['to']:g}" in (tmp_path / "p.yaml").read_text()


def test_without_a_better_setting_it_recommends_to_keep_what_there_is(capsys, tmp_path):
    """The expectation, on a metric without a better direction, allows nothing but slow retries."""
    Path("own.yaml").write_text("recovery: {conditions: {task_failure: {max_retries: 3, retry_delay: 40s}}}")
    own = "--set", "expect=[retries.delay.mean >= 39s]", "--policy", "own.yaml"
    assert main([*RECOMMEND, "--fresh", "2", *own, "--out", "p.yaml", "--json", "tuned.json"]) == 0
    told = capsys.readouterr()
    assert "keep what you have" in told.out
    assert "p.yaml: not written: there is no policy to write: no setting is shown to be better than now" in told.err
    assert json.loads((tmp_path / "tuned.json").read_text())["recommended"] is None
    assert not (tmp_path / "p.yaml").exists()


def test_a_number_that_is_not_in_the_table_is_refused_after_the_search_is_kept(capsys, tmp_path):
    assert tune("--minimize", "tasks.sojourn.mean", "--choose", "7", "--json", "tuned.json") == 2
    told = capsys.readouterr()
    assert told.err == "--choose=7: there is no such setting; valid: 1\n"
    assert "chosen" in told.out
    assert json.loads((tmp_path / "tuned.json").read_text())["tried"]


def test_an_interrupt_while_the_best_is_verified_says_how_far_the_search_came(capsys, monkeypatch):
    calls = iter(range(13))  # 5 settings of 2 replications, now, and then a fresh one

    def interrupted():
        if next(calls, None) is None:
            raise KeyboardInterrupt

    monkeypatch.setattr("sim.cli.commands.tune.check", interrupted)
    assert tune("--minimize", "tasks.sojourn.mean", "--set", "duration=1m") == 130
    told = capsys.readouterr().err
    assert told.startswith(
        "interrupted after 5 settings, before the best one was verified; --study FILE keeps a search"
    )


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ([], "there is no objective; valid: one metric or more to minimize or maximize"),
        (
            ["--within", "9s"],
            "--within: is of a search without ranges and objectives; valid: maximize tasks.within(20s)",
        ),
        (
            ["--minimize", "tasks.failed", "--vary", "agents.restart_time=1s..9s", "--out", "p.yaml"],
            "--out: agents.restart_time is no part of a policy; valid: count, prefetch, slots below agents",
        ),
        (
            ["--minimize", "tasks.failed", "--vary", "duration=1m..9m", "--out", "p.yaml"],
            "--out: duration is no part of a policy; valid: recovery, tasks, queue, agents",
        ),
        (["--minimize", "tasks.failed", "--out", "small.scenario.yaml/p"], "--out small.scenario.yaml/p: "),
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
