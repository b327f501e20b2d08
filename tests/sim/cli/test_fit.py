"""`fit` on the command line: its files, its table, and bad input in one line."""

import json

import scenarios
from sim.cli import main
from tests.sim.experiments.fitting.logs import rows


def test_fit_writes_a_scenario_a_picture_and_json(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    log = rows(100).rename(columns={"submitted": "asked", "ended": "over"})
    log.assign(result=["DONE"] * 95 + ["attempt.failed"] * 5).to_csv("log.csv", index=False)
    named = ["--submitted", "asked", "--ended", "over", "--status", "result", "--word", "DONE=success"]
    files = ["--out", "ours.scenario.yaml", "--plot", "ours.svg", "--json", "ours.json"]
    assert main(["fit", "log.csv", *named, *files]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "ours  fitted to 100 tasks, 100 attempts of log.csv" in out
    assert "run it: recovery-bench run ours.scenario.yaml" in out
    assert max(map(len, out.splitlines())) <= 80
    assert scenarios.load("ours.scenario.yaml").tasks.failure_probability == 0.05
    assert (tmp_path / "ours.svg").read_text().startswith("<?xml")
    data = json.loads((tmp_path / "ours.json").read_text())
    paths = {figure["path"] for entry in data["entries"] for figure in entry["figures"]}
    assert {"tasks.arrivals.poisson.rate", "tasks.work.exponential.mean", "tasks.failure_probability"} <= paths


def test_the_log_is_never_replaced_and_bad_input_is_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rows(100).to_csv("a.work.csv", index=False)
    before = (tmp_path / "a.work.csv").read_bytes()
    for arguments, told in (
        (["a.work.csv", "--work", "empirical", "--out", "a.scenario.yaml"], "a.work.csv: is the file of LOG as well"),
        (["a.work.csv", "--out", "a.work.csv"], "--out a.work.csv: is the file of LOG as well"),
        (
            ["a.work.csv", "--work", "empirical", "--out", "-"],
            "--out -: the scenario uses a.work.csv; valid: --out FILE",
        ),
        (["a.work.csv", "--name", "a b"], "--name a b: is not a name; valid: letters, digits, - and _, as in a-b"),
        (["a.work.csv", "--word", "x"], "--word x: is no word with a meaning; valid: WORD=MEANING"),
        (["a.work.csv", "--task-log", "x.json"], "--task-log x.json: not a format of logs; valid: a file that ends in"),
        (["nothing.csv"], "nothing.csv: no such file; valid: a task log"),
    ):
        assert main(["fit", *arguments]) == 2
        out, err = capsys.readouterr()
        assert (out, err.count("\n")) == ("", 1)
        assert told in err
    assert (tmp_path / "a.work.csv").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["a.work.csv"]
