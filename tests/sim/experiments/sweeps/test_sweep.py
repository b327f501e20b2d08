"""Sweeps are resumable and extendable, and independent of their execution."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import scenarios
import sim
from sim.experiments.sweeps import folder
from sim.experiments.sweeps import sweep as module
from sim.experiments.sweeps.designs import DesignError, grid
from sim.experiments.sweeps.digests import write_with_digest
from sim.experiments.sweeps.folder import RESULTS, SweepFolder, SweepFolderError
from sim.experiments.sweeps.sweep import load_sweep, sweep

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[3]
COUNT, RESTART = "agents.count", "agents.restart_time"
VALUES = {"duration": "3m", "warmup": "0s", "tasks.arrivals.poisson.rate": "0.5/s", "agents.mtbf": "1m", "faults": []}


@pytest.fixture(scope="module")
def scenario():
    return scenarios.load("agent-failure").with_values(VALUES)


@pytest.fixture
def points(scenario):
    return grid(scenario, {COUNT: [3, 5], RESTART: ["5s", "10s"]})


def content(folder):
    """Of the one file that a finished sweep is."""
    assert not list((folder / "parts").iterdir())
    return (folder / RESULTS).read_bytes()


def test_each_run_equals_that_of_its_scenario_and_seed(scenario, points):
    found = sweep(scenario, points, seed=7, replications=2)
    alone = sim.run(scenario.with_values({COUNT: 5, RESTART: "10s"}), seed=7, replication=1)
    rows = found.frame
    of = rows[(rows[COUNT] == 5) & (rows[RESTART] == 10) & (rows["replication"] == "7/1")]
    observed = {name: value for name, value in alone.metrics.items() if value is not None}
    assert dict(zip(of["metric"], of["value"], strict=True)) == observed
    assert alone.history_sha256 in set(found.rows["history_sha256"])


def test_estimates_equal_those_of_replicate(scenario, points):
    found = sweep(scenario, points, seed=7, replications=3)
    result = sim.replicate(scenario.with_values({COUNT: 3, RESTART: "5s"}), seed=7, replications=3)
    first = next(iter(found.estimates("tasks.sojourn.mean").values()))
    assert first == result.metrics["tasks.sojourn.mean"]
    assert len(found.estimates("tasks.sojourn.mean")) == 4


def test_a_table_has_the_estimates_of_each_point(scenario, points):
    swept = sweep(scenario, points, seed=3, replications=2)
    table = swept.table("tasks.sojourn.mean", "recovery.time.mean")
    assert list(table.columns) == [COUNT, RESTART, "metric", "mean", "low", "high", "n", "unit"]
    assert len(table) == 2 * len(points)
    row = table.query(f"`{COUNT}` == 5 and `{RESTART}` == 10 and metric == 'tasks.sojourn.mean'").iloc[0]
    *_, of = swept.estimates("tasks.sojourn.mean").values()
    assert (row["mean"], row["low"], row["high"], row["n"], row["unit"]) == (of.mean, *of.ci95, 2, "s")


@pytest.mark.usefixtures("parallel")
def test_memory_folder_and_parallel_sweeps_give_equal_results(scenario, points, tmp_path):
    one = sweep(scenario, points, seed=7, replications=2)
    two = sweep(scenario, points, seed=7, replications=2, out=tmp_path / "a")
    sweep(scenario, points[::-1], seed=7, replications=2, jobs=2, out=tmp_path / "b")
    sweep(scenario, points, seed=7, replications=2, out=tmp_path / "b")
    assert one.frame.equals(two.frame)
    assert load_sweep(tmp_path / "a").frame.equals(one.frame)
    tables = [
        pq.read_table(tmp_path / each / RESULTS).sort_by([("point", "ascending"), ("replication", "ascending")])
        for each in "ab"
    ]
    assert tables[0].equals(tables[1])


def test_only_new_points_are_computed(scenario, points, tmp_path):
    assert sweep(scenario, points[:2], seed=7, replications=1, out=tmp_path).computed == 2
    assert sweep(scenario, points[:2], seed=7, replications=1, out=tmp_path).computed == 0
    assert sweep(scenario, points[:2], seed=7, replications=3, out=tmp_path).computed == 4
    assert sweep(scenario, points, seed=7, replications=3, out=tmp_path).computed == 6
    fewer = sweep(scenario, points[1:2], seed=7, replications=2, out=tmp_path)
    assert (fewer.computed, len(fewer.points), set(fewer.frame["replication"])) == (0, 1, {"7/0", "7/1"})
    whole = sweep(scenario, points, seed=7, replications=3)
    assert (
        load_sweep(tmp_path)
        .frame.sort_values([COUNT, RESTART, "replication"], kind="stable")
        .reset_index(drop=True)
        .equals(whole.frame)
    )


PROGRAM = """
import sys
import scenarios
from sim.experiments.sweeps import sweep as module
from sim.experiments.sweeps.designs import grid
from tests.sim.experiments.sweeps.test_sweep import COUNT, RESTART, VALUES

module.SECONDS_TO_KEEP = 0.0
scenario = scenarios.load("agent-failure").with_values(VALUES)
points = grid(scenario, {COUNT: [3, 5, 7, 9], RESTART: ["5s", "10s"]})
print("ready", flush=True)
tell = lambda run: print(run.seed, flush=True)
found = module.sweep(scenario, points, seed=7, replications=3, out=sys.argv[1], on_run=tell)
print("done", found.computed)
"""


@pytest.mark.parametrize("runs", [7, *(pytest.param(runs, marks=pytest.mark.long) for runs in (1, 12, 22))])
def test_finished_runs_are_not_repeated_after_a_kill(scenario, tmp_path, runs):
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        for _ in range(runs + 1):
            process.stdout.readline()
        os.kill(process.pid, signal.SIGKILL)
        process.stdout.read()
    assert (tmp_path / "parts").exists()
    points = grid(scenario, {COUNT: [3, 5, 7, 9], RESTART: ["5s", "10s"]})
    finished = len(SweepFolder(tmp_path).finished())
    assert finished >= runs
    found = sweep(scenario, points, seed=7, replications=3, out=tmp_path)
    assert found.computed == 24 - finished
    assert found.frame.equals(sweep(scenario, points, seed=7, replications=3).frame)
    assert not list(tmp_path.rglob(".*.tmp"))


def test_a_kill_during_a_merge_loses_and_duplicates_nothing(scenario, points, tmp_path, monkeypatch):
    """Both the parts and the merged file may be there."""
    sweep(scenario, points[:2], seed=7, replications=2, out=tmp_path)
    merged = (tmp_path / RESULTS).read_bytes()
    write_with_digest(tmp_path / "parts" / "0.parquet", merged)
    (tmp_path / "parts" / ".1.parquet.tmp").write_bytes(merged[:100])
    found = sweep(scenario, points[:2], seed=7, replications=2, out=tmp_path)
    assert found.computed == 0
    assert found.frame.equals(sweep(scenario, points[:2], seed=7, replications=2).frame)
    assert content(tmp_path) == merged


def test_an_interrupt_keeps_finished_runs(scenario, points, tmp_path):
    seen = []

    def stop(summary):
        seen.append(summary)
        if len(seen) == 5:
            raise KeyboardInterrupt

    found = sweep(scenario, points, seed=7, replications=2, out=tmp_path, on_run=stop)
    assert (found.interrupted, found.computed) == (True, 5)
    assert sweep(scenario, points, seed=7, replications=2, out=tmp_path).computed == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"values": {"agents.slots": 2}}, r"agents\.slots is 1 there, and 2 here"),
        ({"seed": 8}, 'seed is "7" there, and "8" here'),
        (
            {"axes": {COUNT: [3]}},
            r'paths is \["agents.count", "agents.restart_time"\] there, and \["agents.count"\] here',
        ),
        ({"version": "9.9"}, r'version is "0\.1\.0" there, and "9\.9" here'),
    ],
)
def test_the_folder_of_another_sweep_is_rejected_with_the_difference(
    scenario, points, tmp_path, monkeypatch, change, message
):
    sweep(scenario, points[:1], seed=7, out=tmp_path)
    before = content(tmp_path)
    if "version" in change:
        monkeypatch.setattr(module, "installed_version", lambda: change["version"])
    other = scenario.with_values(change.get("values", {}))
    where = grid(other, change["axes"]) if "axes" in change else points
    with pytest.raises(SweepFolderError, match=f"is another sweep: {message}; valid: another folder"):
        sweep(other, where, seed=change.get("seed", 7), out=tmp_path)
    assert content(tmp_path) == before


def test_a_folder_with_other_content_is_left_unchanged(scenario, points, tmp_path):
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(SweepFolderError, match=r"holds thesis\.tex and no sweep"):
        sweep(scenario, points, seed=7, out=tmp_path)
    file = tmp_path / "file"
    file.write_text("x")
    with pytest.raises(SweepFolderError, match=r"File exists|Not a directory"):
        sweep(scenario, points, seed=7, out=file)
    with pytest.raises(SweepFolderError, match="holds no sweep"):
        load_sweep(tmp_path)


def test_two_programs_cannot_share_a_folder(scenario, points, tmp_path):
    with (
        SweepFolder(tmp_path).opened(module._about(scenario, "7", points, None)),
        pytest.raises(SweepFolderError, match="another program sweeps there; valid: when that is done"),
    ):
        sweep(scenario, points, seed=7, out=tmp_path)
    assert sweep(scenario, points[:1], seed=7, out=tmp_path).computed == 1


def test_without_file_locks_the_sweep_runs_unlocked(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "fcntl", None)
    spec = importlib.util.spec_from_file_location("lockless", folder.__file__)
    lockless = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "lockless", lockless)
    spec.loader.exec_module(lockless)
    with lockless.SweepFolder(tmp_path).opened({"sweep": folder.FORMAT}):
        assert lockless.read_about(tmp_path) == {"sweep": folder.FORMAT}


def test_a_full_disk_keeps_finished_runs(scenario, points, tmp_path, monkeypatch):
    sweep(scenario, points[:2], seed=7, out=tmp_path)
    before = content(tmp_path)

    def full(*args, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(folder.pq, "write_table", full)
    with pytest.raises(SweepFolderError, match="No space left on device; what is finished is kept"):
        sweep(scenario, points, seed=7, out=tmp_path)
    monkeypatch.undo()
    assert content(tmp_path) == before
    assert sweep(scenario, points, seed=7, out=tmp_path).computed == 2


@pytest.mark.parametrize("file", [RESULTS, "parts/0.parquet"])
@pytest.mark.parametrize("holds", [b"", b"PAR1 and no more", None])
def test_a_damaged_file_is_reported_and_its_runs_are_repeated(scenario, points, tmp_path, file, holds):
    points = points[:2]
    whole = sweep(scenario, points, seed=7, out=tmp_path)
    if holds is None:
        pq.write_table(pa.table({"a": [1]}), tmp_path / file)
    else:
        (tmp_path / file).write_bytes(holds)
    for asked in (lambda: sweep(scenario, points, seed=7, out=tmp_path), lambda: load_sweep(tmp_path)):
        with pytest.raises(SweepFolderError, match=rf"{file}: is damaged: .*; valid: without this file"):
            asked()
    (tmp_path / file).unlink()
    again = sweep(scenario, points, seed=7, out=tmp_path)
    assert again.computed == (len(points) if file == RESULTS else 0)
    assert again.frame.equals(whole.frame)


def test_an_invalid_folder_is_reported(scenario, points, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SweepFolderError, match=r"file: cannot be used: .*; valid: a folder of yours, or a new one"):
        sweep(scenario, points, out=tmp_path / "file")


def test_a_damaged_description_is_rejected(tmp_path, scenario, points):
    sweep(scenario, points[:1], seed=7, out=tmp_path)
    for content, problem in (
        (b"{", "cannot be read"),
        (b"[" * 100_000, "cannot be read"),
        (b"[]", "is not about a sweep"),
        (b"{}", "has version None of the format; valid: version 3"),
    ):
        write_with_digest(tmp_path / "sweep.json", content)
        for asked in (lambda: sweep(scenario, points[:1], seed=7, out=tmp_path), lambda: load_sweep(tmp_path)):
            with pytest.raises(SweepFolderError, match=rf"sweep\.json: {problem}"):
                asked()


def test_empty_points_or_replications_are_rejected(scenario, points):
    with pytest.raises(DesignError, match="there is no point"):
        sweep(scenario, [])
    with pytest.raises(ValueError, match="valid: 1 or more of each"):
        sweep(scenario, points, replications=0)


def test_the_sweep_as_json(scenario, points):
    found = sweep(scenario, points, seed=7, replications=2).as_json()
    assert [point["values"][COUNT] for point in found["points"]] == [3, 3, 5, 5]
    told = found["points"][0]["metrics"]["tasks.sojourn.mean"]
    assert (told["n"], told["unit"]) == (2, "s")
    json.dumps(found)


def test_expectations_are_judged_at_each_point(scenario, tmp_path):
    expecting = scenario.with_values({"expect": ["tasks.lost == 0", "agents.availability >= 60%"]})
    choices = {"agents.restart_time": ["1s", "300s"]}
    found = sweep(expecting, choices, seed=7, replications=2, out=tmp_path / "s")
    good, bad = found.outcomes.values()
    assert [each.holds for each in good] == [True, True]
    assert [each.holds for each in bad] == [True, False]
    again = sim.replicate(expecting.with_values({"agents.restart_time": "300s"}), seed=7, replications=2)
    assert bad == again.expectations
    assert [[each["holds"] for each in point["expectations"]] for point in found.as_json()["points"]] == [
        [True, True],
        [True, False],
    ]


def test_metrics_that_are_computed_on_demand_are_those_of_replicate(scenario, tmp_path):
    point = {"agents.restart_time": "5s"}
    found = sweep(scenario, [point], seed=7, replications=2, out=tmp_path / "s")
    result = sim.replicate(scenario.with_values(point), seed=7, replications=2)
    for name in ("tasks.sojourn.p90", "tasks.within(5s)", "recovery.agent_failure.time.p95", "recovery.time.mean"):
        assert list(found.estimates(name).values()) == [result.metrics[name]], name
    assert found.estimates("client.goodput") == {}
