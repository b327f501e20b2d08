"""Logs of several kinds of tasks, and rows of CSV with other numbers of columns."""

import pytest

import scenarios
import sim
from sim.cli import main
from tests.sim.experiments.fitting.logs import contains, rows

FLEET = """\
name: fleet
duration: 20m
tasks:
  arrivals: {poisson: {rate: 2/s}}
  kinds:
  - {name: chat, share: 60%, work: {exponential: {mean: 2s}}, failure_probability: 10%, retry: {max_retries: 2, retry_delay: 3s}}
  - {name: report, share: 30%, work: {lognormal: {mean: 6s, cv: 1}}}
  - {name: mail, share: 10%, work: 1s, failure_probability: 30%, retry: {max_retries: 1, retry_delay: 1s}}
agents: {count: 20}
"""  # noqa: E501 - one line for each kind


@pytest.fixture(scope="module")
def log():
    return sim.task_log(sim.run(scenarios.loads(FLEET), seed=7))


def test_the_kinds_that_the_bench_has_logged_are_found_within_their_intervals(log):
    found = sim.fit(log)
    for path, value in (
        ("tasks.arrivals.poisson.rate", 2),
        ("tasks.kinds.chat.share", 0.6),
        ("tasks.kinds.report.share", 0.3),
        ("tasks.kinds.mail.share", 0.1),
        ("tasks.kinds.chat.work.exponential.mean", 2),
        ("tasks.kinds.report.work.lognormal.mean", 6),
        ("tasks.kinds.report.work.lognormal.cv", 1),
        ("tasks.kinds.chat.failure_probability", 0.1),
        ("tasks.kinds.mail.failure_probability", 0.3),
    ):
        assert contains(found, path, value), path
    kinds = found.scenario.tasks.kinds
    assert list(kinds) == ["chat", "report", "mail"]
    assert sum(kind.share for kind in kinds.values()) == pytest.approx(1)
    assert kinds["mail"].work.constant == pytest.approx(1)
    assert (kinds["chat"].retry.max_retries, kinds["mail"].retry.max_retries) == (2, 1)
    assert kinds["mail"].retry.retry_delay == pytest.approx(1, rel=0.1)
    assert kinds["report"].retry is None
    assert not kinds["report"].failure_probability


def test_the_column_of_kinds_may_have_any_name_and_kinds_any_words(log, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = {"chat": "app.tasks.send: now!", "report": "true", "mail": "wait"}
    other = log.rename(columns={"kind": "function"}).assign(function=log["kind"].map(words))
    other.to_csv("log.csv", index=False)
    assert main(["fit", "log.csv", "--kind", "function", "--out", "own.scenario.yaml"]) == 0
    assert "tasks.kinds" not in capsys.readouterr().err
    kinds = scenarios.load(tmp_path / "own.scenario.yaml").tasks.kinds
    assert list(kinds) == ["app-tasks-send-now", "kind-true", "wait-task"]
    assert main(["fit", "log.csv", "--kind", "funktion"]) == 2
    assert "the log has no such column" in capsys.readouterr().err


def test_kinds_that_are_too_few_are_others(log):
    rare = log.assign(kind=[f"rare {place % 9}" if place < 60 else kind for place, kind in enumerate(log["kind"])])
    found = sim.fit(rare)
    assert [*found.scenario.tasks.kinds] == ["chat", "report", "mail", "others"]
    assert any("fewer than 30 successful attempts are the kind others: rare 0" in note for note in found.notes)
    assert not any("kinds" in entry.path for entry in sim.fit(log.assign(kind="chat")).entries)


GOOD = "started,ended,status\n" + "".join(f"{second},{second + 1.5},success\n" for second in range(1, 40, 3))
"""Thirteen rows; another one below is row 15."""


def test_rows_with_other_numbers_of_columns_are_left_out_up_to_a_number(tmp_path):
    lines = GOOD.splitlines()
    lines[3:3] = ["7,8", "7,8,success,x"]  # rows 4 and 5
    lines.insert(9, "22,21,success")  # row 10
    (tmp_path / "log.csv").write_text("\n".join(lines) + "\n")
    found = sim.fit(tmp_path / "log.csv", skip=3)
    assert found.attempts == 13
    assert any(
        "3 wrong rows left out; the first: row 4: has 2 columns, fewer than the 3" in each for each in found.notes
    )
    for skip, message in (
        (0, "row 4: has 2 columns, fewer"),
        (1, r"row 4: has 2 columns.*2 rows or more are wrong, skip=1"),
        (2, r"row 4: .*\(3 rows are wrong, skip=2\)"),
    ):
        with pytest.raises(sim.FitError, match=message):
            sim.fit(tmp_path / "log.csv", skip=skip)


@pytest.mark.parametrize(("wrong", "first"), [(2, 2), (9, 4)])
def test_the_first_of_the_wrong_rows_is_named_whatever_is_wrong_with_it(wrong, first, tmp_path):
    lines = GOOD.splitlines()
    lines[wrong - 1] = "50,49,success"
    lines[3] = "7,8"
    (tmp_path / "log.csv").write_text("\n".join(lines) + "\n")
    with pytest.raises(sim.FitError, match=rf"row {first}: .*\(2 rows are wrong, skip=1\)"):
        sim.fit(tmp_path / "log.csv", skip=1)


def test_the_fit_of_a_log_without_kinds_is_unchanged():
    assert not sim.fit(rows(200)).scenario.tasks.kinds
