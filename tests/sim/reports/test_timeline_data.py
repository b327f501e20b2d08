"""The data of a timeline, from small histories."""

import numpy as np

from sim.measures.tables.event_table import Tracks
from sim.reports.timeline_data import (
    fault_labels,
    faults,
    in_line,
    in_service,
    injected,
    interesting_window,
    recoveries,
    within,
)
from tests.sim.reports.stories import agent_story, partition_story, quiet_story


def test_a_recovery_is_a_lane_with_its_phases_in_order():
    (lane,) = recoveries(agent_story())
    assert (lane.subject, lane.onset, lane.cause) == ("agent.1", 30.0, "agent crashed: agent 1")
    assert (lane.ended, lane.outcome) == (65.0, "verified")
    assert lane.stretches == (
        ("detect", 30.0, 42.0),
        ("wait", 42.0, 42.0),
        ("analyze", 42.0, 42.0),
        ("execute", 42.0, 62.0),
        ("verify", 62.0, 65.0),
    )


def test_an_open_recovery_lasts_to_the_end():
    (lane,) = recoveries(partition_story(healed=True))
    assert (lane.ended, lane.outcome, lane.stretches[-1]) == (100.0, "open", ("wait", 85.0, 100.0))


def test_faults_last_until_they_are_cleared():
    assert injected(Tracks.of(agent_story())) == [(30.0, 30.0, "agent crash: agent 1")]
    assert injected(Tracks.of(partition_story(healed=True))) == [(40.0, 60.0, "partition: agents – queue")]
    assert injected(Tracks.of(partition_story(healed=False))) == [(40.0, 100.0, "partition: agents – queue")]


def test_random_failures_are_faults():
    history = partition_story(healed=True)
    assert faults(history, recoveries(history)) == [
        (40.0, 60.0, "partition: agents – queue"),
        (85.0, 85.0, "attempt failed: task 3"),
    ]
    assert len(faults(agent_story(), recoveries(agent_story()))) == 1  # the crash is injected: recorded once


def test_simultaneous_faults_share_labels_with_decreasing_detail():
    crashes = ["agent crash: agent 1", "agent crash: agent 4"]
    assert fault_labels(crashes[:1]) == ["agent crash: agent 1"]
    assert fault_labels(crashes) == ["agent crash: agent 1, agent 4", "2 × agent crash", "2 faults"]
    assert fault_labels(["load surge", *crashes]) == [
        "load surge; agent crash: agent 1, agent 4",
        "load surge; 2 × agent crash",
        "3 faults",
    ]


def test_the_excerpt_contains_the_first_recovery():
    begin, end = interesting_window(agent_story())
    assert 10.0 <= begin < 30.0
    assert 65.0 < end <= 100.0


def test_the_excerpt_of_a_quiet_run_starts_after_the_warm_up():
    assert interesting_window(quiet_story()) == (10.0, 100.0)


def test_load_over_time():
    tracks = Tracks.of(agent_story())
    assert [column.tolist() for column in in_service(tracks)] == [[0.0, 14.0, 30.0], [0.0, 1.0, 0.0]]
    assert [column.tolist() for column in in_line(tracks)] == [[10.0, 12.0, 14.0], [0.0, 1.0, 0.0]]


def test_a_step_function_is_cut_to_the_excerpt():
    function = (np.array([0.0, 10.0, 20.0]), np.array([5.0, 6.0, 7.0]))
    assert [column.tolist() for column in within(function, 12.0, 30.0)] == [[12.0, 20.0, 30.0], [6.0, 7.0, 7.0]]
    assert [column.tolist() for column in within(function, 2.0, 4.0)] == [[2.0, 4.0], [5.0, 5.0]]
    assert [column.tolist() for column in within((np.empty(0), np.empty(0)), 2.0, 4.0)] == [[2.0, 4.0], [0.0, 0.0]]
