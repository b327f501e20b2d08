"""A crash sweep: what a cut leaves, what is counted, what is reported, and what is refused."""

import asyncio
import gc
import random
import sqlite3
import threading
import time
import tracemalloc
import uuid
from contextlib import asynccontextmanager, contextmanager
from xml.etree import ElementTree as ET

import anyio
import pytest
import tenacity

import sim
from sim.programs.crash_sweep.inert import state_offset

MONITORED = []
"""What cleaned up."""


@contextmanager
def monitored(name):
    try:
        yield
    except BaseException as error:
        MONITORED.append((name, error))
        raise
    else:
        MONITORED.append(name)


@asynccontextmanager
async def monitored_async(name):
    with monitored(name):
        yield


async def numbers():
    with monitored("generator"):
        for number in range(2):
            await asyncio.sleep(1)
            yield number


async def child():
    with monitored("child"):
        await asyncio.sleep(1)


async def everything(_):
    with monitored("start"):
        gc.collect()
        async with monitored_async("async with"), asyncio.TaskGroup() as group:
            group.create_task(child())
            group.create_task(child())
        async with asyncio.timeout(5):
            async for _ in numbers():
                pass
        await asyncio.gather(asyncio.shield(child()), asyncio.wait_for(child(), 3))


async def nothing(_):
    pass


def always(_):
    return True


def test_no_code_of_the_program_runs_after_a_cut_not_even_when_its_memory_is_released():
    MONITORED.clear()
    with asyncio.Runner(loop_factory=sim.SimLoop) as runner:
        runner.run(everything(None))
    of_one_run = [*MONITORED]
    assert "start" in of_one_run
    assert len(of_one_run) == 7
    MONITORED.clear()
    report = sim.crash_sweep(dict, everything, nothing, always)
    gc.collect()
    assert report.covered > 10
    assert not [each for each in MONITORED if isinstance(each, tuple)]


def test_suspended_code_can_be_made_inert_on_this_python():
    assert state_offset() is not None


def test_the_memory_of_cut_programs_is_released():
    async def start(_):
        ballast = bytes(100_000)
        for _ in range(50):
            await asyncio.sleep(1)
        return ballast

    sim.crash_sweep(dict, start, nothing, always)
    tracemalloc.start()
    try:
        sim.crash_sweep(dict, start, nothing, always)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


async def two_steps(durable):
    for step in ("a", "b"):
        await asyncio.sleep(1)
        durable[step] = True


def test_a_cut_is_made_at_each_await_and_named_by_its_source():
    report = sim.crash_sweep(dict, two_steps, None, lambda durable: set(durable) == {"a", "b"})
    assert report
    assert [(point.awaited, point.time) for point in report.points] == [
        ("await asyncio.sleep(1)", 0),
        ("await asyncio.sleep(1)", 1),
    ]
    assert {point.line for point in report.points} == {two_steps.__code__.co_firstlineno + 2}
    assert report.covered == 2


def test_steps_of_tasks_their_ends_and_callbacks_are_points():
    async def start(durable):
        asyncio.get_running_loop().call_later(1, durable.append, "builtin")
        asyncio.get_running_loop().call_later(2, lambda: durable.append("lambda"))
        async with asyncio.TaskGroup() as group:
            group.create_task(child())
        await asyncio.sleep(5)

    report = sim.crash_sweep(list, start, nothing, always)
    assert [point.awaited for point in report.points][1:3] == ["await asyncio.sleep(1)", "end of child()"]
    assert any(point.awaited.startswith("callback") for point in report.points)
    assert report.points[-1].awaited == "await asyncio.sleep(5)" or report.points[-1].awaited.startswith("callback")


def test_libraries_run_as_they_are():
    async def start(durable):
        async for attempt in tenacity.AsyncRetrying(wait=tenacity.wait_fixed(1), stop=tenacity.stop_after_attempt(3)):
            with attempt:
                durable["tries"] = durable.get("tries", 0) + 1
                if durable["tries"] < 3:
                    raise OSError
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.sleep, 1)
        with anyio.move_on_after(1):
            await anyio.sleep_forever()
        durable["done"] = True

    assert sim.crash_sweep(dict, start, None, lambda durable: durable["done"])


def test_tasks_of_another_class_are_counted_and_end_as_well():
    async def start(_):
        loop = asyncio.get_running_loop()
        loop.set_task_factory(lambda _, coroutine, **options: asyncio.tasks._PyTask(coroutine, loop=loop, **options))
        await asyncio.gather(child(), child())

    MONITORED.clear()
    report = sim.crash_sweep(dict, start, nothing, always)
    assert [point.awaited for point in report.points[1:]] == ["await asyncio.sleep(1)"] * 2 + ["end of child()"] * 2
    assert MONITORED == ["child"] * 7


def test_a_number_of_cuts_is_spread_evenly():
    async def start(_):
        for _ in range(9):
            await asyncio.sleep(1)

    def at(cuts):
        return [trial.points[0].number for trial in sim.crash_sweep(dict, start, nothing, always, cuts).trials]

    assert at(3) == [1, 5, 9]
    assert at(1) == [5]
    assert at(100) == [*range(1, 10)]


def test_clock_and_randomness_are_the_same_in_each_run_and_time_goes_on_in_the_resume():
    seen = []

    async def start(durable):
        seen.append((random.random(), uuid.uuid4(), time.time()))
        durable["began"] = time.time()
        await asyncio.sleep(5)
        await asyncio.sleep(5)

    async def resume(durable):
        durable["resumed"] = time.time(), asyncio.get_running_loop().time()

    def check(durable):
        assert durable.get("resumed", (0, 0)) in {(0, 0), (5, 5)}

    assert sim.crash_sweep(dict, start, resume, check)
    assert len(set(seen)) == 1
    assert abs(time.time() - seen[0][2]) > 1_000_000


def test_a_connection_of_the_cut_program_rolls_back_and_a_durable_one_as_well():
    async def start(durable):
        own = sqlite3.connect(durable["file"])
        for connection in (own, durable["connection"]):
            connection.execute("CREATE TABLE IF NOT EXISTS rows (name)")
            connection.execute("INSERT INTO rows VALUES (1)")
            await asyncio.sleep(1)
            connection.commit()
        own.close()

    async def resume(durable):
        for connection in (sqlite3.connect(durable["file"], timeout=0), durable["connection"]):
            connection.execute("CREATE TABLE IF NOT EXISTS rows (name)")
            (count,) = connection.execute("SELECT count(*) FROM rows").fetchone()
            durable["rows"].append(count)
            connection.execute("INSERT INTO rows VALUES (2)")
            connection.commit()
        connection.close()

    rows = []

    def setup():
        rows.append([])
        return {"file": f"{folder.path}{len(rows)}", "connection": sqlite3.connect(":memory:"), "rows": rows[-1]}

    folder = sim.Durable().database()
    folder.connect().close()
    report = sim.crash_sweep(setup, start, resume, always)
    assert report
    assert rows[2:] == [[0, 0], [1, 0]]


# ------------------------------------------------------------------------------------------------------ the report


async def charge_twice(durable):
    for order in ("<a>", "b"):
        if not await durable.store().get(order):
            await durable.request("charged")
            await durable.store().put(order, 1)


def charged_twice(durable):
    assert durable.effects["charged"] == 2


def test_the_report_shows_the_smallest_failing_cut_its_token_and_effects(tmp_path):
    report = sim.crash_sweep(sim.Durable, charge_twice, None, charged_twice)
    assert not report
    assert (report.exit_status, report.covered, len(report.failures)) == (1, 10, 4)
    assert report.effects == {"charged": {2: 6, 3: 4}}
    assert report.smallest.points[0].awaited == 'await durable.request("charged")'
    first, second, third = str(report).splitlines()[1:4]
    assert first.startswith("✗ cut 3: ")
    assert "test_crash_sweep.py:" in first
    assert second.startswith("    check fails: AssertionError: assert")
    assert third == f'    again: sim.crash_sweep(setup, start, resume, check, cuts="{report.token}")'
    assert str(report).endswith("effect charged: twice in 6 trials, 3 times in 4 trials")
    with pytest.raises(AssertionError, match="cut 3: "):
        report.assert_holds()
    frame = report.frame
    assert [*frame[frame.verdict == "check fails"].cut] == [3, 4, 8, 9]
    assert [*frame["effects.charged"].value_counts()] == [6, 4]
    assert "&lt;" not in report._repr_html_() or "<a>" not in report._repr_html_()
    report.junit(tmp_path / "crash.xml")
    suite = ET.parse(tmp_path / "crash.xml").getroot()[0]
    assert (suite.get("tests"), suite.get("failures")) == ("10", "4")
    assert report.token in suite[2][0].text


def test_html_is_escaped():
    async def start(_):
        await asyncio.sleep(0, "<script>")

    html = sim.crash_sweep(dict, start, None, lambda _: 1 / 0)._repr_html_()
    assert "&lt;script&gt;" in html
    assert "<script>" not in html


@pytest.mark.parametrize(
    ("resume", "verdict", "message"),
    [
        (lambda: forever, "resume does not end", "await asyncio.sleep(1)"),
        (lambda: waits, "resume waits for ever", "Event.wait()"),
        (lambda: raises, "resume raises", "KeyError: 'plan' (test_crash_sweep.py:"),
        (lambda: raises_in_a_group, "resume raises", "(1 sub-exception): KeyError: 'plan' (test_crash_sweep.py:"),
    ],
)
def test_what_a_resume_does_wrong_is_a_verdict(resume, verdict, message):
    report = sim.crash_sweep(dict, two_steps, resume(), always, max_steps=1000)
    assert {trial.verdict for trial in report.trials} == {verdict}
    assert all(message in trial.message for trial in report.trials)


async def forever(_):
    while True:
        await asyncio.sleep(1)


async def waits(_):
    await asyncio.Event().wait()


async def raises(durable):
    durable["plan"]


async def raises_in_a_group(durable):
    async with asyncio.TaskGroup() as group:
        group.create_task(raises({}))


def test_a_check_that_fails_without_a_cut_is_the_smallest_failure():
    report = sim.crash_sweep(dict, two_steps, None, lambda _: False)
    assert report.token.startswith("cut:0:")
    assert "without a power cut" in str(report)
    assert not sim.crash_sweep(dict, two_steps, None, lambda _: False, report.token)


# ------------------------------------------------------------------------------------------------- what is refused


async def task_as_durable():
    return {"jobs": [asyncio.create_task(nothing(None))]}


async def keeps_its_task(durable):
    durable["me"] = asyncio.current_task()
    await asyncio.sleep(1)


async def starts_a_thread(_):
    release = threading.Event()
    thread = threading.Thread(target=release.wait, args=(0.2,), name="helper")
    thread.start()
    await asyncio.sleep(1)


async def too_long(_):
    await asyncio.sleep(1e9)


async def never_waits(durable):
    durable["done"] = True


def lock_on_a_durable():
    durable = sim.Durable()
    durable.lock = asyncio.Lock()
    return durable


RUNS = []


async def differs(_):
    RUNS.append(1)
    await asyncio.sleep(len(RUNS))


@pytest.mark.parametrize(
    ("setup", "start", "message"),
    [
        (lambda: {"a": [asyncio.Lock()]}, two_steps, r"setup: durable\['a'\]\[0\] is a Lock"),
        (task_as_durable, two_steps, r"setup: durable\['jobs'\]\[0\] is a Task"),
        (dict, keeps_its_task, r"start: durable\['me'\] is a Task"),
        (lock_on_a_durable, two_steps, r"setup: durable.lock is a Lock"),
        (lambda: 1 / 0, two_steps, r"setup raises ZeroDivisionError: .*test_crash_sweep.py:\d+"),
        (dict, never_waits, "start never waits"),
        (dict, starts_a_thread, "start starts threads: 'helper'"),
        (dict, forever, r"start does not end .* 1001 steps .*await asyncio.sleep\(1\)"),
        (dict, too_long, "start does not end .* 1e.09 s of virtual time"),
        (dict, waits, r"start waits for ever .*\n.*Event.wait\(\)"),
        (dict, raises, "start raises without a power cut: KeyError: 'plan'"),
        (dict, differs, r"differ: one ends at 1 s, the other at 2 s, after .*test_crash_sweep.py:\d+ await"),
        (dict, lambda _: 3, "start returns int; valid: a coroutine function"),
        (3, two_steps, "setup=3: cannot be called"),
    ],
)
def test_a_program_that_cannot_be_swept_is_refused(setup, start, message):
    RUNS.clear()
    with pytest.raises(sim.CrashSweepError, match=message):
        sim.crash_sweep(setup, start, None, always, max_steps=1000)


@pytest.mark.parametrize(
    ("cuts", "message"),
    [
        (0, "less than 1"),
        (True, "valid: "),
        (1.5, "of type float"),
        ("most", "not a valid cut"),
        ("cut:1,2,3:0:3f9a2c1b", "not a valid cut"),
        ("cut:1/most:0:3f9a2c1b", "most is unknown; valid: lost, torn, kept, names"),
        ("order:abc", "sim.replay"),
        ("cut:1:0:3f9a2c1b", "of another program"),
    ],
)
def test_a_cut_that_is_not_valid_is_refused(cuts, message):
    with pytest.raises(sim.CrashSweepError, match=message):
        sim.crash_sweep(dict, two_steps, None, always, cuts)


def test_a_check_that_returns_something_else_is_refused():
    with pytest.raises(sim.CrashSweepError, match=r"check returns .'x'., of type list; valid: True or False"):
        sim.crash_sweep(dict, two_steps, None, lambda _: ["x"])
