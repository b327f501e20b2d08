"""At most one leader among several cores, despite clock drift and a slow store."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recovery.leadership import Candidate, Lease, LeaseConfig, MemoryLeases
from sim.loop import SimLoop
from sim.loop.machine import Machine

CONFIG = LeaseConfig(duration=10, renew_every=2, drift=1.25)


class Reached:
    """Leases in a store that a core reaches: after a while, or not at all for a time."""

    def __init__(self, leases: MemoryLeases, there: float = 0.0, back: float = 0.0) -> None:
        self._leases = leases
        self.there, self.back = there, back
        self.cut_off = False

    async def _reach(self, seconds):
        if self.cut_off:
            raise OSError("unreachable")
        if seconds:
            await asyncio.sleep(seconds)

    async def look(self, name):
        await self._reach(self.there)
        found = await self._leases.look(name)
        await self._reach(self.back)
        return found

    async def change(self, seen, to):
        await self._reach(self.there)
        changed = await self._leases.change(seen, to)
        await self._reach(self.back)
        return changed


@dataclass
class Core:
    """A candidate on its own machine, with a clock that may run at another rate."""

    world: World
    name: str
    rate: float = 1.0
    there: float = 0.0
    back: float = 0.0
    takes_to_stop: float = 0.0

    def __post_init__(self):
        self.leases = Reached(self.world.leases, self.there, self.back)
        self.machine = Machine(self.world.loop)
        offset = 1000.0 * len(self.name)  # what it shows is of no matter
        candidate = Candidate(
            self.leases,
            "leader",
            self.name,
            CONFIG,
            self.lead,
            clock=lambda: offset + self.rate * self.world.loop.time(),
            sleep=lambda seconds: asyncio.sleep(seconds / self.rate),
        )
        self.running = self.machine.run(self.world.loop.create_task, candidate.run())

    async def lead(self, lease):
        loop = self.world.loop
        term = [lease.epoch, self.name, loop.time(), None]
        self.world.terms.append(term)
        try:
            await loop.create_future()
        finally:
            if self.takes_to_stop:
                await asyncio.sleep(self.takes_to_stop)
            term[3] = loop.time()

    def crash(self):
        self.machine.cut_power()
        for term in self.world.terms:
            if term[1] == self.name and term[3] is None:
                term[3] = self.world.loop.time()


class World:
    """A store of leases, and the periods of leadership."""

    def __init__(self):
        self.loop = SimLoop()
        self.leases = MemoryLeases()
        self.terms = []

    def until(self, seconds):
        self.loop.env.run(until=seconds)


@pytest.fixture
def world():
    made = World()
    yield made
    made.loop.abandon()


def test_the_first_candidate_leads_and_the_others_wait(world):
    Core(world, "a")
    world.until(1)
    Core(world, "b")
    world.until(100)
    assert world.terms == [[1, "a", 0.0, None]]


def test_a_standby_leads_when_the_lease_of_a_dead_leader_expires(world):
    """Last renewed at 4 s, which is seen at 5 s; the lease expires ten seconds later."""
    leader = Core(world, "a")
    world.until(1)
    Core(world, "b")
    world.until(5.5)
    leader.crash()
    world.until(100)
    assert world.terms == [[1, "a", 0.0, 5.5], [2, "b", 15.0, None]]


def test_a_stopped_leader_releases_its_lease(world):
    leader = Core(world, "a")
    world.until(1)
    Core(world, "b")
    world.until(5.5)
    leader.running.cancel()
    world.until(100)
    assert world.terms == [[1, "a", 0.0, 5.5], [2, "b", 7.0, None]]


def test_a_leader_releases_its_lease_only_after_it_has_stopped(world):
    leader = Core(world, "a", takes_to_stop=3)
    world.until(1)
    Core(world, "b")
    world.until(5.5)
    leader.running.cancel()
    world.until(100)
    assert world.terms == [[1, "a", 0.0, 8.5], [2, "b", 9.0, None]]


def test_a_leader_without_store_access_stops_before_another_leads(world):
    """It requested its last renewal at 4 s and holds the lease for 8 s; the standby waits for 10 s from 5 s on."""
    leader = Core(world, "a")
    world.until(1)
    Core(world, "b")
    world.until(5)
    leader.leases.cut_off = True
    world.until(30)
    leader.leases.cut_off = False
    world.until(100)
    assert world.terms == [[1, "a", 0.0, 12.0], [2, "b", 15.0, None]]


def test_a_store_outage_shorter_than_the_lease_keeps_the_leader(world):
    leader = Core(world, "a")
    world.until(1)
    Core(world, "b")
    for begin in range(5, 100, 12):
        world.until(begin)
        leader.leases.cut_off = True
        world.until(begin + 5)
        leader.leases.cut_off = False
    assert world.terms == [[1, "a", 0.0, None]]


def test_a_store_that_never_responds_keeps_no_leader(world):
    """It does not block another leader either: pending requests are not awaited any longer."""
    leader = Core(world, "a")
    world.until(1)
    leader.leases.there = 1e6
    world.until(7.5)
    leader.leases.there = 0
    world.until(100)
    assert world.terms == [[1, "a", 0.0, 8.0], [2, "a", 18.0, None]]


def test_a_lease_starts_at_the_request_and_not_at_the_response(world):
    """Renewed at 9 s, confirmed at 12 s: it leads until 17 s, because the standby leads from 19.05 s on."""
    leader = Core(world, "a", back=3.0)
    world.until(7.05)
    Core(world, "b")
    world.until(10)
    leader.leases.cut_off = True
    world.until(100)
    assert world.terms == [[1, "a", 6.0, 17.0], [2, "b", pytest.approx(19.05), None]]


RATES = st.sampled_from([1.0, 1.1, 1.25])
DELAYS = st.sampled_from([0.0, 0.5, 1.5])  # an answer that takes half of the time that a lease is held comes too late
TROUBLES = st.lists(
    st.tuples(st.sampled_from(["cut", "heal", "crash"]), st.integers(0, 2), st.integers(1, 15)), max_size=12
)


@given(st.lists(st.tuples(RATES, DELAYS, DELAYS), min_size=3, max_size=3), TROUBLES)
def test_there_is_one_leader_while_clock_drift_is_within_its_bound(cores, troubles):
    world = World()
    alive = [Core(world, "abc"[number], *settings) for number, settings in enumerate(cores)]
    now = 0
    for what, number, later in troubles:
        now += later
        world.until(now)
        if what == "crash" and alive[number].machine.has_power:
            alive[number].crash()
            alive[number] = Core(world, alive[number].name + "'", *cores[number])
        alive[number].leases.cut_off = what == "cut"
    for core in alive:
        core.leases.cut_off = False
    world.until(now + 100)
    terms = [(epoch, begin, end) for epoch, _, begin, end in world.terms]
    world.loop.abandon()
    assert terms[-1][2] is None  # there is a leader at the end
    for (epoch, _, end), (next_epoch, begin, _) in pairwise(terms):
        assert next_epoch > epoch
        assert end is not None
        assert end <= begin


def test_a_clock_faster_than_the_bound_allows_two_leaders(world):
    """The bound is necessary: a candidate with a clock twice as fast waits for 5 s instead of 10 s."""
    leader = Core(world, "a")
    world.until(1)
    Core(world, "b", rate=2.0)
    world.until(5)
    leader.leases.cut_off = True
    world.until(50)
    (_, _, _, end), (_, _, begin, _) = world.terms
    assert begin < end


# ------------------------------------------------------------------------------------------------------ leases, config
def test_a_lease_changes_by_compare_and_swap():
    async def story():
        leases = MemoryLeases()
        mine = Lease("leader", "a", 1)
        assert await leases.look("leader") is None
        assert await leases.change(None, mine)
        assert not await leases.change(None, Lease("leader", "b", 1))
        assert await leases.change(mine, replace(mine, renewals=1))
        assert not await leases.change(mine, Lease("leader", "b", 2))
        assert await leases.look("leader") == replace(mine, renewals=1)

    asyncio.run(story())


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"renew_every": 12}, "renew_every: the lease would expire before; valid: less than 12 s"),
        ({"duration": 0}, "duration"),
        ({"drift": 0.9}, "drift"),
    ],
)
def test_an_invalid_lease_is_rejected(wrong, message):
    with pytest.raises(ValueError, match=message):
        LeaseConfig(**wrong)


class Prompt(MemoryLeases):
    """Leases that answer renewals without a wait, while they can; `asked` are the renewals that had to wait."""

    def __init__(self, answer):
        super().__init__()
        self.answer = answer
        self.asked = []

    def change_now(self, seen, to):
        return self.answer(lambda: self.replaced(seen, to), to.renewals)

    async def change(self, seen, to):
        if to.renewals and to.holder:
            self.asked.append(to.renewals)
        return await super().change(seen, to)


def raises(renew, number):
    raise OSError("unreachable")


@pytest.mark.parametrize(
    ("answer", "asked", "ended"),
    [
        (lambda renew, number: renew(), [], 19),
        (lambda renew, number: None if number == 3 else renew(), [3], 19),
        (lambda renew, number: False, [], 8),
        (raises, [], 8),
    ],
    ids=["always", "not the third", "refuses", "raises"],
)
def test_a_store_can_answer_renewals_without_a_wait(answer, asked, ended):
    leases, loop, terms = Prompt(answer), SimLoop(), []

    async def lead(lease):
        terms.append([loop.time(), None])
        try:
            await loop.create_future()
        finally:
            terms[-1][1] = loop.time()

    async def main():
        candidate = asyncio.ensure_future(Candidate(leases, "core", "a", CONFIG, lead).run())
        await asyncio.sleep(19)
        found = await leases.look("core")
        candidate.cancel()
        await asyncio.wait([candidate])
        return found

    found = loop.run_until_complete(main())
    loop.close()
    assert terms[0] == [0, ended]
    assert leases.asked == asked
    assert found.renewals == (9 if ended == 19 else 0)
