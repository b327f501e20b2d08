"""The live view: what it shows at a moment, in terminals of any size, and its recording."""

import io
import re
from xml.etree import ElementTree as ET

import pytest
from rich.cells import cell_len
from rich.console import Console

import scenarios
import sim
from sim.history import Event, History
from sim.measures.outcomes import Outcome
from sim.reports.live.frame import Frame, Verdict
from sim.reports.live.moment import Replay
from sim.reports.live.recording import recording
from tests.sim.cli.small import SMALL

GOOD = Verdict((Outcome("tasks.lost == 0", 0.0, True, 0, 1),), 0, 0)


@pytest.fixture(scope="module")
def replay():
    return Replay(sim.run(scenarios.loads(SMALL % "35s")).record)


def printed(frame, width=78, height=24, encoding="utf-8"):
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="replace", write_through=True)
    Console(file=file, width=width, height=height, _environ={}).print(frame)
    return file.buffer.getvalue().decode(encoding)


def without_bars(text):
    return [re.sub(r"  +", "  ", re.sub(r"[▁▂▃▄▅▆▇━─]+", "…", line)).rstrip() for line in text.splitlines()]


def test_a_crash_is_shown_as_it_is_recovered(replay):
    assert without_bars(printed(Frame(replay, 80.0, 0.0, 240.0, 4.0))) == [
        "small  seed 7/0  01:20.0 of 04:00.0  4 s/s",
        "…▼…",
        "agents  9 of 10 agents up  ○ 3 idle  ● 6 busy  ✗ 1 crashed",
        "  ●○●●✗○●●○●",
        "tasks  166 submitted, 160 completed",
        "in service  … 6",
        "queue  0",
        "recoveries  1 opened, 1 under way",
        "  agent 4, agent failure  ░░░░░░░░░░░░░░… 20.0 s …",
        "  ░░ detect  … execute",
        "events  01:00.0  fault injected: agent crash: agent 4",
        "  01:00.0  agent crashed: agent 4",
        "  01:14.3  agent suspected: agent 4",
        "  01:14.3  recovery opened: agent 4 (agent failure)",
    ]


def test_the_last_frame_has_the_verdict(replay):
    bad = Verdict((*GOOD.expectations, Outcome("recovery.time.max <= 1s", 34.1, False, 1, 1)), 2, 0)
    assert "\nverdict     ✓ 1 of 1 as expected" in printed(Frame(replay, 240.0, 0.0, 240.0, 4.0, GOOD))
    last = printed(Frame(replay, 240.0, 0.0, 240.0, 4.0, bad))
    assert "\nverdict     ✗ 1 of 2 as expected, 2 violated invariants\n            ✗ recovery.time.max <= 1s" in last
    assert "agent 4, agent failure" in last


def hostile():
    name = "\x1b]0;x\x07\u202e<b>[red]名" * 30
    events = [{"time": 0.0, "event": Event.TASK_SUBMITTED, "task": 1}]
    events += [{"time": 1.0, "event": Event.AGENT_CRASHED, "agent": agent} for agent in range(0, 5000, 700)]
    events += [{"time": 1.0, "event": Event.RESOURCE_ALLOCATED, "about": name, "value": 2.0}]
    events += [{"time": 1.0, "event": Event.FAULT_INJECTED, "about": name, "detail": "agent_slow"} for _ in range(9)]
    for number in range(300):
        opened = {"time": 2.0, "event": Event.RECOVERY_OPENED, "about": name, "detail": "queue", "incident": number}
        events += [opened, {**opened, "time": 3.0, "event": Event.RECOVERY_STARTED}]
    pools = {f"{name}{number}": 3 for number in range(20)}
    meta = {"scenario": name, "seed": "7/0", "duration": 10.0, "agents": 5000, "resources": pools}
    return Replay(History.of(events, meta))


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_any_terminal_has_room_and_names_change_nothing(encoding):
    replay = hostile()
    for width, height in ((20, 5), (40, 12), (80, 24), (200, 60)):
        for frame in (Frame(replay, time, 0.0, 10.0, 1.0) for time in (0.0, 1.0, 10.0)):
            text = printed(frame, width, height, encoding)
            lines = text.splitlines()
            assert len(lines) < height
            assert max(map(cell_len, lines)) <= width
            assert not set(text) & {"\x1b", "\x07", "\u202e"}
    assert "4,992 of 5,000 agents up" in printed(Frame(replay, 5.0, 0.0, 10.0, 1.0), 80, 24)


def test_a_recording_is_one_picture_that_loads_nothing_and_is_the_same_each_time(replay):
    frames = [Frame(replay, time, 0.0, 240.0, 4.0, GOOD if time == 240.0 else None) for time in (0.0, 80.0, 240.0)]
    picture = recording(frames, '<title> & "quotes"')
    assert picture == recording(frames, '<title> & "quotes"')
    root = ET.fromstring(picture)
    assert root[0].text == '<title> & "quotes"'
    assert [group.get("class") for group in root[-1]] == ["frame", "frame", "frame last"]
    assert "http" not in picture.replace('xmlns="http://www.w3.org/2000/svg"', "")
    used = {*re.findall(r'class="(s\d+)"', picture)}
    assert used
    assert used == {*re.findall(r"^\.(s\d+) \{", picture, re.MULTILINE)}
