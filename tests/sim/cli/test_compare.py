"""`compare`: output, plots, files and errors."""

import json

import pytest

from scenarios.fields.metrics import lookup
from sim import simulation
from sim.cli import main
from sim.experiments.runs import executor
from sim.experiments.runs.summary import RunSummary

QUIET = "extends: agent-failure\nname: quiet\ntasks: {arrivals: {poisson: {rate: 0.2/s}}}\n"
BASE = [
    "compare",
    "quiet.scenario.yaml",
    "--replications",
    "3",
    "--a",
    "duration=20m",
    "warmup=2m",
    "--b",
    "duration=20m",
    "warmup=2m",
]
FASTER = ["recovery.detection.heartbeat_interval=2s"]


RUNS = {}


def once(scenario, name):
    """The summary of a run, which is the same in many tests."""
    key = (json.dumps(scenario.resolved(), sort_keys=True), name)
    if key not in RUNS:
        RUNS[key] = RunSummary.of(simulation.run(scenario, name))
    return RUNS[key]


@pytest.fixture(autouse=True)
def quiet(tmp_path, monkeypatch):
    """The scenario of `BASE`, with a tenth of the load."""
    monkeypatch.setattr(executor, "summary", once)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "quiet.scenario.yaml").write_text(QUIET)


def test_writes_a_table_a_picture_and_json(tmp_path, capsys):
    picture, file = tmp_path / "d.png", tmp_path / "d.json"
    assert main([*BASE, *FASTER, "--out", str(picture), "--json", str(file)]) == 0
    out = capsys.readouterr().out
    assert "quiet  seed 7 × 3 pairs: 6 runs, 20m each" in out
    assert "  b  duration=20m, warmup=2m, recovery.detection.heartbeat_interval=2s" in out
    assert any(
        line.split()[0] == "recovery.time.mean" and line.rstrip().endswith("better")
        for line in out.splitlines()
        if line.strip()
    )
    assert "no difference shown: " in out
    assert max(map(len, out.splitlines())) <= max(80, len(f"picture: {picture}"))
    assert picture.read_bytes().startswith(b"\x89PNG")
    found = json.loads(file.read_text())
    assert found["metrics"]["recovery.time.mean"]["verdict"] == "better"
    assert found["b"] == {"duration": "20m", "warmup": "2m", "recovery.detection.heartbeat_interval": "2s"}


def test_a_requested_metric_is_always_shown(capsys):
    assert main([*BASE, *FASTER, "--metric", "tasks.lost"]) == 0
    out = capsys.readouterr().out
    assert "tasks.lost" in out
    assert "verdicts hold for the metric at once" in out


def test_every_metric_has_one_line_of_80_columns(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert main([*BASE, *FASTER, "--metric", "*"]) == 0
    table = capsys.readouterr().out.partition("\nmetric ")[2].partition("\n\n")[0].splitlines()[1:]
    told, group = [], ""
    for line in table:
        assert len(line.rstrip()) <= 80
        name = line.split()[0]
        if line.startswith(" "):
            told.append(f"{group}.{name}")
        else:
            group = name
    assert len(told) > 60
    assert {lookup(name).name for name in told} == {*told}


def test_quiet_prints_nothing(capsys):
    assert main([*BASE, *FASTER, "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["compare", "agent-failure"], "--a, --b: no setting is given; valid: --b path=value"),
        (["compare", "agent-failure", "--b", "agents.count"], "--b agents.count: not a change; valid: path=value"),
        (
            ["compare", "agent-failure", "--b", "agents.cuont=3"],
            "--b agents.cuont=3: unknown path; keys of agents: count",
        ),
        (["compare", "nowhere", "--b", "agents.count=3"], "nowhere"),
        (["compare", "agent-failure", "--b", "agents.count=3", "--replications", "1"], "--replications 1: gives no"),
        (["compare", "agent-failure", "--b", "agents.count=3", "--seed", "7/3"], "--seed 7/3: is one replication"),
        (
            [*BASE, *FASTER, "--metric", "tasks.lsot"],
            "--metric tasks.lsot: unknown metric 'tasks.lsot' (nearest: 'tasks.lost')",
        ),
        (
            [*BASE, *FASTER, "--metric", "client.goodput"],
            "--metric client.goodput: quiet observes it under neither setting",
        ),
        (
            [*BASE, *FASTER, "--metric", "xyz"],
            "--metric xyz: unknown metric 'xyz'; valid: a metric of the catalogue, such as",
        ),
        (
            [*BASE, *FASTER, "--out", "d.svg", "--json", "./d.svg"],
            "--out d.svg: is the file of --json as well; valid: two",
        ),
        ([*BASE, *FASTER, "--out", "-"], "--out -: is a picture, which is kept in a file; valid: --out FILE.png"),
        ([*BASE, *FASTER, "--replications", "0"], "valid: a whole number, 2 or more"),
        ([*BASE, *FASTER, "--out", "d.txt"], "--out d.txt: not a picture format; valid: a file that ends in .png"),
        ([*BASE, *FASTER, "--out", "/nowhere/d.png"], "--out /nowhere/d.png: there is no folder"),
    ],
)
def test_invalid_input_is_one_line_with_status_2(arguments, message, capsys):
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert message in err


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--b", "seed=9"], "--b seed: all settings use the same seeds; valid: --seed"),
        (["--a", "name=x"], "--a name: changes nothing; valid: another path"),
        (["--grid", "seed=1,2", "--metric", "recovery.time.mean", "--indifference", "1s"], "--grid seed: all settings"),
    ],
)
def test_equal_settings_are_rejected(given, message, capsys):
    assert main(["compare", "agent-failure", *given]) == 2
    assert capsys.readouterr().err.startswith(message)


@pytest.mark.parametrize("size", ["1e308s", "1e-320s"])
def test_an_indifference_in_another_unit_is_rejected(size, capsys):
    given = ["--grid", "agents.count=4,5", "--metric", "recovery.time.mean", "--indifference", size]
    assert main(["compare", "agent-failure", *given]) == 2
    error = capsys.readouterr().err
    assert error.startswith("--indifference")
    assert error.count("\n") == 1


def test_set_holds_for_both_settings(tmp_path, capsys):
    file = tmp_path / "d.json"
    shared = ["--set", "duration=12m", "--set", "warmup=1m", "--b", "recovery.detection.heartbeat_interval=2s"]
    assert main(["compare", "agent-failure", *shared, "--replications", "2", "--json", str(file)]) == 0
    assert "4 runs, 12m each" in capsys.readouterr().out
    assert json.loads(file.read_text())["b"] == {"recovery.detection.heartbeat_interval": "2s"}


def test_a_value_for_both_and_for_one_is_refused(capsys):
    assert main(["compare", "agent-failure", "--set", "agents.count=5", "--b", "agents.count=6"]) == 2
    assert "--set agents.count: is a value of --a or --b as well" in capsys.readouterr().err


def test_a_wrong_path_of_set_is_named(capsys):
    assert main(["compare", "agent-failure", "--set", "agents.cuont=5", "--b", "agents.count=6"]) == 2
    err = capsys.readouterr().err
    assert "--set agents.cuont=5" in err
    assert "agents.count" in err


# ------------------------------------------------------------------------------- --fail-if
SLOWER = [*BASE, "recovery.detection.heartbeat_interval=9s"]


@pytest.mark.parametrize(
    ("condition", "status"),
    [
        ("worse", 1),
        ("worse:recovery.time.mean", 1),
        ("worse:recovery.time.mean>5%", 1),
        ("worse: recovery.time.mean > 1s", 1),
        ("worse:recovery.time.mean>90%", 0),
        ("worse:recovery.time.mean>1m", 0),
        ("worse:tasks.lost", 0),
        ("worse:recovery.time.p90>5%", 1),
        ("worse:recovery.detect.*>5%", 1),
    ],
)
def test_fail_if_sets_the_exit_status(condition, status, capsys):
    assert main([*SLOWER, "--fail-if", condition, "--json", "-", "--quiet"]) == status
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert [each["holds"] for each in found["fail_if"]] == [status == 1]
    assert found["fail_if"][0]["expression"] == condition.replace(" ", "")
    assert err.startswith(f"✗ --fail-if {condition.replace(' ', '')}: recovery.") == (status == 1)


def test_fail_if_does_not_hold_for_an_improvement(capsys):
    assert main([*BASE, *FASTER, "--fail-if", "worse", "--fail-if", "worse:recovery.time.mean"]) == 0
    assert capsys.readouterr().err == ""


def test_one_of_several_conditions_is_enough():
    assert main([*SLOWER, "-q", "--fail-if", "worse:tasks.lost", "--fail-if", "worse:recovery.time.mean>5%"]) == 1


def test_a_metric_of_fail_if_is_compared_beside_the_others(capsys):
    assert main([*SLOWER, "-q", "--json", "-", "--fail-if", "worse:recovery.time.p90"]) == 1
    names = json.loads(capsys.readouterr().out)["metrics"]
    assert {"recovery.time.p90", "tasks.lost", "recovery.time.mean"} <= {*names}


def test_a_metric_that_only_one_setting_observes_is_reported(capsys):
    calm = [*BASE[:-2], "duration=20m", "warmup=2m", "faults=[]", "expect=[]"]
    assert main([*calm, "-q", "--fail-if", "worse:recovery.time.mean"]) == 0
    assert "recovery.time.mean is not compared: too few replications observe it" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("better", "is not a condition; valid: worse, worse:METRIC"),
        ("worse>5%", "is not a condition"),
        ("worse:", "is not a condition"),
        ("worse:recovery.time.mean>", "is not a condition"),
        ("worse:recovery.time.mean<5%", "is not a condition"),
        ("worse:recovery.time.meen", "unknown metric 'recovery.time.meen'"),
        ("worse:recovery.time.mean>x", "'x' is not a duration"),
        ("worse:recovery.time.mean>-5%", "is not a percentage of 0 or more"),
        ("worse:tasks.submitted", "neither more nor less of tasks.submitted is worse"),
        ("worse:client.goodput", "client.goodput: quiet observes it under neither setting"),
        ("worse:zzz.*", "no metric has a name like 'zzz.*'"),
    ],
)
def test_an_invalid_condition_is_one_line(condition, said, capsys):
    assert main([*BASE[:3], "2", "--b", "duration=10m", "--fail-if", condition]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert said in err
    assert err.startswith("--fail-if ")


def test_fail_if_does_not_apply_to_a_grid(capsys):
    grid = ["--grid", "agents.count=3,4", "--metric", "tasks.sojourn.mean", "--indifference", "1s"]
    assert main(["compare", "quiet.scenario.yaml", *grid, "--fail-if", "worse"]) == 2
    assert "--fail-if worse: compares b with a" in capsys.readouterr().err
