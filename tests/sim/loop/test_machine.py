"""A machine with a power cut: its work stops, other work continues."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from sim.loop import SimLoop
from sim.loop.machine import Machine


def _cut_at(loop: SimLoop, machine: Machine, seconds: float) -> None:
    loop.call_later(seconds, machine.cut_power)


def _story(
    loop: SimLoop, work: Callable[[list[str]], Coroutine[Any, Any, object]], *, cut_at: float = 2.0
) -> list[str]:
    """The log of work on a machine with a power cut, and of the next 100 s."""
    output: list[str] = []
    machine = Machine(loop)
    machine.run(loop.create_task, work(output))
    _cut_at(loop, machine, cut_at)
    loop.env.run(until=loop.time() + 100)
    return output


async def _cheat(output: list[str]) -> None:
    output.append("began")
    try:
        await asyncio.sleep(5)
        output.append("slept")
    except BaseException:
        output.append("caught")
        raise
    finally:
        output.append("cleaned up")


def test_a_power_cut_runs_no_except_or_finally_block(loop: SimLoop) -> None:
    assert _story(loop, _cheat) == ["began"]


def test_a_cancellation_runs_except_and_finally_blocks(loop: SimLoop) -> None:
    output: list[str] = []
    task = loop.create_task(_cheat(output))
    loop.call_later(2, task.cancel)
    loop.env.run(until=100)
    assert output == ["began", "caught", "cleaned up"]


def test_a_machine_with_power_completes_its_work(loop: SimLoop) -> None:
    assert _story(loop, _cheat, cut_at=50) == ["began", "slept", "cleaned up"]


def test_child_tasks_end_with_the_machine(loop: SimLoop) -> None:
    async def work(output: list[str]) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(3):
                group.create_task(_cheat(output))
        output.append("all done")

    assert _story(loop, work) == ["began"] * 3


def test_timeouts_timers_and_callbacks_end_with_the_machine(loop: SimLoop) -> None:
    async def work(output: list[str]) -> None:
        asyncio.get_running_loop().call_later(4, output.append, "timer")
        asyncio.ensure_future(asyncio.sleep(3)).add_done_callback(lambda _: output.append("callback"))
        try:
            async with asyncio.timeout(5):
                await asyncio.Event().wait()
        except TimeoutError:
            output.append("timed out")

    assert _story(loop, work, cut_at=50) == ["callback", "timer", "timed out"]
    assert _story(loop, work) == []


def test_a_task_waiting_for_a_simpy_event_is_not_woken(loop: SimLoop) -> None:
    event = loop.env.event()

    async def work(output: list[str]) -> None:
        await loop.wait(event)
        output.append("woken")

    loop.call_later(3, event.succeed)
    assert _story(loop, work) == []
    assert event.processed


def test_callbacks_ready_at_the_instant_of_the_cut_do_not_run(loop: SimLoop) -> None:
    output: list[str] = []
    machine = Machine(loop)

    async def work() -> None:
        output.append("began")

    machine.run(loop.create_task, work())
    machine.cut_power()
    loop.env.run(until=1)
    assert output == []


def test_other_tasks_on_the_loop_continue(loop: SimLoop) -> None:
    output: list[str] = []
    orders: asyncio.Queue[str] = asyncio.Queue()

    async def other() -> None:
        while True:
            order = await orders.get()
            await asyncio.sleep(5)
            output.append(f"{order} done at {loop.time():g}")

    async def work(_: list[str]) -> None:
        await orders.put("order")

    loop.create_task(other())
    machine = Machine(loop)
    machine.run(loop.create_task, work(output))
    _cut_at(loop, machine, 2)
    loop.env.run(until=100)
    assert output == ["order done at 5"]


def test_a_task_awaiting_a_stopped_machine_keeps_waiting(loop: SimLoop) -> None:
    output: list[str] = []
    machine = Machine(loop)
    asked = machine.run(loop.create_task, _cheat([]))

    async def other() -> None:
        try:
            await asyncio.wait_for(asyncio.shield(asked), 10)
        except TimeoutError:
            output.append(f"no answer by {loop.time():g}")

    loop.create_task(other())
    _cut_at(loop, machine, 2)
    loop.env.run(until=100)
    assert output == ["no answer by 10"]


def test_two_machines_are_stopped_independently(loop: SimLoop) -> None:
    output: dict[str, list[str]] = {"one": [], "other": []}
    machines = {name: Machine(loop) for name in output}
    for name, machine in machines.items():
        machine.run(loop.create_task, _cheat(output[name]))
    _cut_at(loop, machines["one"], 2)
    loop.env.run(until=100)
    assert output == {"one": ["began"], "other": ["began", "slept", "cleaned up"]}


def test_a_stopped_machine_runs_nothing(loop: SimLoop) -> None:
    machine = Machine(loop)
    machine.cut_power()
    assert not machine.has_power
    with pytest.raises(RuntimeError, match="no power"):
        machine.run(lambda: None)


def test_a_machine_cannot_cut_its_own_power(loop: SimLoop) -> None:
    machine = Machine(loop)
    with pytest.raises(RuntimeError, match="from outside"):
        machine.run(machine.cut_power)
    assert machine.has_power


def test_stopped_tasks_are_released_when_the_loop_is_abandoned(caplog: pytest.LogCaptureFixture) -> None:
    loop, output = SimLoop(), list[str]()
    machine = Machine(loop)
    machine.run(loop.create_task, _cheat(output))
    _cut_at(loop, machine, 2)
    loop.env.run(until=100)
    del machine
    gc.collect()
    assert output == ["began"]
    loop.abandon()
    del loop
    gc.collect()
    assert output == ["began", "caught", "cleaned up"]  # Python cannot drop a coroutine otherwise
    assert not caplog.records
