"""`report` and `trace`: pages and traces of stored results, repeated runs, kept histories, and bad input."""

import json

import pytest

import scenarios
import sim
from sim.cli import main
from sim.reports.stored import shown_run
from tests.sim.reports.test_page import chart_of, words


@pytest.fixture
def stored(small, capsys):
    """A folder with the JSON of a run of two replications, of which one is not as expected."""
    assert main(["run", "strict.scenario.yaml", "--replications", "2", "--json", "result.json", "--quiet"]) == 1
    capsys.readouterr()
    return small


def test_report_repeats_the_run_that_is_not_as_expected(stored, capsys):
    assert main(["report", "result.json", "--html", "page.html"]) == 0
    assert capsys.readouterr().out == "page: page.html\n"
    html = (stored / "page.html").read_text(encoding="utf-8")
    assert "1 of 2 expectations does not hold" in words(html)
    (stored / "compared.json").write_text(COMPARED)
    assert main(["report", "compared.json", "result.json", "compared.json", "--html", "all.html", "--quiet"]) == 0
    told = words((stored / "all.html").read_text(encoding="utf-8"))
    assert "3 results" in told
    assert told.count("b is better in 1 metric, of 2.") == 2
    assert "1 of 2 expectations does not hold" in told
    assert "Timeline of replication 7/0" in words(html)
    assert chart_of(html)["incidents"]["rows"]


def test_a_result_of_another_version_is_repeated_only_when_asked(stored, capsys):
    data = json.loads((stored / "result.json").read_text())
    (stored / "old.json").write_text(json.dumps({**data, "version": "0.0.1"}))
    assert main(["report", "old.json", "--html", "old.html"]) == 0
    err = capsys.readouterr().err
    assert err.startswith("old.json: no timeline and no recoveries: it was made by version 0.0.1, and this is ")
    assert err.endswith("; with --repeat, the run is repeated\n")
    html = (stored / "old.html").read_text(encoding="utf-8")
    assert "There is no history to show: it was made by version 0.0.1" in words(html)
    assert "application/json" not in html
    assert main(["report", "old.json", "--html", "old.html", "--repeat"]) == 0
    assert capsys.readouterr().err == ""
    assert chart_of((stored / "old.html").read_text(encoding="utf-8"))["incidents"]["rows"]


COMPARED = """
{"scenario": "a", "version": "0", "seed": 1, "a": {}, "b": {"agents.count": 5}, "replications": 2, "metrics": {
"tasks.sojourn.mean": {"a": 4.0, "b": 3.0, "unit": "s", "difference": {"mean": -1.0, "ci95": [-1.5, -0.5], "n": 2},
"verdict": "better"}, "recovery.time.max": {"a": "inf", "b": 1.0, "unit": "s", "difference": null, "verdict": "x"}}}
"""
BAD = [
    (["nowhere.json"], "nowhere.json: no such file; valid: a file of .save(), the JSON of run"),
    (["folder"], "folder: holds no sweep; valid: a folder that recovery-bench sweep has made"),
    (["small.scenario.yaml"], "small.scenario.yaml: is not JSON, or is damaged; valid:"),
    (["other.json"], "other.json: is not a result; valid:"),
    (["cut.json"], "cut.json: runs[0].events: is missing; it is required; valid:"),
    (["empty.json"], "empty.json: has no result; valid:"),
    (["saved.json"], "saved.json: has version 9 of the format; valid: version 1"),
    (["result.json", "--seed", "7/9"], "--seed 7/9: is not in result.json; valid: 7/0 to 7/1"),
    (["result.json", "--window", "10m"], "--window 10m: not a window; valid: BEGIN..END, such as 10m..20m"),
    (["result.json", "--window", "2m..x"], "--window 2m..x: 'x' is not a duration"),
    (["result.json", "--window", "2m..1m"], "--window 2m..1m: ends before it begins"),
    (["result.json", "--window", "5m..6m"], "--window 5m..6m: is outside the run, which ends at 4m; valid: within"),
    (["result.json", "--html", "folder"], "--html folder: is a folder; valid: the name of a file"),
    (["result.json", "--html", "/dev/full"], "/dev/full: cannot be written: No space left on device"),
    (["result.json", "--history", "result.json"], "result.json: not a history"),
]


def test_bad_input_is_one_line(stored, capsys):
    (stored / "folder").mkdir()
    (stored / "other.json").write_text('{"a": 1}')
    (stored / "empty.json").write_text("[]")
    (stored / "saved.json").write_text('{"format": "recovery-bench result", "kind": "Run", "version": 9}')
    data = json.loads((stored / "result.json").read_text())
    del data["runs"][0]["events"]
    (stored / "cut.json").write_text(json.dumps(data))
    for arguments, told in BAD:
        given = arguments if "--html" in arguments else [*arguments, "--html", "page.html"]
        assert main(["report", *given]) == 2, arguments
        out, err = capsys.readouterr()
        assert told in err
        assert out == ""
        assert err.count("\n") == 1, err
        assert not (stored / "page.html").exists()


# ------------------------------------------------------------------------------------- trace
def test_trace_takes_the_history_that_was_kept_beside_the_result(small, capsys, monkeypatch):
    main(["run", "small.scenario.yaml", "--json", "a.json", "--history", "a.parquet", "--quiet"])
    (small / "a.parquet").rename("b.parquet")
    assert main(["trace", "a.json", "--out", "repeated.json"]) == 0

    def refuse(*_, **__):
        raise AssertionError("the run is repeated")

    monkeypatch.setattr(shown_run, "run", refuse)
    assert main(["trace", "a.json", "--out", "kept.json", "--history", "b.parquet"]) == 0
    (small / "b.parquet").rename("a.parquet")
    capsys.readouterr()
    assert main(["trace", "a.json", "--out", "beside.json"]) == 0
    assert capsys.readouterr().out.startswith("trace of 7/0, ")
    texts = {(small / f"{name}.json").read_bytes() for name in ("repeated", "kept", "beside")}
    assert len(texts) == 1

    data = json.loads((small / "a.json").read_text())
    data["runs"][0]["history_sha256"] = "0" * 64
    (small / "a.json").write_text(json.dumps(data))
    assert main(["trace", "a.json", "--out", "other.json"]) == 2
    assert "the kept history of 7/0 is not that of a.json: its SHA-256 differs" in capsys.readouterr().err


def test_trace_of_a_saved_run_repeats_nothing_and_of_a_summary_only_when_asked(small, capsys):
    scenario = scenarios.load("small.scenario.yaml")
    sim.run(scenario).save("saved.json")
    assert main(["trace", "saved.json", "--out", "saved.json.gz", "--window", "30s..2m"]) == 0
    sim.run(scenario.with_values({"history": "summary"})).save("summary.json")
    capsys.readouterr()
    assert main(["trace", "summary.json", "--out", "summary.json.gz"]) == 2
    told = "summary.json: there is no history to trace: its scenario keeps no history (history: summary); valid: "
    assert f"{told}--repeat" in capsys.readouterr().err
    assert main(["trace", "summary.json", "--out", "summary.json.gz", "--repeat"]) == 0
    sim.replicate(scenario, replications=1, policies={"task_failure": None}).save("own.json")
    assert main(["trace", "own.json", "--out", "own.json.gz", "--repeat"]) == 2
    assert "its core was replaced" in capsys.readouterr().err


def test_bad_input_of_trace_is_one_line(stored, capsys):
    (stored / "folder.json").mkdir()
    several = [json.loads((stored / "result.json").read_text())] * 2
    (stored / "several.json").write_text(json.dumps(several))
    (stored / "compared.json").write_text(COMPARED)
    for result, out, told in (
        ("result.json", "trace.txt", "--out trace.txt: not the name of a trace; valid: FILE.json or FILE.json.gz"),
        ("result.json", "-", "--out -: not the name of a trace"),
        ("result.json", "folder.json", "--out folder.json: is a folder; valid: the name of a file"),
        ("several.json", "t.json", "several.json: has the results of 2 scenarios; valid: one result"),
        ("compared.json", "t.json", "compared.json: has no result of runs; valid: one result"),
    ):
        assert main(["trace", result, "--out", out]) == 2
        err = capsys.readouterr().err
        assert told in err
        assert err.count("\n") == 1


# --------------------------------------------------------------------------- pages of run and suite
def test_run_writes_a_page_with_the_recoveries_of_its_only_run(small, capsys, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("the run is repeated")

    monkeypatch.setattr(shown_run, "run", refuse)
    files = ["small.scenario.yaml", "strict.scenario.yaml"]
    assert main(["run", *files, "--set", "agents.count=9", "--html", "run.html"]) == 1
    assert capsys.readouterr().out.endswith("\npage: run.html\n")
    html = (small / "run.html").read_text(encoding="utf-8")
    assert html.count('type="application/json"') == 2
    assert "recovery-bench run small.scenario.yaml --seed 7/0 --set agents.count=9" in words(html)
    for arguments, told in (
        (["--html", "nowhere/a.html"], "--html nowhere/a.html: there is no folder 'nowhere'"),
        (["--html", "-"], "--html -: is kept in a file; valid: --html FILE.html"),
        (["--html", "a", "--json", "a"], "--html a: is the file of --json as well"),
        (["--html", "a.html", "--check-determinism"], "--check-determinism: keeps and shows nothing; valid: without"),
        (["--html", "a.html", "--rare", "tasks.lost > 0"], "--rare, --html: --rare only estimates"),
    ):
        assert main(["run", "small.scenario.yaml", *arguments]) == 2
        assert told in capsys.readouterr().err


def test_the_markdown_summary_of_a_suite_links_the_page_beside_it(small, capsys):
    (small / "out dir").mkdir()
    strict = small / "strict.scenario.yaml"
    strict.write_text(strict.read_text().replace("name: small", "name: strict"))
    assert main(["suite", ".", "--html", "out dir/page.html", "--markdown", "out dir/summary.md"]) == 1
    assert "page: out dir/page.html" in capsys.readouterr().out
    text = (small / "out dir" / "summary.md").read_text(encoding="utf-8")
    assert "[The page of the results: page.html](<page.html>)" in text
    html = (small / "out dir" / "page.html").read_text(encoding="utf-8")
    assert html.count('type="application/json"') == 1  # of the one that fails
    assert "the page has the timelines of the first results that are not as expected" in words(html)
    assert main(["suite", ".", "--html", "out dir"]) == 2
    assert "--html out dir: is a folder" in capsys.readouterr().err
