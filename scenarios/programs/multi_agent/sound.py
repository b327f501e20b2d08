"""The sound program. It recovers from a power cut at any await, from every order, and from a cancellation anywhere."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from typing import Any, Final

from scenarios.programs.multi_agent.plan import (
    Change,
    Plan,
    Status,
    Step,
    done,
    failed,
    first_plan,
    is_finished,
    queued,
    ready,
    replanned,
)
from scenarios.programs.multi_agent.ports import (
    CONNECTIONS,
    LIMITS,
    Disk,
    Message,
    NotPossible,
    Outside,
    Queue,
    Services,
    Store,
    Unavailable,
)

WORKERS: Final = 2
ATTEMPTS: Final = 4
TIMEOUT: Final = 2.0
"""Seconds of one request."""
MOST_RESTARTS: Final = 5


class RateLimiter:
    """A token bucket for the calls of one tool."""

    def __init__(self, store: Store, tool: str, burst: float, rate: float) -> None:
        self._store, self._key = store, f"limit of {tool}"
        self._burst, self._rate = burst, rate
        self._lock = asyncio.Lock()

    async def acquire(self) -> None:
        """Wait until a call is allowed."""
        async with self._lock:
            tokens, since = await self._store.get(self._key, (self._burst, time.time()))
            now = time.time()
            tokens = min(self._burst, tokens + (now - since) * self._rate)
            if tokens < 1:
                await asyncio.sleep((1 - tokens) / self._rate)
                tokens, now = 1.0, time.time()
            await self._store.put(self._key, (tokens - 1, now))


class Tools:
    """Calls services: within their limits, and again after temporary failures."""

    def __init__(self, store: Store, services: Services) -> None:
        self._services = services
        self._limits = {tool: RateLimiter(store, tool, *limit) for tool, limit in LIMITS.items()}
        self._slots = {tool: asyncio.Semaphore(CONNECTIONS[tool]) for tool in LIMITS}

    async def call(self, tool: str, what: str, *, key: str | None = None, attempts: int = ATTEMPTS) -> Any:
        """The answer of a service. Raises NotPossible, and Unavailable or TimeoutError after so many attempts."""
        for attempt in range(1, attempts + 1):
            await self._limits[tool].acquire()
            try:
                return await self.request(tool, what, key)
            except (Unavailable, TimeoutError):
                if attempt == attempts:
                    raise
            await asyncio.sleep(2**attempt)
        raise AssertionError

    async def request(self, tool: str, what: str, key: str | None) -> Any:
        """One request, when a connection is free."""
        async with self._slots[tool], asyncio.timeout(TIMEOUT):
            return await self._services.request(tool, what, key=key)


class Checkpointer:
    """Keeps plans in a store, and wakes who waits for a change."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.changed = asyncio.Event()

    async def load(self, goal: str) -> Plan | None:
        """The plan for a goal, if there is one."""
        plan: Plan | None = await self._store.get(f"plan for {goal}")
        return plan

    async def create(self, goal: str) -> None:
        """Store the first plan for a goal, unless there is one."""
        await self._store.put_if(f"plan for {goal}", first_plan(goal), is_now=None)

    async def keep(self, name: str, found: str) -> str:
        """Store what a search has found, which is too long for a plan, and return its name."""
        await self._store.put(f"found {name}", found)
        return name

    async def update(self, goal: str, change: Change) -> None:
        """Change the plan for a goal."""
        try:
            while True:
                plan = await self._store.get(f"plan for {goal}")
                if await self._store.put_if(f"plan for {goal}", change(plan), is_now=plan):
                    return
        finally:
            self.changed.set()


class Planner:
    """Makes the plan for a goal, hands out its steps, and changes it when a step fails."""

    def __init__(self, checkpointer: Checkpointer, queue: Queue) -> None:
        self._checkpointer, self._queue = checkpointer, queue

    async def run(self, goal: str) -> Plan:
        """Returns the plan when all of it is done."""
        await self._checkpointer.create(goal)
        while True:
            self._checkpointer.changed.clear()
            plan = await self._checkpointer.load(goal)
            assert plan is not None
            if is_finished(plan):
                return plan
            if any(step.status is Status.FAILED for step in plan.values()):
                await self._checkpointer.update(goal, replanned)
                continue
            for step in ready(plan):
                await self.hand_out(goal, step)
            await self._checkpointer.changed.wait()

    async def hand_out(self, goal: str, step: Step) -> None:
        """Put a step in the queue, and note that it is there."""
        await self._queue.put((goal, step.name))
        await self._checkpointer.update(goal, queued(step.name))


class Worker:
    """Takes steps from the queue and does them."""

    def __init__(self, checkpointer: Checkpointer, queue: Queue, tools: Tools, disk: Disk) -> None:
        self._checkpointer, self._queue, self._tools, self._disk = checkpointer, queue, tools, disk
        self._busy: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def run(self) -> None:
        """Runs until it is canceled."""
        while True:
            await self.handle(await self._queue.get())

    async def handle(self, message: Message) -> None:
        """Do the step of a message, unless it was done before, and note its answer."""
        goal, name = message.body
        async with self._busy[name]:  # a message may be delivered twice
            plan = await self._checkpointer.load(goal)
            assert plan is not None
            if plan[name].status in (Status.WAITING, Status.QUEUED):
                try:
                    answer = await self.do(goal, plan[name])
                except NotPossible as error:
                    await self._checkpointer.update(goal, failed(name, str(error)))
                else:
                    await self._checkpointer.update(goal, done(name, answer))
        await message.ack()

    async def do(self, goal: str, step: Step) -> str:
        """The answer of a step. Raises NotPossible, and Unavailable or TimeoutError after some attempts."""
        match step.tool:
            case "book":
                return await self.book(goal, step)
            case "charge":
                return await self.charge(goal, step)
            case "write":
                return await self.write(goal, step)
            case "search":
                found = await self._tools.call("search", step.what)
                return await self._checkpointer.keep(f"{goal}/{step.name}", found)
            case tool:
                return str(await self._tools.call(tool, step.what, key=f"{goal}/{step.name}"))

    async def book(self, goal: str, step: Step) -> str:
        """Book once. The service has no idempotency keys, and finds bookings by our reference."""
        reference = f"{goal}/{step.name}"
        for _ in range(ATTEMPTS):
            if await self._tools.call("find", reference):
                break
            try:
                await self._tools.call("book", reference, attempts=1)
                break
            except (Unavailable, TimeoutError):  # it may have been booked, nevertheless
                await asyncio.sleep(1)
        else:
            raise NotPossible(f"{reference}: no answer")
        return reference

    async def charge(self, goal: str, step: Step) -> str:
        """Charge the customer once: the service recognizes a key that it had before."""
        return str(await self._tools.call("charge", step.what, key=f"{goal}/{step.name}"))

    async def write(self, goal: str, step: Step) -> str:
        """Write the itinerary to a file: all of it, or nothing."""
        draft = self._disk.file(f"{goal}.draft")
        await draft.write(step.what)
        await draft.fsync()
        await draft.rename(f"{goal}.txt")
        await self._disk.sync()
        return f"{goal}.txt"


class Supervisor:
    """Starts the agents, and starts an agent again that ends for any reason, until the planner has a result."""

    def __init__(self, outside: Outside) -> None:
        self._checkpointer = Checkpointer(outside.store)
        tools = Tools(outside.store, outside.services)
        self._planner = Planner(self._checkpointer, outside.queue)
        self._worker = Worker(self._checkpointer, outside.queue, tools, outside.disk)

    async def run(self, goal: str) -> Plan:
        """The plan when all of it is done. Raises what an agent raises that was started again too often."""
        agents = {name: self._start(name, goal) for name in ("planner", *(f"worker-{n + 1}" for n in range(WORKERS)))}
        restarts: dict[str, int] = defaultdict(int)
        try:
            while True:
                await asyncio.wait(agents.values(), return_when=asyncio.FIRST_COMPLETED)
                for name, agent in agents.items():
                    if not agent.done():
                        continue
                    error = None if agent.cancelled() else agent.exception()
                    if name == "planner" and error is None and not agent.cancelled():
                        plan: Plan = agent.result()
                        return plan
                    restarts[name] += 1
                    if error is not None and restarts[name] > MOST_RESTARTS:
                        raise error
                    agents[name] = self._start(name, goal)
        finally:
            for agent in agents.values():
                agent.cancel()
            await asyncio.gather(*agents.values(), return_exceptions=True)

    def _start(self, name: str, goal: str) -> asyncio.Task[Any]:
        work = self._planner.run(goal) if name == "planner" else self._worker.run()
        return asyncio.create_task(work, name=name)


async def start(outside: Outside, goal: str = "Lisbon") -> Plan:
    """Plan a journey and do all that it needs. After a restart it continues."""
    return await Supervisor(outside).run(goal)
