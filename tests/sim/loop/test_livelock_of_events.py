"""SimPy events that cause each other without end at one instant are a livelock, as callbacks are."""

import asyncio

import pytest

from sim.loop import Livelock, SimLoop, VirtualEnvironment, environment, run

MOST = 1000


@pytest.fixture
def env(monkeypatch):
    monkeypatch.setattr(environment, "_BATCH", 100)
    made = VirtualEnvironment()
    made.max_events = MOST
    return made


def spins(env):
    while True:
        yield env.timeout(0)


def test_a_process_that_loops_on_a_timeout_of_zero_is_named(env):
    def starts():
        yield env.timeout(2)
        yield from spins(env)

    env.process(starts())
    with pytest.raises(
        Livelock, match=r"more than 1000 events at 2 s .*\n  process starts at .*test_livelock_of_e"
    ) as found:
        env.run(until=5)
    assert "0x" not in str(found.value)


def test_a_process_is_named_although_coroutines_wait(env):
    loop = SimLoop(env)
    env.process(spins(env))
    with pytest.raises(Livelock, match="process spins"):
        loop.run_until_complete(asyncio.sleep(1))
    loop.abandon()


def test_a_run_may_go_on_after_a_livelock(env):
    left = [5 * MOST]

    def ends():
        while left[0]:
            left[0] -= 1
            yield env.timeout(0)

    env.process(ends())
    with pytest.raises(Livelock):
        env.run()
    with pytest.raises(Livelock):
        env.run()
    env.max_events = 10 * MOST
    env.run()
    assert left == [0]


def test_many_events_of_many_processes_at_one_instant_are_no_livelock(env):
    def works():
        for delay in (0, 0, 0, 1):
            yield env.timeout(delay)

    for _ in range(5 * MOST):
        env.process(works())
    env.run()
    assert env.now == 1


def test_events_over_time_are_no_livelock(env):
    def ticks():
        for _ in range(5 * MOST):
            yield env.timeout(0.001)

    env.process(ticks())
    env.run()
    assert env.now == pytest.approx(5)


def test_events_are_numbered_as_in_simpy(env):
    assert [next(env._eid) for _ in range(1000)] == list(range(1000))


def test_run_does_not_repeat_a_livelock_when_it_ends(monkeypatch):
    """Cancelled, the coroutine would spin on: its second livelock would take as long as the first."""
    monkeypatch.setattr(SimLoop, "max_callbacks", MOST)
    laps = []

    async def spins_on():
        while True:
            try:
                laps.append(1)
                await asyncio.sleep(0)
            except asyncio.CancelledError:
                pass

    with pytest.raises(Livelock, match="spins_on"):
        run(spins_on())
    assert len(laps) <= MOST + 2
