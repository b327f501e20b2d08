"""The HTML page: what it says of each kind of result, texts of others made harmless, and bad input."""

import json
from html.parser import HTMLParser

import numpy as np
import pytest

import scenarios
import sim
from sim.experiments.runs.warmup import Warmup
from sim.measures.tables.event_table import Tracks
from sim.measures.tables.recoveries import Incidents
from sim.presentation.visible_text import visible
from sim.reports.page.render import Part, page
from sim.reports.page.timeline_series import series, thinned
from sim.reports.stored.reading import read_stored, stored_of
from sim.reports.stored.shown_run import ShownRun
from tests.sim.reports.stored_results import BASIS, HOSTILE, SEARCH, SUITE
from tests.sim.test_results import SCENARIO


class Text(HTMLParser):
    """The elements and the texts of a page."""

    def __init__(self, html):
        super().__init__()
        self.elements, self.texts = [], []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.texts.append(data)


def words(html):
    return " ".join(" ".join(Text(html).texts).split())


def chart_of(html):
    """The data of the only timeline of a page."""
    _, _, rest = html.partition('<script type="application/json"')
    return json.loads(rest.partition(">")[2].partition("</script>")[0])


@pytest.fixture(scope="module")
def run():
    return sim.run(scenarios.loads(SCENARIO).with_values({"warmup": "60s"}))


@pytest.fixture(scope="module")
def html(run):
    stored = stored_of(run)
    return page([Part(stored, ShownRun(run.seed, stored.history))])


def test_a_page_says_whether_everything_holds_and_how_to_repeat_it(html):
    told = words(html)
    assert "✓ Everything that the scenario expects holds." in told
    assert "tasks.lost == 0 holds tasks without an owner, which will never finish" in told
    assert "recovery-bench run small.scenario.yaml --seed 0/0" in told
    assert "no_lost_task every submitted task is completed" in told


def test_a_page_loads_nothing(html):
    elements = Text(html).elements
    assert not [each for each in elements if each[0] in {"link", "img", "iframe", "object"}]
    assert not [each for _, each in elements if each.keys() & {"src", "srcset", "action"}]
    assert all(each.get("href", "#").startswith("#") for _, each in elements)
    assert "default-src 'none'" in html
    assert "url(" not in html
    assert "@import" not in html


def test_the_recoveries_of_a_page_are_those_of_the_run(html, run):
    incidents = chart_of(html)["incidents"]
    assert len(incidents["rows"]) == run.metrics["recovery.count"]
    verified = [row for row in incidents["rows"] if incidents["outcomes"][row[7]] == "verified"]
    assert len(verified) == run.metrics["recovery.succeeded"]
    longest = max(row[6] - row[4] for row in verified)
    assert longest == pytest.approx(run.metrics["recovery.time.max"], abs=2e-3)
    for row in incidents["rows"]:
        assert [incidents["phases"][phase] for phase, _, _ in row[12][:2]] == ["detect", "wait"]
        places = [end for _, _, end in row[12]]
        assert [begin for _, begin, _ in row[12]] == [row[4], *places[:-1]]


def test_texts_of_others_are_made_harmless(run):
    stored = stored_of(run)
    data = json.loads(json.dumps(stored.data.model_dump()).replace("small", "SMALL"))
    data["scenario"] = data["scenario_resolved"]["description"] = data["replaced"] = HOSTILE
    data["runs"][0]["violations"] = [f"fencing at 1 s: {HOSTILE}"]
    data["runs"][0]["errors"] = [{"seed": "0/0", "time": 1.0, "where": HOSTILE, "text": HOSTILE}]
    data["diagnosis"] = {HOSTILE: {HOSTILE: 1}}
    hostile = type(stored)("", type(stored.data).model_validate(data), None, stored.scenario)
    html = page([Part(hostile, ShownRun("0/0", None, HOSTILE))])
    assert "<script>alert" not in html
    assert not set(html) & {"\x1b", "\x00", "\u202e", "\u2066"}
    assert visible("\x1b\u202e") == "\\x1b\\u202e"
    assert "alert(1)" in words(html)
    assert "\\x1b[31mred\\u202egnp" in words(html)


def test_a_search_is_shown_with_what_it_found_and_reached(tmp_path):
    html = written(tmp_path, SEARCH)
    told = words(html)
    assert "✗ Example 3 breaks no_lost_task." in told
    assert 'The smallest schedule {"agent_crash": {"at": 60}} seed=5 It is saved as found/x y.scenario.yaml' in told
    assert "a 4 b 0" in told
    assert "agent_crash waiting verified 2" in told
    assert "recovery-bench run 'found/x y.scenario.yaml'" in told
    assert "<script>alert" not in html
    assert "✓ 4 examples broke nothing." in words(written(tmp_path, {**SEARCH, "found": None, "saved": None}))


def test_a_suite_is_shown_with_what_is_not_as_expected_first(tmp_path):
    told = words(written(tmp_path, SUITE))
    assert "✗ 1 of 3 scenarios passed." in told
    assert "In the baseline, but not in the suite: gone." in told
    assert "bad failed 1 of 2 retries.count <= 3: not observed invariants were violated in 1 run slower" in told
    assert "tasks.sojourn.mean: regression, 3.00 s → 4.50 s (+1.50 ± 0.50 s) good seed 7, 2 replications passed" in told


def test_a_warmup_is_shown_with_the_series_that_it_was_found_in(tmp_path):
    found = Warmup(scenarios.loads(SCENARIO), 60.0, BASIS, "tasks.in_system.mean", 10)
    found.save(tmp_path / "warmup.json")
    (stored,) = read_stored(str(tmp_path / "warmup.json"))
    html = page([Part(stored)])
    assert "The warm-up ends at 1m." in words(html)
    (line,) = [each["points"] for tag, each in Text(html).elements if tag == "polyline"]
    assert len(line.split()) == 4
    (shade,) = [each["width"] for tag, each in Text(html).elements if tag == "rect"]
    assert float(shade) == float(line.split(",")[0])


KINDS = """\
name: kinds
seed: 3
duration: 3m
tasks:
  kinds:
    chat: {arrivals: {poisson: {rate: 1/s}}, work: {constant: {value: 2s}}, failure_probability: 0.1}
    batch: {arrivals: {interval: {every: 10s}}, work: {constant: {value: 5s}}}
agents: {count: 6, restart_time: 5s}
faults:
  - agent_crash: {targets: 1, at: 1m}
"""


def test_kinds_of_tasks_and_of_failures_have_tables_of_their_own():
    stored = stored_of(sim.run(scenarios.loads(KINDS)))
    told = words(page([Part(stored, ShownRun("3/0", stored.history))]))
    failures = told.partition("By kind of failure kind succeeded mean time 95th percentile")[2].partition("Timeline")[0]
    failures, _, tasks = failures.partition("Tasks by kind kind completed that wait retries recoveries succeeded")
    assert failures.startswith(" agent failure 1 of 1")
    assert "task failure" in failures
    assert "chat" not in failures
    assert tasks.startswith(" chat ")
    assert " batch 17 of 17 0 % 0 " in tasks


def written(folder, data):
    file = folder / "result.json"
    file.write_text(json.dumps(data))
    return page([Part(stored) for stored in read_stored(str(file))])


def test_no_more_tasks_are_in_service_than_there_are_slots():
    """At one instant attempts end and others start: a level between them lasts no time."""
    run = sim.run(scenarios.load("resource-failure").with_values({"duration": "7m"}))
    tracks = Tracks.of(run.record)
    curves = series(tracks, Incidents.of(tracks))
    assert max(curves["service"]["v"]) <= curves["slots"]


def test_a_curve_with_too_many_points_keeps_its_extremes():
    times = np.arange(10_000.0)
    levels = np.where(times == 4321.0, 99.0, times % 7)
    kept = thinned(times, levels, 10_000.0, 400)
    assert len(kept) <= 400
    assert 4321 in kept
    assert levels[kept].min() == 0.0
    assert (np.diff(kept) > 0).all()
