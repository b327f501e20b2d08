"""Common behavior of results: frames, plots, files, equality, and notebook tables."""

import copy
import json
import pickle
import re
from dataclasses import replace

import pandas as pd
import pytest
from matplotlib.figure import Figure

import scenarios
import sim
from recovery import RecoveryBenchError

SCENARIO = """
name: small
duration: 200s
tasks: {arrivals: {poisson: {rate: 1/s}}, work: {exponential: {mean: 2s}}, failure_probability: 0.05}
agents: {count: 4, restart_time: 5s}
faults: [{agent_crash: {targets: 1, at: 50s}}]
expect: [tasks.lost == 0]
"""
KINDS = ("run", "result", "comparison", "selection", "sweep", "rare", "warmup")


@pytest.fixture(scope="module")
def results():
    scenario = scenarios.loads(SCENARIO)
    points = [{"agents.count": "4"}, {"agents.count": "6"}]
    warmup = sim.find_warmup(scenario, replications=3)
    return {
        "run": sim.run(scenario),
        "result": sim.replicate(scenario, replications=3, warmup=warmup),
        "comparison": sim.compare(scenario, {}, {"agents.count": 6}, replications=3),
        "selection": sim.select(scenario, points, "tasks.sojourn.mean", 1.0, first=5, most=6, judged=2),
        "sweep": sim.sweep(scenario, points, replications=2),
        "rare": sim.rare(scenario, "queue.depth > 5", replications=2, particles=4),
        "warmup": warmup,
    }


@pytest.fixture(params=KINDS)
def result(request, results):
    return results[request.param]


def test_every_result_has_a_frame_and_plots(result):
    assert isinstance(result.frame, pd.DataFrame)
    assert len(result.frame)
    assert result.plot is not None


def test_a_run_draws_its_timeline(results):
    assert isinstance(results["run"].plot.timeline(), Figure)


def test_a_result_round_trips_through_a_file(result, tmp_path):
    result.save(tmp_path / "result.json")
    loaded = sim.load(tmp_path / "result.json")
    assert type(loaded) is type(result)
    assert loaded == result
    pd.testing.assert_frame_equal(loaded.frame, result.frame)
    assert loaded._repr_html_() == result._repr_html_()
    assert [file.name for file in tmp_path.iterdir()] == ["result.json"]


def test_a_loaded_run_has_its_whole_history(results, tmp_path):
    run = results["run"]
    run.save(tmp_path / "run.json")
    loaded = sim.load(tmp_path / "run.json")
    assert loaded.history_sha256 == run.history_sha256
    pd.testing.assert_frame_equal(loaded.history, run.history)
    assert loaded.diagnosis == run.diagnosis


def test_a_run_that_keeps_a_summary_is_saved_without_events(tmp_path):
    run = sim.run(scenarios.loads(SCENARIO).with_values({"history": "summary"}))
    for copied in (pickle.loads(pickle.dumps(run)), copy.deepcopy(run)):
        assert copied == run
    run.save(tmp_path / "run.json")
    loaded = sim.load(tmp_path / "run.json")
    assert loaded == run
    assert loaded.events == run.events
    with pytest.raises(sim.HistoryNotKept):
        _ = loaded.history


def test_a_result_can_be_pickled_and_copied(result):
    for copied in (pickle.loads(pickle.dumps(result)), copy.deepcopy(result), copy.copy(result)):
        assert copied == result
        pd.testing.assert_frame_equal(copied.frame, result.frame)


def test_results_of_equal_runs_are_equal_despite_wall_time(results):
    scenario = scenarios.loads(SCENARIO)
    run = sim.run(scenario)
    assert run == results["run"] == replace(run, wall_seconds=1000.0)
    assert sim.replicate(scenario, replications=2) == sim.replicate(scenario, replications=2)
    assert run != sim.run(scenario, seed=1)
    assert sim.replicate(scenario, replications=2) != sim.replicate(scenario, replications=3)
    assert results["run"] != results["result"]


def test_a_sweep_read_from_its_folder_is_equal(tmp_path):
    scenario = scenarios.loads(SCENARIO)
    points = [{"agents.count": "4"}, {"agents.count": "6"}]
    swept = sim.sweep(scenario, points, out=tmp_path / "sweep")
    assert sim.load_sweep(tmp_path / "sweep") == swept
    assert sim.sweep(scenario, points[:1]) != swept


def test_a_sweep_accepts_values_in_file_notation():
    scenario = scenarios.loads(SCENARIO)
    swept = sim.sweep(scenario, {"agents.restart_time": ["5s", "20s"]})
    assert swept == sim.sweep(scenario, [{"agents.restart_time": "5s"}, {"agents.restart_time": 20}])
    assert swept.frame["agents.restart_time"].unique().tolist() == [5.0, 20.0]
    with pytest.raises(ValueError, match="is there twice; valid: each point once"):
        sim.sweep(scenario, [{"agents.restart_time": "5s"}, {"agents.restart_time": 5}])
    with pytest.raises(ValueError, match="points set different paths"):
        sim.sweep(scenario, [{"agents.restart_time": "5s"}, {"agents.count": 5}])


def test_a_notebook_shows_the_table_of_the_command_line(result):
    html = result._repr_html_()
    assert html.startswith("<pre ")
    assert html.endswith("</pre>")
    assert set(re.findall(r"</?(\w+)", html)) == {"pre", "span"}
    assert len(html) < 8000


def test_a_notebook_shows_the_colors_of_the_command_line(results):
    html = results["result"]._repr_html_()
    assert '<span style="color: #009e73; text-decoration-color: #009e73">✓ </span>tasks.lost == 0' in html


def test_a_table_is_shown_once_inside_a_notebook(results, monkeypatch):
    shown = []
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    monkeypatch.setattr("rich.jupyter.display", lambda *what: shown.append(what))
    results["result"]._repr_html_()
    assert shown == []


def test_a_notebook_explains_a_scenario():
    html = scenarios.loads(SCENARIO)._repr_html_()
    assert "What is injected</span>" in html
    assert set(re.findall(r"</?(\w+)", html)) == {"pre", "span"}


def test_a_repr_is_short(results):
    assert repr(results["result"]) == "<Result small, seed 0: 3 replications>"
    assert repr(results["comparison"]) == "<Comparison small, seed 0: 3 pairs of replications>"
    for each in results.values():
        assert len(repr(each)) < 100


def test_a_scenario_with_files_requires_them_unchanged(tmp_path):
    (tmp_path / "work.csv").write_text("1\n2\n3\n")
    (tmp_path / "small.scenario.yaml").write_text(
        SCENARIO.replace("exponential: {mean: 2s}", "empirical: {file: work.csv}")
    )
    result = sim.replicate(scenarios.load(tmp_path / "small.scenario.yaml"))
    result.save(tmp_path / "result.json")
    assert sim.load(tmp_path / "result.json") == result
    assert copy.deepcopy(result) == result
    (tmp_path / "work.csv").write_text("1\n2\n4\n")
    with pytest.raises(sim.ResultFileError, match=r"a file that the scenario uses has changed: work\.csv"):
        sim.load(tmp_path / "result.json")
    (tmp_path / "work.csv").unlink()
    with pytest.raises(sim.ResultFileError, match=r"its scenario is not valid: .*work\.csv: no such file"):
        sim.load(tmp_path / "result.json")


# ----------------------------------------------------------------------- files that are wrong
def changed(text, **values):
    return json.dumps(json.loads(text) | values)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: text[: len(text) // 2], "is not JSON, or is damaged; valid: a file that .save() has written"),
        (lambda text: "\udcff", "is not UTF-8 text (byte 0)"),
        (lambda text: "[" * 100_000, "is not JSON, or is damaged"),
        (lambda text: "[1, 2]", "is not a saved result; valid: a file that .save() has written"),
        (lambda text: '{"scenario": "small"}', "is not a saved result"),
        (lambda text: changed(text, kind="Universe"), "is not a saved result"),
        (lambda text: changed(text, kind=["Run"]), "is not a saved result"),
        (lambda text: changed(text, version=2), "has version 2 of the format; valid: version 1"),
        (lambda text: text.replace('"interrupted": false', '"interrupted": true'), "is damaged: its content"),
        (lambda text: changed(text, data=None), "is damaged: its content"),
        (lambda text: changed(text, kind="Rare"), "cannot be restored"),
    ],
)
def test_an_invalid_file_is_a_one_line_error(results, tmp_path, damage, message):
    file = tmp_path / "result.json"
    results["result"].save(file)
    file.write_text(damage(file.read_text()), errors="surrogateescape")
    with pytest.raises(sim.ResultFileError) as raised:
        sim.load(file)
    assert str(raised.value).startswith(f"{file}: {message}")
    assert "\n" not in str(raised.value)
    assert isinstance(raised.value, RecoveryBenchError)


def test_a_missing_or_unwritable_file_is_reported(results, tmp_path):
    with pytest.raises(sim.ResultFileError, match="no such file; valid: a file that"):
        sim.load(tmp_path / "nothing.json")
    with pytest.raises(sim.ResultFileError, match="cannot be written: No such file"):
        results["result"].save(tmp_path / "nowhere" / "result.json")
