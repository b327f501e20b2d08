"""The whole bench against bare SimPy models of the same scenarios, in one run: ratios of medians of five.

    python benchmarks/bench.py [--json FILE] [--quick]

Prints one line for each figure with what must hold and the goal, and ends with status 1 if something does not hold.
"""

from __future__ import annotations

import multiprocessing
import random
import resource
import statistics
import sys
from collections.abc import Callable
from functools import partial

import simpy
from figures import ROUNDS, Row, main, ratio, seconds

import scenarios
from scenarios import Scenario
from sim.simulation import run

MILLION = 1_000_000
LOADED = """
name: mm10
duration: {duration}
tasks: {{arrivals: {{poisson: {{rate: 9/s}}}}, work: {{exponential: {{mean: 1s}}}}, count: {count}}}
agents: {{count: 10}}
"""


CRASHING = """
name: crashing
duration: {duration}
tasks: {{arrivals: {{poisson: {{rate: 6/s}}}}, work: {{exponential: {{mean: 1s}}}}, count: {count}}}
agents: {{count: 10, mtbf: 100s, restart_time: 5s}}
history: {history}
"""


def crashing(count: int, history: str = "full") -> Scenario:
    """`count` tasks through ten agents, which crash in 1 % of the attempts and are recovered."""
    return scenarios.loads(CRASHING.format(duration=1.05 * count / 6 + 100, count=count, history=history))


def loaded(count: int) -> Scenario:
    """M/M/10 at load 0.9 with `count` tasks."""
    return scenarios.loads(LOADED.format(duration=1.05 * count / 9 + 100, count=count))


def bare_queue(count: int) -> int:
    """The same queue as a plain SimPy model: what one writes on a whiteboard."""
    env, chance, waits = simpy.Environment(), random.Random(7), []
    agents = simpy.Resource(env, 10)

    def task() -> object:
        submitted = env.now
        with agents.request() as slot:
            yield slot
            waits.append(env.now - submitted)
            yield env.timeout(chance.expovariate(1.0))

    def load() -> object:
        for _ in range(count):
            yield env.timeout(chance.expovariate(9.0))
            env.process(task())

    env.process(load())
    env.run()
    return len(waits)


def bare_agent_failure(scenario: Scenario) -> int:  # noqa: C901 - one model, with a closure for each of its parts
    """The documented agent failure as a plain SimPy model: heartbeats, crash, deadline, restart; no core or history."""
    env, chance = simpy.Environment(), random.Random(7)
    detection = scenario.recovery.detection
    queue: simpy.Store = simpy.Store(env)
    last_beat = [0.0] * scenario.agents.count
    processes: list[simpy.Process] = []
    done = 0

    def load() -> object:
        while True:
            yield env.timeout(chance.expovariate(scenario.tasks.arrivals.rate))
            queue.put(chance.expovariate(1 / scenario.tasks.work.mean))

    def heart(number: int) -> object:
        yield env.timeout(chance.uniform(0, detection.heartbeat_interval))
        while True:
            if processes[number].is_alive:
                last_beat[number] = env.now
            yield env.timeout(detection.heartbeat_interval)

    def agent(number: int) -> object:
        nonlocal done
        while True:
            request = queue.get()
            work = None
            try:
                work = yield request
                yield env.timeout(work)
                done += 1
            except simpy.Interrupt:
                if work is None:
                    request.cancel()
                else:
                    env.process(recover(number, work))
                    return
                env.process(recover(number, None))
                return

    def recover(number: int, work: float | None) -> object:
        deadline = last_beat[number] + detection.missed_heartbeats * detection.heartbeat_interval
        yield env.timeout(max(0.0, deadline - env.now))
        yield env.timeout(20)
        processes[number] = env.process(agent(number))
        if work is not None:
            queue.put(work)

    def crash(at: float) -> object:
        yield env.timeout(at)
        processes[chance.randrange(len(processes))].interrupt()

    processes += [env.process(agent(number)) for number in range(scenario.agents.count)]
    for number in range(scenario.agents.count):
        env.process(heart(number))
    for fault in scenario.faults:
        if fault.at is not None:
            env.process(crash(fault.at))
    env.process(load())
    env.run(until=scenario.duration)
    return done


def growth(scenario: Callable[[int], Scenario], small: int, large: int) -> float:
    """Time per task of a large run over that of small ones, which are timed before it and after it."""

    def small_runs() -> list[float]:
        return [seconds(lambda: run(scenario(small), 7)) for _ in range(ROUNDS)]

    run(scenario(small), 7)
    before, whole, after = small_runs(), seconds(lambda: run(scenario(large), 7)), small_runs()
    return whole / large / (statistics.median(before + after) / small)


CROWDED = """
name: crowd
duration: 2000s
tasks: {{arrivals: {{poisson: {{rate: 9/s}}}}, work: {{exponential: {{mean: 1s}}}}}}
agents: {{count: {agents}}}
recovery: {{detection: {{detector: perfect}}}}
"""


def crowd(agents: int) -> Scenario:
    """The same load whatever the number of agents, none of whom beats."""
    return scenarios.loads(CROWDED.format(agents=agents))


MASS_FAILURE = """
name: mass
duration: 1000s
tasks: {{arrivals: {{burst: {{size: 1000}}}}, work: 10s}}
agents: {{count: 1, slots: 1000}}
faults: {faults}
"""


def mass_recovery() -> float:
    """CPU seconds that 1,000 tasks take which fail at once and are recovered, beyond the same run without a fault."""
    fails, works = (
        scenarios.loads(MASS_FAILURE.format(faults=faults))
        for faults in ("[{execution_failure: {targets: all, at: 5s}}]", "[]")
    )
    run(fails, 7), run(works, 7)
    return statistics.median(seconds(lambda: run(fails, 7)) - seconds(lambda: run(works, 7)) for _ in range(ROUNDS))


def _peak(scenario: Scenario, pipe: object) -> None:
    run(scenario, 7)
    pipe.send(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2)  # type: ignore[attr-defined]


def peak_gigabytes(scenario: Scenario) -> float:
    """Peak memory of a process that runs a scenario. What this one has now is a lower bound of what is measured."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_peak, args=(scenario, sender))
    process.start()
    peak: float = receiver.recv()
    process.join()
    return peak


def peaks(quick: bool) -> list[Row]:
    """Memory, measured before this process has grown itself."""
    found = [Row("100,000 tasks in one run, peak GB", peak_gigabytes(loaded(100_000)), 1, 0.5, False)]
    if not quick:
        for kept, bound, goal in (("summary", 0.5, 0.4), ("full", 1.2, 0.75)):
            name = f"{MILLION:,} tasks, 1 % crashes, {kept}, peak GB"
            found.append(Row(name, peak_gigabytes(crashing(MILLION, kept)), bound, goal, False))
    return found


def rows(quick: bool) -> list[Row]:
    """Measure everything."""
    count = 20_000
    failing = scenarios.load("agent-failure")
    found = [
        *peaks(quick),
        Row(
            "M/M/10 at load 0.9, tasks/s / bare SimPy",
            1 / ratio(lambda: run(loaded(count), 7), lambda: bare_queue(count)),
            0.25,
            0.50,
        ),
        Row(
            "agent-failure / bare SimPy model of it",
            1 / ratio(lambda: run(failing, 7), lambda: bare_agent_failure(failing)),
            0.25,
            0.50,
        ),
    ]
    for name in scenarios.names():
        scenario = scenarios.load(name)
        if scenario.extends is None and (scenario.documents is not None or name == "baseline"):
            shortest = min(seconds(partial(run, scenario, 7)) for _ in range(2))
            found.append(Row(f"{name}, seconds", shortest, 3, 1, False))
    found.append(Row("recovering 1,000 failed tasks, seconds", mass_recovery(), 1, 0.25, False))
    idle = ratio(lambda: run(crowd(10_000), 7), lambda: run(crowd(20), 7), 3)
    found.append(Row("time per task, 10,000 agents / 20, beats aside", idle, 1.3, 1.1, False))
    if not quick:
        for name, scenario_of in (("", loaded), (", 1 % crashes", crashing)):
            grown = growth(scenario_of, 10_000, MILLION)
            found.append(Row(f"time per task, {MILLION:,} / 10,000 tasks{name}", grown, 1.3, 1.05, False))
    return found


if __name__ == "__main__":
    sys.exit(main(__doc__ or "", rows))
