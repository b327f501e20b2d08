"""The commands: their output, files and exit status."""

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

import scenarios
import sim
import sim.simulation
from scenarios.json_schema import json_schema
from sim.cli import main
from tests.sim.cli.small import SMALL, in_a_process

ROOT = Path(__file__).parents[3]
COMMANDS = (
    "demo",
    "list",
    "show",
    "run",
    "diff",
    "schema",
    "runbook",
    "suite",
    "policy",
    "search",
    "crash-sweep",
    "init",
    "report",
    "trace",
    "fit",
)


# --------------------------------------------------------------------------------- help
def test_help_lists_exactly_the_existing_commands(capsys):
    assert main(["--help"]) == 0
    words = capsys.readouterr().out.replace("│", " ").split()
    assert set(COMMANDS) <= set(words)


def test_no_arguments_show_the_help(capsys):
    assert main([]) == 0
    assert "Usage: recovery-bench" in capsys.readouterr().out


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_every_command_has_a_valid_example(command, capsys):
    assert main([command, "--help"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    example = shlex.split(shown.partition("Example: ")[2].partition(" >")[0])
    assert example[:2] == ["recovery-bench", command]
    assert main([*example[1:], "--help"]) == 0  # the options are known; nothing is run


def test_version_is_the_installed_version(capsys):
    from sim.experiments.runs.provenance import installed_version

    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"recovery-bench {installed_version()}\n"


def test_quick_commands_import_no_heavy_library():
    commands = [["--help"], ["run", "--help"], ["list"], ["show", "agent-failure"], ["rum"]]
    script = f"import sys; from sim.cli import main; [*map(main, {commands})]; sys.stderr.write(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "Usage: recovery-bench run" in done.stdout
    loaded = {name.partition(".")[0] for name in done.stderr.split()}
    assert "typer" in loaded
    assert loaded.isdisjoint({"matplotlib", "pandas", "scipy", "joblib", "pyarrow"})


# ------------------------------------------------------------------------------ bad input
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ["rnu"],
            (
                "no such command 'rnu'; valid: demo, list, show, run, sweep, compare, suite, search, crash-sweep, "
                "init, tune, report, trace, fit, diff, schema, runbook, policy, recover "
                "(nearest: 'run')"
            ),
        ),
        (["trace"], "recovery-bench trace: missing argument"),
        (["run"], "recovery-bench run: missing argument"),
        (["run", "baseline", "--sed", "7"], "no such option '--sed'; valid: --seed, --replications"),
        (
            ["run", "baseline", "--seed"],
            "recovery-bench run: option '--seed' requires an argument; see recovery-bench run",
        ),
        (["policy", "export", "--to"], "recovery-bench policy export: option '--to' requires an argument; see"),
        (["list", "x"], "recovery-bench list: got unexpected extra argument"),
        (["run", "baseline", "--seed", "x"], "--seed x: not a seed; valid: a whole number such as 7, or 7/3"),
        (["run", "baseline", "--seed", "-1"], "--seed -1: not a seed"),
        (["run", "baseline", "--seed", "7/0@9000000:1"], "--seed 7/0@9000000:1: branches after 9,000,000 events"),
        (["run", "baseline", "--seed", "1.5"], "--seed 1.5: not a seed"),
        (["run", "baseline", "--seed", "7/3", "--replications", "2"], "--seed 7/3: is one replication; valid:"),
        (["run", "baseline", "--replications", "0"], "--replications 0: not a number of replications; valid:"),
        (["run", "baseline", "--replications", "many"], "--replications many: not a number of replications"),
        (["run", "baseline", "--jobs", "-2"], "--jobs -2: not a number of jobs; valid: a whole number, 1 or more"),
        (["run", "baseline", "--set", "agents.count"], "--set agents.count: not a change; valid: path=value"),
        (["run", "baseline", "--set", "a=1", "--set", "a=2"], "--set a=2: a is set already, to 1"),
        (["run", "baseline", "--set", "agents.cuont=3"], "unknown path; keys of agents: count, pools, slots"),
        (["run", "baseline", "--set", "agents.count=-3"], "--set agents.count=-3"),
        (
            ["run", "baselin"],
            "baselin: no such file or scenario; valid: a file, or one of agent-failure, agent-failure-known-at-once",
        ),
        (["show", "baselin"], "(nearest: 'baseline')"),
        (["run", "folder"], "folder: is a folder; valid: a scenario file"),
        (
            ["run", "baseline", "--json", "nowhere/a.json"],
            "--json nowhere/a.json: there is no folder 'nowhere'; valid:",
        ),
        (["run", "baseline", "--json", "folder"], "--json folder: is a folder; valid: the name of a file"),
        (["run", "baseline", "--history", "nowhere/a.parquet"], "--history nowhere/a.parquet: there is no folder"),
        (["run", "baseline", "--history", "-"], "--history -: is kept in a file; valid: --history FILE.parquet"),
        (["run", "baseline", "--json", "a", "--history", "a"], "--history a: is the file of --json as well; valid:"),
        (["demo", "--out", "nowhere/a.png"], "--out nowhere/a.png: there is no folder 'nowhere'"),
        (["list", "--json", "nowhere/a.json"], "--json nowhere/a.json: there is no folder"),
        (["run", "bad.scenario.yaml"], "bad.scenario.yaml:7: agents.cuont: unknown key; known: count"),
    ],
)
def test_invalid_input_is_one_line_with_status_2(arguments, told, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "bad.scenario.yaml").write_text(SMALL.replace("count: 10", "cuont: 10") % "1s")
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert told in err
    assert err.count("\n") == 1


def test_an_invalid_scenario_is_reported_and_the_others_run(small, capsys):
    (small / "broken.scenario.yaml").write_text("name: broken\nduration: 4m\nagentz: {count: 1}\n")
    assert main(["run", "broken.scenario.yaml", "small.scenario.yaml", "baselin", "--json", "out.json"]) == 2
    out, err = capsys.readouterr()
    assert "tasks.lost == 0" in out
    lines = err.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("broken.scenario.yaml:3: agentz: unknown key")
    assert lines[1].startswith("baselin: no such file or scenario")
    assert [each["scenario"] for each in json.loads((small / "out.json").read_text())] == ["small"]


def test_only_invalid_scenarios_run_nothing(small, capsys):
    assert main(["run", "baselin", "smal"]) == 2
    out, err = capsys.readouterr()
    assert (out, len(err.splitlines())) == ("", 2)


@pytest.mark.parametrize(
    ("calm", "options", "said"),
    [
        ("duration: 99999d", [], "events are expected"),
        ("faults: []", ["--precision", "50%", "--precise", "recovery.time.mean"], "--precise recovery.time.mean: calm"),
    ],
)
def test_a_scenario_that_cannot_be_completed_does_not_stop_the_others(small, capsys, calm, options, said):
    (small / "calm.scenario.yaml").write_text(f"extends: small.scenario.yaml\nname: calm\n{calm}\n")
    assert main(["run", "calm.scenario.yaml", "small.scenario.yaml", *options]) == 2
    out, err = capsys.readouterr()
    assert "small  seed 7" in out
    assert said in err


# ------------------------------------------------------------------------------------ run
def test_run_prints_the_expectations_that_hold(small, capsys):
    assert main(["run", "small.scenario.yaml"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("small  seed 7/0: ")
    assert "✓ tasks.lost == 0" in out
    assert "✗" not in out
    assert err == ""  # no progress but on a terminal


def test_a_failed_expectation_gives_status_1_and_a_command_that_repeats_it(small, capsys):
    assert main(["run", "strict.scenario.yaml", "--replications", "2", "--set", "agents.restart_time=30s"]) == 1
    replay = capsys.readouterr().out.partition("replay: ")[2].strip()
    assert replay == "recovery-bench run strict.scenario.yaml --seed 7/0 --set agents.restart_time=30s"
    assert main(shlex.split(replay)[1:]) == 1
    again = capsys.readouterr().out
    assert "✗ recovery.time.max <= 1s" in again
    assert replay in again  # on one line, ready to be copied


def test_quiet_prints_only_failures_to_stderr(small, capsys):
    assert main(["run", "small.scenario.yaml", "-q"]) == 0
    assert capsys.readouterr() == ("", "")
    assert main(["run", "strict.scenario.yaml", "--quiet"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[1] == "  replay: recovery-bench run strict.scenario.yaml --seed 7/0"


def test_tables_fit_into_80_columns(capsys):
    main(["run", "agent-failure", "execution-failure", "--replications", "2", "--set", "duration=12m"])
    main(["list"])
    main(["show", "resource-failure"])
    main(["runbook"])
    out = capsys.readouterr().out
    assert max(len(line) for line in out.splitlines()) <= 80


@pytest.mark.long
def test_output_is_ascii_on_an_ascii_terminal(small):
    done = in_a_process(
        "run", "small.scenario.yaml", "strict.scenario.yaml", "--replications", "2", PYTHONIOENCODING="ascii"
    )
    assert done.returncode == 1
    assert done.stderr == b""
    assert b"ok tasks.lost == 0" in done.stdout
    assert b"NO recovery.time.max <= 1s" in done.stdout
    assert b"+/-" in done.stdout
    assert b"?" not in done.stdout
    assert b"\x1b[" not in done.stdout
    assert done.stdout.isascii()


def test_colors_depend_on_terminal_and_options(small, capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert main(["run", "small.scenario.yaml"]) == 0
    assert "\x1b[" in capsys.readouterr().out
    assert main(["run", "small.scenario.yaml", "--no-color"]) == 0
    assert "\x1b[" not in capsys.readouterr().out


@pytest.mark.long
def test_a_closed_pipe_is_no_error():
    script = f"{shlex.quote(sys.executable)} -m sim.cli schema | head -n 1"
    done = subprocess.run(["/bin/sh", "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("{\n", "")


# ----------------------------------------------------------------------------------- JSON
def test_json_on_stdout_is_the_only_output_and_matches_the_contract(small, capsys):
    assert main(["run", "small.scenario.yaml", "--replications", "3", "--json", "-"]) == 0
    out, err = capsys.readouterr()
    data = json.loads(out, parse_constant=pytest.fail)
    assert err == ""
    assert (data["scenario"], data["seed"], data["replications"]) == ("small", 7, 3)
    assert data["scenario_resolved"] == scenarios.load("small.scenario.yaml").resolved()
    measured = data["metrics"]["recovery.time.mean"]
    low, high = measured["ci95"]
    assert (measured["n"], measured["unit"]) == (3, "s")
    assert low < measured["mean"] < high
    assert data["expectations"][0] == {
        "expression": "tasks.lost == 0",
        "observed": 0,
        "holds": True,
        "failing": 0,
        "runs": 3,
    }
    assert [run["seed"] for run in data["runs"]] == ["7/0", "7/1", "7/2"]
    alone = sim.run(scenarios.load("small.scenario.yaml"), seed="7/1")
    assert data["runs"][1]["history_sha256"] == alone.history_sha256
    assert data["runs"][1]["metrics"]["recovery.time.mean"] == alone.metrics["recovery.time.mean"]
    crash = "system_failures.agent_failure"
    assert data["diagnosis"] == {crash: {crash: 3}}
    assert [run["diagnosis"] for run in data["runs"]] == [{crash: {crash: 1}}] * 3
    assert alone.confusion.loc[crash, crash] == 1


def test_an_unobserved_metric_is_null(capsys):
    assert main(["run", "baseline", "--set", "duration=10m", "--json", "-"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["metrics"]["recovery.time.p95"] is None
    assert data["runs"][0]["metrics"]["recovery.time.p95"] is None


def test_json_of_several_scenarios_is_a_list(small, capsys):
    assert main(["run", "small.scenario.yaml", "strict.scenario.yaml", "--json", "both.json", "--quiet"]) == 1
    data = json.loads(Path("both.json").read_text())
    assert [result["expectations"][1]["holds"] for result in data] == [True, False]
    assert sorted(path.name for path in small.iterdir()) == ["both.json", "small.scenario.yaml", "strict.scenario.yaml"]


def test_a_replication_can_be_run_alone(small, capsys):
    assert main(["run", "small.scenario.yaml", "--seed", "9/4", "--json", "-"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert (data["seed"], [run["seed"] for run in data["runs"]]) == (9, ["9/4"])


@pytest.mark.usefixtures("parallel")
def test_jobs_do_not_change_the_results(small, capsys):
    results = []
    for jobs in ("1", "2"):
        main(["run", "small.scenario.yaml", "--replications", "3", "--jobs", jobs, "--json", "-"])
        results.append(json.loads(capsys.readouterr().out))
        for run in results[-1]["runs"]:
            del run["wall_seconds"]
    assert results[0] == results[1]


def test_overridden_values_reach_the_world(small, capsys):
    assert main(["run", "small.scenario.yaml", "--set", "agents.restart_time=1s", "--json", "-"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["scenario_resolved"]["agents"]["restart_time"] == {"constant": {"value": 1.0}}
    assert data["metrics"]["recovery.execute.mean"]["mean"] == pytest.approx(1.0)


# -------------------------------------------------------------------------------- history
def test_history_files_equal_the_histories_of_the_runs(small):
    assert main(["run", "small.scenario.yaml", "--replications", "2", "--history", "events.parquet", "-q"]) == 0
    kept = pd.read_parquet("events.parquet")
    assert list(kept.columns[:4]) == ["scenario", "replication", "time", "event"]
    for seed, part in kept.groupby("replication", observed=True):
        history = sim.run(scenarios.load("small.scenario.yaml"), seed=seed).history
        assert len(part) == len(history)
        for column in history:
            assert part[column].astype(object).where(part[column].notna(), None).tolist() == (
                history[column].astype(object).where(history[column].notna(), None).tolist()
            )
    about = json.loads(pq.read_schema("events.parquet").metadata[b"recovery-bench"])
    assert about["scenarios"] == [scenarios.load("small.scenario.yaml").resolved()]


# ------------------------------------------------------------------------------- the rest
def test_list_prints_the_shipped_scenarios(capsys):
    assert main(["list"]) == 0
    out = capsys.readouterr().out
    lines = [line.split()[0] for line in out.splitlines() if line.startswith("  ")]
    assert sorted(lines) == scenarios.names()  # one line a scenario
    headings = ["Documented failures", "Variants of them", "Compound failures", "Found by searches"]
    assert [line for line in out.splitlines() if line in headings] == headings
    assert main(["list", "--json", "-"]) == 0
    assert [row["name"] for row in json.loads(capsys.readouterr().out)] == scenarios.names()


def test_show_explains_without_running(capsys, interrupts):
    interrupts(0)
    assert main(["show", "agent-failure"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "At 10m, 20m, 30m, 40m and 50m one agent crashes." in out
    assert "It is recovered by restart_agent, then reassign_agent_tasks." in out
    assert "recovery.time.max <= 35s" in out
    assert main(["show", "agent-failure", "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out) == scenarios.load("agent-failure").resolved()


def test_schema_prints_the_scenario_schema(capsys):
    assert main(["schema"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["properties"].keys() == json_schema()["properties"].keys()


def test_runbook_prints_the_documented_runbook(capsys):
    from recovery.runbook import catalogue

    assert main(["runbook", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(catalogue.documented().as_dict()))
    assert main(["runbook"]) == 0
    out = capsys.readouterr().out
    assert [name for name, _ in catalogue.documented().entries() if name not in out] == []


@pytest.mark.long
def test_demo_draws_an_identical_picture_every_time(tmp_path, monkeypatch, capsys):
    """Of the same runs: that a seed gives the same run is tested elsewhere."""
    runs = {}

    def run(scenario, seed, real=sim.simulation.run):
        if scenario.name not in runs:
            runs[scenario.name] = real(scenario, seed)
        return runs[scenario.name]

    monkeypatch.setattr(sim.simulation, "run", run)
    monkeypatch.chdir(tmp_path)
    assert main(["demo"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "picture: recovery-bench-demo.png" in out
    assert out.count("✓") == 4
    assert main(["demo", "--out", "again.png", "--json", "-"]) == 0
    results = json.loads(capsys.readouterr().out)
    assert [result["scenario"] for result in results] == [
        "execution-failure",
        "resource-failure",
        "agent-failure",
        "communication-failure",
    ]
    first = Path("recovery-bench-demo.png").read_bytes()
    assert first.startswith(b"\x89PNG")
    assert first == Path("again.png").read_bytes()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["run", "baseline", "--replications", ""], "--replications : not a number of replications"),
        (
            ["run", "baseline", "--most", "50"],
            "--most 50: only applies to --precision; valid: with --precision, such as 5%",
        ),
        (["run", "baseline", "--scheduler", ""], "--scheduler: has no address; valid: such as tcp://host:8786"),
        (
            ["sweep", "baseline", "--grid", "agents.count=4", "--design", "lhs", "--out", "x"],
            "--design lhs: does not apply to a grid; valid: with --vary",
        ),
    ],
)
def test_an_option_without_effect_is_rejected(given, message, capsys):
    assert main(given) == 2
    assert capsys.readouterr().err.startswith(message)
