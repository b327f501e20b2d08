"""The offered load of a scenario: the share of the service capacity that its tasks ask for, retries included.

ρ = λ · E[S] / c with the arrival rate λ, the mean slot time E[S] of a task over all of its attempts, and the mean
number c of slots that are up (Kleinrock, *Queueing Systems* 1, section 2.1). From ρ = 1 on, an unlimited queue grows
for as long as the tasks arrive.

All parts are means in closed form. What has none is left out or bounded from below, so that the load is never stated
too high: retries that a deadline, a time limit of tries or a refusing circuit breaker can prevent, retries of clients
after a timeout, waits for resources, injected faults, and recoveries' own durations.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import expm1, floor, inf

import numpy as np

from scenarios.fields.distributions import AnyDistribution, Exponential
from scenarios.schema import ScenarioFields
from scenarios.sections.arrivals import Diurnal, Interval, Poisson, Trace
from scenarios.sections.policies import Policy
from scenarios.sections.tasks import TaskSettings
from scenarios.task_views import any_task, views

AGENTS = "agents"
EXECUTION_ERROR = "execution_error"
"""Error code of an attempt that fails by `tasks.failure_probability`."""
ROUNDING = 1e-9
DRAWS = 1 << 14
"""Draws of the bounded expectations that have no closed form; their generator is fixed."""
MOST_KINDS = 8
"""Kinds of tasks up to which every set of them is examined."""
TERMS = 10_000
"""Largest number of retries whose delays are added up."""


@dataclass(frozen=True, slots=True)
class Servers:
    """What serves tasks: `agents`, or the pool `resources.NAME`.

    `size` of them serve `each` tasks at once, in the mean. `path` is the key of their number, which is `size * step`.
    """

    name: str
    size: int
    each: float
    path: str
    step: int = 1
    others: int = 0  # of them, those that `path` does not count

    @property
    def at_once(self) -> float:
        """Mean number of tasks that can be served at once."""
        return self.size * self.each


@dataclass(frozen=True, slots=True)
class OfferedLoad:
    """The load on the bottleneck of a scenario.

    `rate` is in tasks/s. `attempts` is the mean number of attempts of a task, and `seconds` the mean time for which it
    occupies the bottleneck, over all attempts. `availability` is the share of time in which an agent is up. `limits`
    names the keys that keep the queue finite at any load.
    """

    rate: float
    attempts: float
    seconds: float
    bottleneck: Servers
    availability: float
    limits: tuple[str, ...]

    @property
    def load(self) -> float:
        """Requested service per available service: from 1 on, the bottleneck cannot keep up."""
        asked, served = self.rate * self.seconds, self.bottleneck.at_once
        return asked / served if served else inf

    @property
    def is_overloaded(self) -> bool:
        """Whether the load is 1 or more, limited or not."""
        return self.load >= 1 - ROUNDING

    @property
    def grows(self) -> bool:
        """Whether the queue grows for as long as tasks arrive: overloaded, and nothing limits it."""
        return self.is_overloaded and not self.limits

    @property
    def remedy(self) -> str | None:
        """The smallest bottleneck with a load below 1, such as `agents.count=3`; None: no size is enough."""
        if self.load == inf:
            return None
        size = floor(self.load * self.bottleneck.size + ROUNDING) + 1
        return f"{self.bottleneck.path}={(size - self.bottleneck.others) * self.bottleneck.step}"

    def in_words(self) -> str:
        """The calculation, such as `2.4 tasks/s × 1.1 s (1.1 attempts per task) on 2 agents: a load of 132 %`."""
        attempts = "" if abs(self.attempts - 1) < 0.005 else f" ({self.attempts:.3g} attempts per task)"
        seconds = "an infinite time" if self.seconds == inf else f"{self.seconds:.3g} s"
        load = "an infinite load" if self.load == inf else f"a load of {100 * self.load:.4g} %"
        return f"{self.rate:.3g} tasks/s × {seconds}{attempts} on {self._servers()}: {load}"

    def _servers(self) -> str:
        servers = self.bottleneck
        if servers.name != AGENTS:
            return f"{servers.name}, which serves {servers.size:,} task{'' if servers.size == 1 else 's'} at once"
        slots = round(servers.at_once / self.availability)
        up = "" if self.availability == 1 else f", up {100 * self.availability:.3g} % of the time"
        return f"{slots:,} slot{'' if slots == 1 else 's'} of agents{up}"


def offered_load(scenario: ScenarioFields) -> OfferedLoad | None:
    """The offered load; None where the rate of arrivals depends on the service (`closed`) or has no mean (`burst`).

    Injected faults are left out, random crashes (`agents.mtbf`) are included.
    """
    kinds = views(scenario)
    demands = [demand for name, view in kinds if (demand := _demand(name, view)) is not None and demand.rate > 0]
    if not demands or len(demands) < sum(name == "" or scenario.tasks.kinds[name].share != 0 for name, _ in kinds):
        return None
    highest = max(_loads(scenario, demands), key=lambda offered: offered.load)
    return replace(highest, limits=limits_of_queue(scenario))


@dataclass(frozen=True, slots=True)
class _Demand:
    """What the tasks of one kind ask for: per second, and of each task the mean seconds at each kind of servers."""

    kind: str
    rate: float
    attempts: float
    seconds: float
    servers: tuple[tuple[float, Servers], ...]


def _demand(kind: str, scenario: ScenarioFields) -> _Demand | None:
    """The demand of a view of a scenario; None without a mean rate."""
    rate = arrival_rate(scenario)
    if rate is None:
        return None
    attempts, seconds, requests = _service(scenario)
    availability = _availability(scenario)
    delivery = scenario.queue.latency.mean + scenario.network.latency.mean
    with_delivery = seconds if delivery == 0 else seconds + attempts * delivery
    agents, tasks = scenario.agents, scenario.tasks
    held = _retry_delays(scenario) if tasks.retry_holds_agent or tasks.retry_holds_resources else 0.0
    slots = Servers(AGENTS, agents.count, agents.slots * availability, "agents.count")
    servers = [(with_delivery + held * tasks.retry_holds_agent, slots)]
    for name, need in tasks.needs.items():
        path = f"resources.{name}"
        in_use = seconds + held * tasks.retry_holds_resources
        servers.append((in_use, Servers(path, scenario.resources[name].units // need, 1.0, f"{path}.units", need)))
    return _Demand(kind, rate * requests, attempts, seconds, tuple(servers))


def _loads(scenario: ScenarioFields, demands: Sequence[_Demand]) -> Iterator[OfferedLoad]:
    """The load on the agents, on the pools that take some kinds of tasks, and on each resource."""
    availability = _availability(scenario)
    for names in _sets_of_kinds(scenario, demands):
        chosen = [demand for demand in demands if demand.kind in names]
        servers = chosen[0].servers[0][1]
        if len(names) < len(demands) or scenario.agents.pools:
            pools = {
                name: pool.count
                for name, pool in scenario.agents.pools.items()
                if pool.takes is None or any(kind in pool.takes for kind in names)
            }
            largest = max(pools, key=lambda name: pools[name])
            path = f"agents.pools.{largest}.count"
            servers = Servers(
                AGENTS, sum(pools.values()), servers.each, path, others=sum(pools.values()) - pools[largest]
            )
        yield _together(chosen, [demand.servers[0][0] for demand in chosen], servers, availability)
    by_resource: dict[str, list[tuple[_Demand, float, Servers]]] = {}
    for demand in demands:
        for seconds, servers in demand.servers[1:]:
            by_resource.setdefault(servers.name, []).append((demand, seconds, servers))
    for asking in by_resource.values():
        units = scenario.resources[asking[0][2].name.removeprefix("resources.")].units
        servers = asking[0][2]
        if len(asking) > 1:  # in units, of which kinds need different numbers
            servers = Servers(servers.name, units, 1.0, servers.path)
        weights = [seconds * (each.step if len(asking) > 1 else 1) for _, seconds, each in asking]
        yield _together([demand for demand, *_ in asking], weights, servers, availability)


def _together(
    demands: Sequence[_Demand], seconds: Sequence[float], servers: Servers, availability: float
) -> OfferedLoad:
    """The load of several kinds of tasks on the same servers: means are weighted with the rates."""
    rate = sum(demand.rate for demand in demands)
    if len(demands) == 1:
        return OfferedLoad(rate, demands[0].attempts, seconds[0], servers, availability, ())
    attempts = sum(demand.rate * demand.attempts for demand in demands) / rate
    mean = sum(demand.rate * each for demand, each in zip(demands, seconds, strict=True)) / rate
    return OfferedLoad(rate, attempts, mean, servers, availability, ())


def _sets_of_kinds(scenario: ScenarioFields, demands: Sequence[_Demand]) -> Iterator[tuple[str, ...]]:
    """The sets of kinds whose demand the agents that take any of them have to serve.

    The queue of each is stable if the load of each set is below 1 (the condition of P. Hall's theorem).
    """
    names = [demand.kind for demand in demands]
    yield tuple(names)
    if scenario.agents.pools and len(names) <= MOST_KINDS:
        for size in range(1, len(names)):
            yield from combinations(names, size)


def arrival_rate(scenario: ScenarioFields) -> float | None:
    """Mean number of requests per second while tasks arrive; None for `closed` and `burst`."""
    arrivals = scenario.tasks.arrivals
    if isinstance(arrivals, Poisson | Diurnal):
        return arrivals.rate
    if isinstance(arrivals, Interval):
        return 1 / arrivals.every
    if isinstance(arrivals, Trace):
        within = arrivals.values[arrivals.values <= scenario.duration]
        return len(within) / float(within[-1]) if len(within) and within[-1] > 0 else None
    return None


def limits_of_queue(scenario: ScenarioFields) -> tuple[str, ...]:
    """The keys that keep the queue finite at any load."""
    clients = scenario.tasks.clients.values()
    found = {
        "queue.capacity": scenario.queue.capacity is not None
        or bool(scenario.queues and all(queue.capacity is not None for queue in scenario.queues.values())),
        "tasks.count": all(tasks.count is not None for tasks in any_task(scenario)),
        "tasks.client.cancel": all(client.cancel and client.timeout is not None for client in clients),
    }
    return tuple(path for path, limits in found.items() if limits)


# ------------------------------------------------------------------------------------------------ service
def _service(scenario: ScenarioFields) -> tuple[float, float, float]:
    """Of a task: mean attempts and mean slot time; of a request of the load: mean number of tasks."""
    tasks = scenario.tasks
    p, retries = tasks.failure_probability, _retries(scenario)
    attempts = _geometric(p, retries)
    failures = attempts * p
    successes = attempts - failures
    given_up = 0.0 if retries is None else p ** (retries + 1)
    requests = 1.0 if tasks.client.budget is not None else _geometric(given_up, tasks.client.max_retries)
    if attempts == inf:
        return inf, inf, requests
    if tasks.checkpoint is not None:
        return attempts, _with_checkpoints(scenario, attempts, failures, successes), requests
    part = 0.5 if tasks.failure_at == "uniform" else 1.0
    work = _repeated(scenario, tasks.work.mean)
    passes = successes + part * failures
    if tasks.timeout is not None and scenario.agents.mtbf is None:
        return *_cut_off(tasks, tasks.timeout, _retries(scenario, "timeout"), attempts, passes), requests
    return attempts, passes * work, requests


def _geometric(p: float, retries: int | None) -> float:
    """Mean number of tries that each fail with probability p: (1 − p^(r + 1)) / (1 − p)."""
    if retries is None:
        return inf if p == 1 else 1 / (1 - p)
    return float(retries + 1) if p == 1 else (1 - p ** (retries + 1)) / (1 - p)


def _policy(scenario: ScenarioFields, error: str = EXECUTION_ERROR) -> Policy | None:
    condition = scenario.recovery.conditions.task_failure
    return None if condition is None else condition.by_error.get(error, condition)


def _retries(scenario: ScenarioFields, error: str = EXECUTION_ERROR) -> int | None:
    """Retries of a failed task that no limit but `max_retries` prevents; None: any number."""
    policy = _policy(scenario, error)
    if policy is None:
        return None
    breaker = policy.breaker
    refuses = breaker is not None and breaker.when_open == "refuse"
    if policy.deadline is not None or policy.try_timeout is not None or policy.budget is not None or refuses:
        return 0
    return policy.max_retries


def _cut_off(
    tasks: TaskSettings, timeout: float, retries: int | None, attempts: float, passes: float
) -> tuple[float, float]:
    """With a time limit: work beyond it fails an attempt when it has taken that long.

    A retry has the same work and fails again, unless it is redrawn.
    """
    work = _draws(tasks.work)
    over = float((work > timeout).mean())
    if not over:
        return attempts, passes * tasks.work.mean
    within = float(np.where(work > timeout, 0.0, work).mean())
    if tasks.retried == "redraw":
        tries = _geometric(over + (1 - over) * tasks.failure_probability, retries)
        return tries, tries * (within * passes / attempts + over * timeout)
    if retries is None:
        return inf, inf
    return (1 - over) * attempts + over * (retries + 1), passes * within + over * (retries + 1) * timeout


def _with_checkpoints(scenario: ScenarioFields, attempts: float, failures: float, successes: float) -> float:
    """Work, writes and reads; a retry continues from the last checkpoint.

    An attempt of work w writes ⌈w / every⌉ − 1 checkpoints. What a crash, or a failure within the work, makes an agent
    do again is left out.
    """
    tasks, storage = scenario.tasks, scenario.storage
    checkpoint = tasks.checkpoint
    assert checkpoint is not None
    every, work = checkpoint.every, tasks.work.mean
    parts = _draws(tasks.work) / every
    missing = float((np.ceil(parts - ROUNDING) - parts).mean())
    write, read = checkpoint.cost + storage.write, checkpoint.restore + storage.read
    if tasks.failure_at == "end":
        writes = max(0.0, work / every + missing - 1)
        again = every * (1 - missing) if writes else work
        seconds = work + (attempts - 1) * again
    else:
        finished = min(1.0, successes)
        seconds = max(work * (1 - failures / attempts / 2), work * finished)
        writes = max(0.0, seconds / every - 1)
        read = 0.0
    return seconds + writes * write + (attempts - 1) * read * bool(writes) + successes * write * checkpoint.final


def _retry_delays(scenario: ScenarioFields) -> float:
    """Mean total delay before the retries of a task."""
    policy, p = _policy(scenario), scenario.tasks.failure_probability
    if policy is None or p == 0:
        return 0.0
    retries = _retries(scenario)
    total, share, delay = 0.0, p, None
    for retry in range(1, (TERMS if retries is None else min(retries, TERMS)) + 1):
        delay = policy.unlimited_delay(retry, 0.5, delay)  # without a cap, the mean of each kind of jitter
        total += share * delay
        share *= p
        if share < ROUNDING:
            break
    return total


# ------------------------------------------------------------------------------------------------ crashes
def _availability(scenario: ScenarioFields) -> float:
    """Mean time up / (mean time up + detection + restart): an alternating renewal process."""
    mtbf, detection = scenario.agents.mtbf, scenario.recovery.detection
    if mtbf is None or mtbf.mean == inf:
        return 1.0
    silence = 0.0
    if detection.detector == "heartbeat":
        silence = detection.heartbeat_interval * (detection.missed_heartbeats - 0.5)
    return mtbf.mean / (mtbf.mean + silence + scenario.agents.restart_time.mean)


def _repeated(scenario: ScenarioFields, work: float) -> float:
    """Mean slot time until an attempt of so much work is not cut short by a crash, crashes with rate ν.

    Work repeated: E[e^(νW) − 1] / ν, at least its value at the mean; work redrawn: (1 / E[e^(−νW)] − 1) / ν (Gaver, "A
    waiting line with interrupted service, including priorities", JRSS B 24, 1962). Other than exponential lifetimes,
    and work that is resumed, add nothing.
    """
    mtbf, tasks = scenario.agents.mtbf, scenario.tasks
    if not isinstance(mtbf, Exponential) or tasks.interrupted == "resume" or work == 0:
        return work
    crashes = 1 / mtbf.mean
    if tasks.interrupted == "redraw":
        if isinstance(tasks.work, Exponential):
            return work
        return (1 / float(np.exp(-crashes * _draws(tasks.work)).mean()) - 1) / crashes
    if isinstance(tasks.work, Exponential):
        return inf if crashes * work >= 1 else work / (1 - crashes * work)
    return inf if crashes * work > 700 else expm1(crashes * work) / crashes


def _draws(distribution: AnyDistribution) -> np.ndarray:
    if distribution.constant is not None:
        return np.array([distribution.constant])
    return distribution.sample(np.random.Generator(np.random.Philox(key=0)), DRAWS)
