"""Waiting at a circuit breaker, on virtual time."""

import asyncio
from math import inf

from recovery.concurrency.breaker_gate import BreakerGate
from recovery.policies.breaker import BreakerPolicy, CircuitBreaker
from sim.loop import run


def test_a_probe_without_a_result_wakes_the_waiters():
    log = []

    async def main():
        loop = asyncio.get_running_loop()
        breaker = CircuitBreaker(BreakerPolicy(failures=1, open_for=10))
        gate = BreakerGate(
            breaker, "task_failure", loop.time, lambda event, kind, value: log.append((loop.time(), event))
        )
        gate.settle(gate.admit(), worked=False)

        async def pass_it(name, seconds, verdict):
            while (ticket := gate.admit()) is None:
                assert await gate.opening(inf)
            log.append((loop.time(), name))
            await asyncio.sleep(seconds)
            gate.settle(ticket, verdict)

        await asyncio.gather(pass_it("first", 3, None), pass_it("second", 4, True), pass_it("third", 1, True))

    run(main())
    assert log == [
        (0, "breaker.opened"),
        (10, "breaker.half_opened"),
        (10, "first"),
        (13, "second"),
        (17, "breaker.closed"),
        (17, "third"),
    ]
