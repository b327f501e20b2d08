"""Detectors of silent agents: suspicions and their times."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recovery.detection.agent_detectors import DeadlineDetector, FixedTimeout, PerfectDetector, PhiAccrualTimeout
from sim.loop import SimLoop, run


def watched(beats, until=100.0, interval=5.0, missed=3, poll=None, began=0.0, observed=None, restarts=(), latency=0.0):
    """The reports of a detector about an agent with heartbeats at these times: `(time, word)`.

    `observed` takes the present time, and returns until when heartbeats were read; timeouts begin anew at `restarts`.
    """
    alarms = []

    async def story():
        loop = asyncio.get_running_loop()
        await asyncio.sleep(began)
        detector = DeadlineDetector(
            FixedTimeout(interval, missed),
            lambda agent: alarms.append((loop.time(), f"{agent} suspected")),
            lambda agent: alarms.append((loop.time(), f"{agent} cleared")),
            loop,
            poll,
            None if observed is None else lambda: observed(loop.time()),
            latency,
        )
        detector.watch("a")
        for at in restarts:
            loop.call_at(at, detector.extend_timeouts)
        for at in beats:
            loop.call_at(at, detector.beat, "a")
        await asyncio.sleep(until - began)
        detector.stop()

    run(story())
    return alarms


def test_an_agent_is_suspected_three_intervals_after_its_last_heartbeat():
    assert watched([5.0, 10.0, 12.0]) == [(27.0, "a suspected")]


def test_an_agent_without_heartbeats_is_suspected_relative_to_the_watch_start():
    assert watched([], began=2.0) == [(17.0, "a suspected")]


def test_a_heartbeat_exactly_at_the_deadline_is_in_time():
    assert watched([15.0, 30.0, 45.0], until=59.0) == []


def test_a_heartbeat_just_after_the_deadline_is_late():
    assert watched([15.5], until=20.0) == [(15.0, "a suspected"), (15.5, "a cleared")]


def test_a_heartbeat_clears_the_suspicion_and_monitoring_continues():
    assert watched([20.0], until=50.0) == [(15.0, "a suspected"), (20.0, "a cleared"), (35.0, "a suspected")]


def test_an_agent_is_not_suspected_before_its_heartbeats_up_to_the_deadline_were_read():
    """A core that was stopped from 10 to 40 s reads what was sent meanwhile."""

    def observed(now):
        return now if now < 10.0 or now >= 40.0 else 10.0

    assert watched([5.0, 40.0, 45.0], until=59.0, observed=observed) == []
    suspected = watched([5.0], until=59.0, observed=observed)
    assert suspected == [(pytest.approx(40.0, abs=0.02), "a suspected")]
    assert watched([5.0], observed=lambda now: now) == [(20.0, "a suspected")]


def test_timeouts_that_begin_anew_count_from_then():
    assert watched([5.0], restarts=[12.0]) == [(27.0, "a suspected")]
    assert watched([5.0], until=60.0, restarts=[12.0, 24.0, 36.0, 48.0]) == []
    assert watched([], restarts=[30.0]) == [(15.0, "a suspected")]


def test_a_timeout_is_extended_by_the_time_in_which_heartbeats_were_not_read_and_to_a_new_one_at_most():
    alarms = []

    async def story():
        loop = asyncio.get_running_loop()
        detector = DeadlineDetector(FixedTimeout(5.0, 3), lambda agent: alarms.append(loop.time()), alarms.append, loop)
        detector.watch("a")
        loop.call_at(4.0, detector.extend_timeouts, 1.5)
        loop.call_at(10.0, detector.extend_timeouts, 1.5)
        loop.call_at(12.0, detector.extend_timeouts, 100.0)
        await asyncio.sleep(40.0)
        detector.stop()

    run(story())
    assert alarms == [27.0]


def test_an_interval_in_which_heartbeats_were_not_read_is_no_part_of_the_statistics():
    timeout = PhiAccrualTimeout(5.0, 8.0, 100, 0.5, 0.0)
    alarms = []

    async def story():
        loop = asyncio.get_running_loop()
        detector = DeadlineDetector(timeout, alarms.append, alarms.append, loop)
        detector.watch("a")
        for at in (5.0, 10.0, 15.0, 1015.0, 1020.0):
            loop.call_at(at, detector.beat, "a")
        loop.call_at(16.0, detector.extend_timeouts)
        await asyncio.sleep(16.5)
        before = timeout.of("a")
        detector.stop()
        await asyncio.sleep(1010.0)
        assert timeout.of("a") < 2 * before

    run(story())


@pytest.mark.parametrize(
    ("beats", "suspected"),
    [([], 35.0), ([5.0], 20.0), ([34.0], 49.0), ([2.0, 4.0], 19.0)],
)
def test_only_the_first_heartbeat_may_be_late_by_the_latency(beats, suspected):
    assert watched(beats, latency=20.0) == [(suspected, "a suspected")]


def test_an_agent_is_suspected_only_once():
    assert watched([], until=1000.0) == [(15.0, "a suspected")]


def test_a_polling_detector_checks_only_at_multiples_of_the_interval():
    assert watched([5.0, 9.0], poll=10.0) == [(30.0, "a suspected")]  # due at 24


def test_polls_count_from_the_start_of_the_detector():
    assert watched([], poll=10.0, began=3.0) == [(23.0, "a suspected")]  # due at 18


def test_a_heartbeat_older_than_the_deadline_does_not_clear_at_the_next_poll():
    assert watched([1.0, 5.0], poll=60.0, until=200.0) == [(60.0, "a suspected")]


def test_a_poll_exactly_at_the_deadline_suspects():
    assert watched([], poll=5.0) == [(15.0, "a suspected")]


@given(st.lists(st.integers(1, 400), max_size=8), st.sampled_from([0.1, 0.3, 0.7, 1.1]))
def test_polling_terminates_despite_rounding(tenths, poll):
    """Sums of tenths miss the multiples of a poll by a hair, on either side."""
    beats = [sum([0.1] * count) for count in sorted(tenths)]
    alarms = watched(beats, poll=poll, interval=0.1, missed=3, until=60.0)
    last = max(beats, default=0.0)
    assert alarms[-1][1] == "a suspected"
    assert last + 0.3 - 1e-6 <= alarms[-1][0] <= last + 0.3 + poll + 1e-6


def test_suspects_are_listed():
    async def story():
        loop = asyncio.get_running_loop()
        detector = DeadlineDetector(FixedTimeout(1.0, 2), lambda _: None, lambda _: None, loop)
        detector.watch("a")
        detector.watch("b")
        loop.call_at(1.5, detector.beat, "b")
        await asyncio.sleep(3.0)
        found = detector.suspects("a"), detector.suspects("b"), detector.suspects("c")
        detector.beat("a")
        return found, detector.suspects("a")

    assert run(story()) == ((True, False, False), False)


def suspected_before(*beats_and_watches):
    """The reports about an agent that an earlier detector suspected; `watch` and `beat` are called at their times."""
    alarms = []

    async def story():
        loop = asyncio.get_running_loop()

        def tell(words):
            return lambda agent: alarms.append((loop.time(), words % agent))

        detector = DeadlineDetector(FixedTimeout(1.0, 2), tell("%s"), tell("not %s"), loop)
        detector.suspected_before("a")
        for at, what in beats_and_watches:
            loop.call_at(at, getattr(detector, what), "a")
        await asyncio.sleep(10.0)
        detector.stop()

    run(story())
    return alarms


def test_a_persisted_suspect_is_cleared_when_it_responds():
    assert suspected_before((1.0, "watch")) == []
    assert suspected_before((1.0, "watch"), (3.0, "beat")) == [(3.0, "not a"), (5.0, "a")]


def test_a_cleared_persisted_suspect_is_monitored_normally():
    assert suspected_before((1.0, "beat"), (2.0, "watch")) == [(1.0, "not a"), (4.0, "a")]


def test_watching_a_suspect_again_clears_it():
    alarms = []

    async def story():
        detector = DeadlineDetector(
            FixedTimeout(1.0, 2), alarms.append, lambda agent: alarms.append(f"not {agent}"), loop
        )
        detector.watch("a")
        await asyncio.sleep(3.0)
        detector.watch("a")
        await asyncio.sleep(1.0)
        detector.stop()

    loop = SimLoop()
    loop.run_until_complete(story())
    loop.close()
    assert alarms == ["a", "not a"]


def test_a_stopped_detector_ignores_heartbeats():
    alarms = []

    async def story():
        loop = asyncio.get_running_loop()
        detector = DeadlineDetector(FixedTimeout(1.0, 2), alarms.append, alarms.append, loop)
        detector.watch("a")
        detector.watch("b")
        await asyncio.sleep(1.0)
        detector.beat("b")
        await asyncio.sleep(1.5)  # a is suspected, b is not
        detector.stop()
        detector.beat("a")
        await asyncio.sleep(100.0)

    run(story())
    assert alarms == ["a"]


def test_a_heartbeat_creates_no_timer():
    loop = SimLoop()
    detector = DeadlineDetector(FixedTimeout(5.0, 3), lambda _: None, lambda _: None, loop)
    detector.watch("a")
    before = len(loop.env._queue)
    for _ in range(1000):
        detector.beat("a")
    assert len(loop.env._queue) == before
    loop.close()


def test_the_perfect_detector_reports_immediately_and_once():
    alarms = []
    detector = PerfectDetector(alarms.append, lambda agent: alarms.append(f"not {agent}"))
    detector.watch("a")
    detector.beat("a")
    detector.down("a")
    detector.down("a")
    assert detector.suspects("a")
    detector.beat("a")
    detector.beat("a")
    assert alarms == ["a", "not a"]
    assert not detector.suspects("a")
    detector.down("a")
    assert alarms == ["a", "not a", "a"]


@pytest.mark.parametrize("missed", [1, 2, 7])
def test_timeout_is_interval_times_missed_heartbeats(missed):
    assert watched([], interval=2.5, missed=missed) == [(2.5 * missed, "a suspected")]
