"""`suite`: folders of scenarios, baselines, reports for pipelines, and exit statuses."""

import json
import os
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from sim.cli import main
from sim.suites.files import files_of

QUICK = ["--set", "tasks.arrivals.poisson.rate=0.5/s", "--set", "duration=3m"]
SLOWER = ["--set", "agents.restart_time=26s", "--set", "expect=[]"]
BROKEN = "name: broken\nduration: 4m\nagentz: {count: 1}\n"


@pytest.fixture
def folder(small):
    """A folder with a scenario that holds, and one that does not."""
    (small / "suite" / "deep").mkdir(parents=True)
    (small / "small.scenario.yaml").rename(small / "suite" / "small.scenario.yaml")
    (small / "strict.scenario.yaml").rename(small / "suite" / "deep" / "strict.scenario.yaml")
    strict = small / "suite" / "deep" / "strict.scenario.yaml"
    strict.write_text(strict.read_text().replace("name: small", "name: strict"))
    return small


GOOD = "suite/small.scenario.yaml"


WRITTEN = []


@pytest.fixture
def baseline(folder):
    """The baseline of the scenario that holds, with few replications, which is written once."""
    file = folder / "b.json"
    if WRITTEN:
        file.write_bytes(WRITTEN[0])
        return file
    assert main(["suite", GOOD, *QUICK, "--baseline", "b.json", "--update-baseline", "--replications", "6", "-q"]) == 0
    WRITTEN.append(file.read_bytes())
    return file


def found_in(file="out.json"):
    return json.loads(Path(file).read_text())


# ------------------------------------------------------------------------------- without a baseline
def test_runs_every_scenario_of_a_folder(folder, capsys):
    assert main(["suite", "suite", *QUICK, "--json", "out.json"]) == 1
    out = capsys.readouterr().out
    assert "2 scenarios: 1 passed, 1 failed" in out
    assert "✗ recovery.time.max <= 1s: observed" in out
    assert "recovery-bench run suite/deep/strict.scenario.yaml --seed 7/0 --set" in out
    found = found_in()
    assert [(each["scenario"], each["status"]) for each in found["scenarios"]] == [
        ("strict", "failed"),
        ("small", "passed"),
    ]
    assert found["holds"] is False


def test_a_suite_that_holds_exits_with_0(folder, capsys):
    assert main(["suite", GOOD, *QUICK, "-q"]) == 0
    assert capsys.readouterr() == ("", "")


def test_a_broken_file_is_one_failure_and_everything_else_runs(folder, capsys):
    (folder / "suite" / "broken.scenario.yaml").write_text(BROKEN)
    (folder / "suite" / "other.scenario.yml").write_text(BROKEN)
    assert main(["suite", "suite", *QUICK, "--junit", "j.xml", "--json", "out.json"]) == 2
    assert "4 scenarios: 1 passed, 1 failed, 2 invalid" in capsys.readouterr().out
    broken = found_in()["scenarios"][0]
    assert (broken["status"], broken["line"]) == ("invalid", 3)
    assert broken["problem"].startswith("suite/broken.scenario.yaml:3: agentz: unknown key")
    assert "is not named as a scenario file; valid: NAME.scenario.yaml" in Path("j.xml").read_text()


def test_a_file_that_is_given_twice_runs_once(folder, capsys):
    assert main(["suite", GOOD, "suite", f"./{GOOD}", *QUICK, "--json", "-"]) == 1
    assert len(json.loads(capsys.readouterr().out)["scenarios"]) == 2


def test_jobs_do_not_change_the_result(folder, baseline, parallel):
    for jobs in ("1", "2"):
        assert (
            main(["suite", GOOD, *QUICK, "--baseline", "b.json", "--jobs", jobs, "--json", f"{jobs}.json", "-q"]) == 0
        )
    assert found_in("1.json") == found_in("2.json")


def test_a_shipped_scenario_can_be_part_of_a_suite(folder, capsys):
    assert main(["suite", "baseline", "--set", "duration=6m", "--set", "warmup=0s"]) == 0
    assert "1 scenario: 1 passed" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--update-baseline"], "--update-baseline: has no file; valid: with --baseline FILE.json"),
        (["--baseline", "none.json"], "--baseline none.json: no such file; valid: --update-baseline writes it"),
        (["--baseline", "b.json", "--replications", "3"], "--replications 3: a baseline says how many there are"),
        (["--baseline", "-"], "--baseline -: is a file"),
        (["--tolerances", "none.yaml"], "none.yaml: no such file"),
        (["--junit", "none/j.xml"], "--junit none/j.xml: "),
        (["--junit", "a", "--markdown", "a"], "is the file of --junit as well"),
    ],
)
def test_invalid_options_are_one_line(folder, options, said, capsys):
    assert main(["suite", GOOD, *options]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert said in err


def test_a_folder_without_scenarios_is_refused(folder, capsys):
    (folder / "empty").mkdir()
    assert main(["suite", "empty"]) == 2
    assert (
        capsys.readouterr().err == "empty: has no scenario files; valid: a folder with files named NAME.scenario.yaml\n"
    )


def test_a_folder_that_is_given_by_several_paths_is_searched_once(folder, monkeypatch):
    searched, walk = [], os.walk
    monkeypatch.setattr(os, "walk", lambda top: searched.append(top) or walk(top))
    once = files_of(["suite"])
    assert files_of(["suite", "../" + folder.name + "/suite", str(folder / "suite"), "suite/../suite"]) == once
    assert searched == ["suite"] * 2


def test_a_costly_scenario_is_refused_and_the_others_run(folder, capsys):
    (folder / "suite" / "small2.scenario.yaml").write_text(
        "extends: small.scenario.yaml\nname: small2\nduration: 99999d\n"
    )
    assert main(["suite", GOOD, "suite/small2.scenario.yaml"]) == 2
    out = capsys.readouterr().out
    assert "1 passed, 1 invalid" in out
    assert "events are expected in a run" in out


def test_an_interrupt_keeps_what_was_finished(folder, interrupts, capsys):
    interrupts(1)
    assert main(["suite", "suite", *QUICK, "--json", "out.json"]) == 130
    assert [each["status"] for each in found_in()["scenarios"]] == ["failed", "not run"]
    assert "interrupted; finished: 1 of 2 scenarios" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("reason", "said"), [("known", "failed as expected: known"), ("true", "failed as expected: expected to fail")]
)
def test_a_failure_that_is_expected_does_not_fail_the_suite(folder, capsys, reason, said):
    strict = folder / "suite" / "deep" / "strict.scenario.yaml"
    strict.write_text(f"{strict.read_text()}xfail: {reason}\n")
    assert main(["suite", "suite", *QUICK, "--junit", "j.xml"]) == 0
    out = capsys.readouterr().out
    assert "2 scenarios: 1 passed, 1 failed as expected" in out
    assert said in out.splitlines()
    assert ET.parse("j.xml").find("testsuite").get("skipped") == "1"


# ------------------------------------------------------------------------------- baselines
def test_an_unchanged_system_is_identical(folder, baseline, capsys):
    before = baseline.read_bytes()
    assert main(["suite", GOOD, *QUICK, "--baseline", "b.json", "--json", "out.json"]) == 0
    judged = found_in()["scenarios"][0]
    assert judged["baseline"]["identical"] is True
    assert judged["replications"] == 6
    assert "identical" in capsys.readouterr().out
    assert baseline.read_bytes() == before


def test_a_slower_system_is_a_regression(folder, baseline, capsys):
    assert main(["suite", GOOD, *QUICK, *SLOWER, "--baseline", "b.json", "--json", "out.json"]) == 1
    out = capsys.readouterr().out
    assert re.search(r"✗ recovery.time.mean: REGRESSION: [\d.]+ s in the baseline, [\d.]+ s now \(\+6\.00? ", out)
    assert "a tolerance of 5 %" in out
    assert "changed since the baseline: agents.restart_time.constant.value: 20.0 in the baseline, now 26.0" in out
    judged = found_in()["scenarios"][0]
    assert (judged["status"], judged["baseline"]["verdict"]) == ("regression", "REGRESSION")
    assert judged["baseline"]["metrics"]["recovery.time.mean"]["verdict"] == "REGRESSION"


def test_an_improvement_never_fails(folder, baseline, capsys):
    faster = ["--set", "agents.restart_time=5s"]
    assert main(["suite", GOOD, *QUICK, *faster, "--baseline", "b.json"]) == 0
    assert "recovery.time.mean: improved: " in capsys.readouterr().out


def test_tolerances_of_a_file_apply(folder, baseline):
    (folder / "t.yaml").write_text("tolerances: {'*': 60%}\n")
    assert main(["suite", GOOD, *QUICK, *SLOWER, "--baseline", "b.json", "--tolerances", "t.yaml", "-q"]) == 0


def test_other_seeds_are_inconclusive_and_do_not_fail(folder, baseline, capsys):
    assert main(["suite", GOOD, *QUICK, "--baseline", "b.json", "--seed", "8"]) == 0
    out = capsys.readouterr().out
    assert "6 replications are too few for a tolerance of 5 %" in out
    assert re.search(r"; [\d,]+ would do", out)
    assert "other seeds than the baseline" in out


def test_a_scenario_without_a_baseline_is_new(folder, baseline, capsys):
    assert main(["suite", "suite", *QUICK, "--set", "expect=[]", "--baseline", "b.json"]) == 0
    assert re.search(r"strict +passed +none +new", capsys.readouterr().out)


def test_a_scenario_of_the_baseline_that_is_absent_is_reported(folder, baseline, capsys):
    assert main(["suite", "suite/deep", *QUICK, "--set", "expect=[]", "--baseline", "b.json"]) == 0
    assert "small is in the baseline, and not in this suite" in capsys.readouterr().out


def test_a_failing_suite_does_not_become_the_baseline(folder, capsys):
    update = ["suite", "suite", *QUICK, "--baseline", "b.json", "--update-baseline", "--replications", "2", "-q"]
    assert main(update) == 1
    assert not Path("b.json").exists()
    assert "b.json is not written: the suite fails; valid: with --force" in capsys.readouterr().err
    assert main([*update, "--force"]) == 1
    assert Path("b.json").exists()


def test_an_update_keeps_other_scenarios_seeds_and_numbers(folder, baseline, capsys):
    update = ["--set", "expect=[]", "--baseline", "b.json", "--update-baseline"]
    assert main(["suite", "suite/deep", *QUICK, *update, "--replications", "2", "--seed", "3"]) == 0
    assert "kept as it was, not run: small" in capsys.readouterr().err
    assert main(["suite", "suite", *QUICK, *update, "--json", "out.json"]) == 0
    assert [(each["seed"], each["replications"]) for each in found_in()["scenarios"]] == [(3, 2), (7, 6)]


@pytest.mark.parametrize("option", [[], ["--baseline", "b.json"]])
def test_the_same_name_twice_is_refused(folder, baseline, capsys, option):
    (folder / "suite" / "twin.scenario.yaml").write_text((folder / GOOD).read_text())
    assert main(["suite", GOOD, "suite/twin.scenario.yaml", *QUICK, *option, "-q"]) == 2
    said = "name: small is the name of suite/small.scenario.yaml as well; valid: different names"
    assert capsys.readouterr().err == f"✗ suite/twin.scenario.yaml:1: {said}\n"


def test_an_edited_baseline_is_refused(folder, baseline, capsys):
    baseline.write_text(baseline.read_text().replace('"seed": 7', '"seed": 8'))
    assert main(["suite", GOOD, *QUICK, "--baseline", "b.json"]) == 2
    assert capsys.readouterr().err.startswith("--baseline b.json:3: small: does not match its SHA-256")
    update = ["suite", GOOD, *QUICK, "--baseline", "b.json", "--update-baseline", "--replications", "2", "-q"]
    assert main(update) == 2
    assert main([*update, "--force"]) == 0


# ------------------------------------------------------------------------------- reports
def test_junit_has_a_case_for_each_scenario(folder, baseline):
    (folder / "suite" / "broken.scenario.yaml").write_text(BROKEN)
    assert main(["suite", "suite", *QUICK, "--baseline", "b.json", "--junit", "j.xml", "-q"]) == 2
    root = ET.parse("j.xml").getroot()
    suite = root.find("testsuite")
    counts = {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")}
    assert counts == {"tests": "3", "failures": "1", "errors": "1", "skipped": "0"}
    cases = {case.get("name"): case for case in suite.iter("testcase")}
    assert cases["broken"].find("error").get("message").startswith("suite/broken.scenario.yaml:3: agentz")
    assert cases["strict"].find("failure").get("message").startswith("recovery.time.max <= 1s: observed")
    assert "replay: recovery-bench run" in cases["strict"].find("failure").text
    properties = {each.get("name"): each.get("value") for each in cases["small"].iter("property")}
    assert properties["baseline"] == "PASS"
    assert properties["seed"] == "7/5"
    assert len(properties["history_sha256"]) == 64
    assert cases["strict"].get("classname") == "suite.deep"


def test_markdown_has_a_row_for_each_scenario(folder, baseline):
    assert main(["suite", "suite", *QUICK, *SLOWER, "--baseline", "b.json", "--markdown", "m.md", "-q"]) == 1
    text = Path("m.md").read_text()
    assert "| small | ❌ regression | none | REGRESSION |" in text
    assert "| strict | ✅ passed | none | new |" in text
    assert "recovery.time.mean: REGRESSION" in text


def test_github_gets_annotations_and_a_summary(folder, baseline, monkeypatch, capsys):
    for name, value in (("GITHUB_ACTIONS", "true"), ("GITHUB_STEP_SUMMARY", "s.md"), ("GITHUB_WORKSPACE", str(folder))):
        monkeypatch.setenv(name, value)
    (folder / "suite" / "broken.scenario.yaml").write_text(BROKEN)
    Path("s.md").write_text("before\n")
    assert main(["suite", str(folder / "suite"), *QUICK, "--baseline", "b.json", "-q"]) == 2
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("::error file=suite/broken.scenario.yaml,line=3,title=invalid scenario::")
    assert lines[1].startswith(
        "::error file=suite/deep/strict.scenario.yaml,line=12,title=strict::recovery.time.max <= 1s"
    )
    assert len(lines) == 2
    assert Path("s.md").read_text().startswith("before\n## Recovery Bench\n")


def test_annotations_do_not_disturb_json_on_stdout(folder, monkeypatch, capsys):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    assert main(["suite", "suite", *QUICK, "--json", "-"]) == 1
    out, err = capsys.readouterr()
    assert json.loads(out)["holds"] is False
    assert "::error file=suite/deep/strict.scenario.yaml,line=12" in err


def test_the_summary_of_a_job_links_the_page_among_its_artifacts(folder, baseline, monkeypatch):
    job = {"GITHUB_ACTIONS": "true", "GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "me/mine"}
    for name, value in (*job.items(), ("GITHUB_RUN_ID", "17"), ("GITHUB_STEP_SUMMARY", "s.md")):
        monkeypatch.setenv(name, value)
    assert main(["suite", GOOD, *QUICK, "--html", "p.html", "-q"]) == 0
    assert "[artifacts](<https://github.com/me/mine/actions/runs/17#artifacts>)" in Path("s.md").read_text()


def test_nothing_is_written_for_github_elsewhere(folder, monkeypatch, capsys):
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "s.md")
    assert main(["suite", "suite", *QUICK, "-q"]) == 1
    assert "::" not in capsys.readouterr().out
    assert not Path("s.md").exists()


def test_the_history_has_a_row_for_the_commit(folder, capsys):
    assert main(["suite", GOOD, *QUICK, "--trend", "trend", "--benchmark-json", "b.json", "-q"]) == 0
    assert {file.name for file in Path("trend").iterdir()} == {"otava.yaml", "small.csv"}
    assert {each["group"] for each in found_in("b.json")["benchmarks"]} == {"small"}
    assert main(["suite", GOOD, *QUICK, "--trend", GOOD]) == 2
    assert f"--trend {GOOD}: is a file" in capsys.readouterr().err


def test_texts_of_a_file_cannot_change_the_terminal_or_the_summary(small, capsys):
    """Escapes and bidirectional marks of a description and of a reason are printed as characters."""
    text = (small / "strict.scenario.yaml").read_text()
    mine = 'description: "d\\e[31m\\u202e"\nxfail: "w\\e[1m\\u202e"\n'
    (small / "strict.scenario.yaml").write_text(text.replace("seed: 7\n", f"seed: 7\n{mine}"))
    assert main(["show", "strict.scenario.yaml"]) == 0
    assert main(["suite", "strict.scenario.yaml", "--markdown", "s.md", "--junit", "s.xml"]) == 0
    printed = [capsys.readouterr().out, *(Path(name).read_text(encoding="utf-8") for name in ("s.md", "s.xml"))]
    assert "d\\x1b[31m\\u202e" in printed[0]
    for each in printed:
        assert "w\\x1b[1m\\u202e" in each
        assert not {"\x1b", "\u202e", "\ufffd"} & set(each)
