"""Traces follow the Trace Event Format, and show what the history has."""

import gzip
import json
from collections import defaultdict

import pytest

import scenarios
import sim
from sim.history import Event, History
from sim.reports.trace.history_trace import trace_of
from sim.reports.trace.trace_events import TraceEvents, microseconds
from sim.reports.trace.trace_file import write_trace
from tests.sim.reports.stories import agent_story
from tests.sim.test_results import SCENARIO

REQUIRED = {
    "X": {"dur"},
    "i": {"s"},
    "C": {"args"},
    "b": {"cat", "id"},
    "e": {"cat", "id"},
    "s": {"cat", "id"},
    "t": {"cat", "id", "bp"},
    "f": {"cat", "id", "bp"},
    "M": {"args"},
}
"""The fields of each phase beside those of all: name, ph, pid, tid, ts."""


def objections(trace):
    """What contradicts the format's description."""
    events = trace["traceEvents"]
    found = [f"{event}: lacks fields" for event in events if not _required(event) <= event.keys()]
    found += [f"{event}: times are whole microseconds" for event in events if not _whole(event)]
    times = [event["ts"] for event in events if event["ph"] != "M"]
    found += ["not in order of time"] if times != sorted(times) else []
    named = {(event["name"], event["pid"], event["tid"]) for event in events if event["ph"] == "M"}
    for event in events:
        if ("process_name", event["pid"], 0) not in named:
            found.append(f"{event}: its process has no name")
        if event["tid"] and ("thread_name", event["pid"], event["tid"]) not in named:
            found.append(f"{event}: its track has no name")
        if event["ph"] == "C" and not all(isinstance(value, float | int) for value in event["args"].values()):
            found.append(f"{event}: a counter has numbers")
    return [*found, *_slices(events), *_flows(events), *_asynchronous(events)]


def _required(event):
    return {"name", "ph", "pid", "tid", "ts", *REQUIRED[event["ph"]]}


def _whole(event):
    return all(isinstance(event.get(name, 0), int) and event.get(name, 0) >= 0 for name in ("ts", "dur"))


def _slices(events):
    """Slices of one track nest: each is within those that are open, or begins after they end."""
    open_slices = defaultdict(list)
    for event in events:
        if event["ph"] != "X":
            continue
        stack = open_slices[event["pid"], event["tid"]]
        end = event["ts"] + event["dur"]
        while stack and stack[-1] <= event["ts"]:
            stack.pop()
        if stack and end > stack[-1]:
            yield f"{event}: overlaps the slice that it begins in"
        stack.append(end)


def _flows(events):
    by_id = defaultdict(list)
    open_until = defaultdict(int)
    for event in events:
        track = event["pid"], event["tid"]
        if event["ph"] == "X":
            open_until[track] = max(open_until[track], event["ts"] + event["dur"])
        elif event["ph"] in "stf":
            by_id[event["cat"], event["id"]].append(event["ph"])
            if open_until[track] <= event["ts"]:
                yield f"{event}: no slice is open there"
    for key, stations in by_id.items():
        if stations != ["s", *["t"] * (len(stations) - 2), "f"]:
            yield f"flow {key} has {stations}"


def _asynchronous(events):
    pairs = defaultdict(list)
    for event in events:
        if event["ph"] in "be":
            pairs[event["pid"], event["cat"], event["id"]].append(event["ph"])
    return [f"{key} has {pair}" for key, pair in pairs.items() if pair != ["b", "e"]]


def names(trace, pid_name, phase="X"):
    pids = {e["pid"] for e in trace["traceEvents"] if e["name"] == "process_name" and e["args"]["name"] == pid_name}
    return [event for event in trace["traceEvents"] if event["ph"] == phase and event["pid"] in pids]


@pytest.fixture(scope="module")
def run():
    return sim.run(scenarios.loads(SCENARIO))


@pytest.fixture(scope="module")
def trace(run):
    return trace_of(run.record)


def test_a_trace_follows_the_format(trace):
    assert objections(trace) == []
    assert {event["ph"] for event in trace["traceEvents"]} == set(REQUIRED)


def test_the_slices_of_a_trace_are_those_of_the_run(trace, run):
    recoveries = [event for event in names(trace, "recoveries") if "outcome" in event.get("args", {})]
    verified = [event for event in recoveries if event["args"]["outcome"] == "verified"]
    assert len(recoveries) == run.metrics["recovery.count"]
    longest = max(event["dur"] for event in verified)
    assert longest == pytest.approx(microseconds(run.metrics["recovery.time.max"]), abs=2)
    attempts = [event for event in names(trace, "agents") if event["name"].startswith("task ")]
    assert len(attempts) == run.metrics["attempts.started"]


def test_arrows_lead_from_each_fault_over_detection_and_recovery_to_the_retry():
    history = agent_story()
    history._env._now = 70.0
    history.record(Event.ATTEMPT_STARTED, task=0, agent=0, epoch=2, value=0.0)
    trace = trace_of(history)
    assert objections(trace) == []
    threads = {e["tid"]: e["args"]["name"] for e in trace["traceEvents"] if e["name"] == "thread_name"}
    flow = [(event["ph"], threads[event["tid"]], event["ts"]) for event in trace["traceEvents"] if event["ph"] in "stf"]
    assert flow == [
        ("s", "injected", 30_000_000),
        ("t", "detections", 42_000_000),
        ("t", "recovery", 42_000_000),
        ("f", "agent 0", 70_000_000),
    ]


def test_a_window_leaves_no_half_of_a_pair(run):
    part = trace_of(run.record, (50.0, 80.0))
    assert objections(part) == []
    spans = [(e["ts"], e["ts"] + e.get("dur", 0)) for e in part["traceEvents"] if e["ph"] != "M"]
    assert spans
    assert all(begin <= 80e6 and end >= 50e6 for begin, end in spans)


def test_the_check_finds_what_contradicts_the_format():
    trace = TraceEvents()
    track = trace.track("p", "t")
    trace.slice(track, "a", 0, 10)
    trace.slice(track, "b", 5, 15)
    trace.flow("f", [(track, 1), (track, 20)])
    found = objections({"traceEvents": trace.events()})
    assert [text.rpartition(": ")[2] for text in found] == [
        "overlaps the slice that it begins in",
        "no slice is open there",
    ]
    assert objections({"traceEvents": [{"ph": "X", "name": "a", "pid": 1, "tid": 0, "ts": 0.5, "dur": 1}]}) != []


def test_files_are_compressed_and_equal_for_equal_histories(trace, run, tmp_path):
    again = History.from_parts(*run.record.parts())
    for name, each in (("a.json.gz", trace), ("b.json.gz", trace_of(again))):
        write_trace(each, tmp_path / name, compressed=True)
    assert (tmp_path / "a.json.gz").read_bytes() == (tmp_path / "b.json.gz").read_bytes()
    assert (tmp_path / "a.json.gz").read_bytes()[4:8] == bytes(4)  # the time of the compression
    assert json.loads(gzip.decompress((tmp_path / "a.json.gz").read_bytes())) == trace
    write_trace(trace, tmp_path / "c.json", compressed=False)
    assert json.loads((tmp_path / "c.json").read_text(encoding="utf-8")) == trace
