"""Explorations: verdicts, reports, tokens, and what they refuse."""

import asyncio
import contextlib
import inspect
import subprocess
import sys
import threading
import uuid
from pathlib import Path

import pytest

import sim
from tests.sim.programs.exploration.racy_programs import LostUpdate, hop

HERE = Path(__file__).relative_to(Path.cwd())
ORDER_OF_PYTHON = """
import sim
from tests.sim.programs.exploration.racy_programs import GALLERY
for defect in GALLERY[:4]:
    print(sim.explore(defect.racy, defect.holds))
"""


async def one_and_two():
    async def first():
        await asyncio.sleep(1)
        log.append("first")

    async def second():
        await asyncio.sleep(1)
        log.append("second")

    log = []
    await asyncio.gather(first(), second())
    return log


def line_of(function, text):
    lines, first = inspect.getsourcelines(function)
    return first + next(number for number, line in enumerate(lines) if text in line)


def test_a_failure_shows_tasks_lines_deviations_and_how_to_replay_it():
    report = sim.explore(one_and_two, lambda log: log == ["first", "second"])
    awaits, gather = line_of(one_and_two, "sleep(1)"), line_of(one_and_two, "gather")
    assert str(report).splitlines() == [
        "one_and_two: 3 runs, 3 orders, strategy random: 1 failed",
        "a sample of the orders, seed 0",
        "",
        "run 3: check returned False for ['second', 'first']",
        "1 deviation from first in, first out, shrunk from 2; no order with fewer fails so.",
        "",
        f"file {HERE}",
        "time    one_and_two#1                                first#2                     second#3",
        f"0 s    {gather}: await asyncio.gather(first(), second())",
        f"0 s{'':49}{awaits}: await asyncio.sleep(1)",
        f"0 s{'':77}{awaits + 4}: await asyncio.sleep(1)",
        f"1 s  *{'':74}returns   * ran before first#2",
        f"1 s{'':49}returns",
        "1 s    returns",
        "",
        f'replay: sim.replay(main, "{report.token}")',
    ]


def test_a_report_is_false_and_has_html_and_a_frame_and_asserts():
    def check(log):
        assert log == ["first", "second"], "<b>late</b>"

    report = sim.explore(one_and_two, check, runs=50, keep_going=True)
    assert not report
    assert (report.runs, report.distinct, len(report.frame), len(report.failures)) == (8, 8, 8, 1)
    assert (report.complete, report.scope) == (True, "complete: every order was run")  # none is run twice
    assert set(report.frame.verdict) == {"holds", "check"}
    assert "&lt;b&gt;late&lt;/b&gt;" in report._repr_html_()
    assert "<b>" not in report._repr_html_()
    with pytest.raises(sim.DoesNotHold, match=report.token) as raised:
        report.assert_holds()
    assert isinstance(raised.value.__cause__, AssertionError)
    good = sim.explore(one_and_two, lambda log: len(log) == 2, runs=5)
    good.assert_holds()
    assert (bool(good), good.token, good.interleaving) == (True, None, None)


def test_orders_are_those_that_asyncio_and_the_network_allow():
    seen = []

    async def main():
        loop, order = asyncio.get_running_loop(), []
        for name in ("soon 1", "soon 2"):
            loop.call_soon(order.append, name)
        for name in ("timer 1", "timer 2"):
            loop.call_at(1, order.append, name)
        loop.call_at(0.5, order.append, "before")
        await asyncio.gather(*(asyncio.to_thread(order.append, f"thread {number}") for number in (1, 2)))
        await asyncio.sleep(2)
        seen.append(tuple(each for each in order if not each.startswith("thread")))

    assert sim.explore(main, strategy="bounded", deviations=3, runs=3000).holds
    assert set(seen) == {
        ("soon 1", "soon 2", "before", *timers) for timers in (("timer 1", "timer 2"), ("timer 2", "timer 1"))
    }


def test_a_bounded_exploration_reports_whether_it_is_complete():
    complete = sim.explore(one_and_two, strategy="bounded")
    assert complete.complete
    assert complete.scope == "complete: every order with at most 2 deviations from first in, first out was run"
    cut = sim.explore(LostUpdate.sound, strategy="bounded", runs=5)
    assert not cut.complete
    assert cut.scope.startswith("not complete: orders with at most 2 deviations from first in, first out are left")


def test_each_await_of_the_started_tasks_is_canceled_in_turn():
    async def main():
        lock = asyncio.Lock()

        async def hold(*, safe):
            await lock.acquire()
            try:
                await hop()
            except asyncio.CancelledError:
                if safe:
                    lock.release()
                raise
            lock.release()

        async def others():
            task = asyncio.create_task(hold(safe=False))
            await asyncio.wait([task, asyncio.create_task(hold(safe=True))])

        await others()

    report = sim.explore(main, strategy="cancel")
    assert (report.runs, report.complete) == (4, True)  # three awaits: sleep, acquire, sleep
    (failure,) = report.failures
    assert failure.verdict == "deadlock"
    assert failure.canceled.position.source == "await asyncio.sleep(0)"
    assert "canceled here" in failure.interleaving
    with pytest.raises(sim.Deadlock, match=r"hold#3|Task-3"):
        sim.replay(main, report.token)


def test_without_tasks_the_awaits_of_main_are_canceled():
    opened = []

    async def main():
        opened.append("file")
        await hop()
        opened.pop()

    def check():
        left, opened[:] = opened[:], []
        return not left

    report = sim.explore(main, check, "cancel")
    assert report.failures[0].canceled.position.line == line_of(hop, "sleep")
    assert "main, which starts no task that awaits" in report.scope


def test_a_deadlock_names_what_each_task_waits_for_and_where():
    async def main():
        async with asyncio.Lock() as _, asyncio.timeout(None):
            await asyncio.Event().wait()

    (failure,) = sim.explore(main).failures
    assert failure.verdict == "deadlock"
    assert f"{__file__}:{line_of(main, 'Event')} waits on Event.wait()" in failure.message


@pytest.mark.parametrize("sleep", [0, 3600])
def test_a_program_that_never_ends_is_bounded(sleep):
    async def main():
        while True:  # noqa: ASYNC110 - it never ends
            await asyncio.sleep(sleep)

    (failure,) = sim.explore(main, max_steps=50, max_time=24 * 3600).failures
    assert failure.verdict == "endless"
    limit = "50 steps, at 0 s of virtual time" if sleep == 0 else "86400 s of virtual time, after"
    assert f"does not end: more than {limit}" in failure.message
    assert f"{__file__}:{line_of(main, 'sleep(sleep)')}" in failure.message


def test_an_exception_that_no_task_retrieves_is_a_failure():
    async def main():
        tasks.append(asyncio.create_task(crash()))
        await asyncio.sleep(1)

    async def crash():
        raise KeyError("gone")

    tasks = []
    (failure,) = sim.explore(main).failures
    assert failure.verdict == "background"
    assert "crash#2 that no task retrieves: KeyError: 'gone'" in failure.message


def test_a_program_that_is_not_deterministic_is_refused_with_the_first_difference():
    runs = []

    async def main():
        runs.append(1)
        if len(runs) % 2:
            await asyncio.sleep(1)
        await asyncio.sleep(2)

    with pytest.raises(sim.NotDeterministic, match="two runs in one order differ at step 1") as raised:
        sim.explore(main)
    for text in ("sleep(1)", "sleep(2)"):
        assert f"{HERE}:{line_of(main, text)}: await asyncio.{text}" in str(raised.value)


def test_a_program_that_keeps_state_between_runs_is_refused():
    state = []

    async def main():
        state.append(1)
        await hop()

    with pytest.raises(sim.NotDeterministic, match="end differently") as raised:
        sim.explore(main, lambda: len(state) < 2)
    assert "Does it keep state between runs" in str(raised.value)


def test_foreign_threads_are_named():
    async def main():
        loop = asyncio.get_running_loop()

        def call():
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(print)

        thread = threading.Thread(target=call, name="reader")
        thread.start()
        thread.join()

    with pytest.raises(sim.ForeignThreads, match="other threads called the loop: 'reader'"):
        sim.explore(main)


def test_tokens_of_other_programs_and_damaged_tokens_are_refused():
    token = sim.explore(one_and_two, lambda log: log[0] == "first").token
    assert sim.replay(one_and_two, token) == ["second", "first"]
    for other in (LostUpdate.racy, hop):
        with pytest.raises(sim.InvalidToken, match="the token is not of"):
            sim.replay(other, token)
    for place in range(len("order:"), len(token)):
        changed = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
        with pytest.raises(sim.InvalidToken, match="damaged"):
            sim.replay(one_and_two, changed)
    with pytest.raises(sim.InvalidToken, match="damaged"):
        sim.replay(one_and_two, token[:-2])
    with pytest.raises(sim.InvalidToken, match=r"a token of sim.crash_sweep"):
        sim.replay(one_and_two, "cut:abc")
    with pytest.raises(sim.InvalidToken, match="begins with 'order:', not None"):
        sim.replay(one_and_two, None)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"strategy": "randm"}, ValueError, "did you mean 'random'"),
        ({"runs": 0}, ValueError, "runs=0: valid: a whole number from 1 on"),
        ({"depth": 1.5}, ValueError, "depth=1.5"),
        ({"max_time": -1}, ValueError, "numbers above 0"),
        ({"main": 5}, TypeError, "main is 5; valid: a coroutine function"),
        ({"main": print}, TypeError, "main returned None; valid: a coroutine function"),
        ({"check": hop}, TypeError, "valid: a plain function"),
    ],
)
def test_invalid_arguments_are_refused_in_words(arguments, error, words):
    with pytest.raises(error, match=words):
        sim.explore(**{"main": one_and_two, **arguments})


def test_a_coroutine_in_place_of_its_function_is_refused():
    with pytest.raises(TypeError, match="valid: the function itself"):
        sim.explore(one_and_two())


def test_what_main_leaves_is_canceled_and_random_numbers_can_have_a_seed():
    ended = []

    async def main():
        with sim.virtual_time(seed=1):
            task = asyncio.create_task(background())
            await asyncio.sleep(uuid.uuid4().int % 100)  # noqa: TID251 - with a seed
            return task.done()

    async def background():
        try:
            await asyncio.sleep(1000)
        finally:
            await hop()
            ended.append(1)

    assert sim.explore(main, lambda done: not done, runs=3).holds
    assert len(ended) == 2  # there is one order, which is run twice


@pytest.mark.long
def test_orders_do_not_depend_on_the_hash_seed():
    outputs = {
        subprocess.run(
            [sys.executable, "-c", ORDER_OF_PYTHON],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
        ).stdout
        for seed in ("0", "1", "77")
    }
    assert len(outputs) == 1
