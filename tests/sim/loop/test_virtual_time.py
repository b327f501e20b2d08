"""`virtual_time`: the clocks of the standard library follow the loop."""

import asyncio
import datetime as dt
import importlib.machinery
import os
import random
import secrets
import subprocess
import sys
import threading
import time
import types
import uuid
from time import monotonic as imported_by_name

import pytest

from sim.loop import SimLoop
from sim.loop.virtual_time import virtual_time

REAL = time.time, time.monotonic, time.perf_counter, time.sleep, dt.datetime, dt.date, os.urandom


def run(main):
    loop = SimLoop()
    try:
        return loop.run_until_complete(main)
    finally:
        loop.close()


def readings():
    return [time.time(), time.monotonic(), time.perf_counter(), time.time_ns() / 1e9, time.monotonic_ns() / 1e9]


def test_all_clocks_are_that_of_the_loop():
    async def main():
        await asyncio.sleep(90.5)
        assert readings() == [asyncio.get_running_loop().time()] * 5 == [90.5] * 5
        assert imported_by_name() == 90.5
        utc = dt.UTC
        assert dt.datetime.now(utc) == dt.datetime(1970, 1, 1, 0, 1, 30, 500000, utc)
        assert dt.datetime.now() == dt.datetime.fromtimestamp(90.5)
        assert dt.datetime.utcnow() == dt.datetime(1970, 1, 1, 0, 1, 30, 500000)
        assert dt.date.today() == dt.date.fromtimestamp(90.5)
        assert time.gmtime()[:6] == (1970, 1, 1, 0, 1, 30)
        assert time.strftime("%M:%S") == "01:30"

    with virtual_time():
        run(main())


def test_a_blocking_sleep_makes_other_tasks_late_and_keeps_their_order():
    woken = []

    async def sleeper(name, seconds):
        await asyncio.sleep(seconds)
        woken.append((name, time.monotonic()))

    async def main():
        others = [asyncio.create_task(sleeper(*each)) for each in (("c", 3), ("a", 1), ("b", 2), ("d", 9))]
        await asyncio.sleep(0.5)
        time.sleep(4)
        assert time.monotonic() == asyncio.get_running_loop().time() == 4.5
        await asyncio.gather(*others)

    with virtual_time():
        run(main())
    assert woken == [("a", 4.5), ("b", 4.5), ("c", 4.5), ("d", 9.0)]


def test_a_loop_continues_where_the_one_before_it_ended():
    with virtual_time() as clock:
        run(asyncio.sleep(5))
        assert clock.now == time.time() == 5
        time.sleep(2)
        run(asyncio.sleep(1))
        assert clock.now == time.time() == 8


def test_dates_begin_at_the_start():
    with virtual_time(dt.datetime(2030, 2, 28, 23, 59, 59, tzinfo=dt.UTC)):
        time.sleep(1)
        assert time.gmtime()[:3] == (2030, 3, 1)
        assert time.monotonic() == 1


def test_an_inner_one_counts_until_its_end():
    with virtual_time():
        time.sleep(3)
        with virtual_time(100.0):
            time.sleep(1)
            assert (time.time(), time.monotonic()) == (101.0, 1.0)
        assert time.time() == 3.0


def test_everything_is_restored_also_after_an_exception_and_in_modules_imported_meanwhile():
    late = sys.modules["imported_meanwhile"] = types.ModuleType("imported_meanwhile")

    def fails():
        exec("from time import time, sleep\nfrom datetime import datetime", late.__dict__)
        assert late.time() == 0
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), virtual_time():
        fails()
    del sys.modules["imported_meanwhile"]
    now = time.time, time.monotonic, time.perf_counter, time.sleep, dt.datetime, dt.date, os.urandom
    assert all(one is other for one, other in zip(now, REAL, strict=True))
    assert (late.time, late.datetime) == (time.time, dt.datetime)
    assert imported_by_name is time.monotonic


def test_a_function_kept_from_inside_has_the_machines_clock_afterwards():
    with virtual_time():
        kept = time.time, dt.datetime
    assert abs(kept[0]() - time.time()) < 60
    assert abs(kept[1].now() - dt.datetime.now()) < dt.timedelta(seconds=60)


def test_other_threads_have_the_machines_clock():
    before, found = time.time(), []

    def read():
        time.sleep(0.001)
        found.append(time.time())

    with virtual_time():
        thread = threading.Thread(target=read)
        thread.start()
        thread.join()
        assert time.time() == 0
    assert found[0] > before


def test_a_loop_of_another_kind_has_the_machines_clock():
    before = time.monotonic()

    async def main():
        await asyncio.sleep(0.001)
        return time.monotonic()

    loop = asyncio.new_event_loop()
    with virtual_time():
        found = loop.run_until_complete(main())
    loop.close()
    assert found > before


def draws():
    return random.random(), uuid.uuid4(), os.urandom(8), secrets.token_hex(4)


def test_with_a_seed_random_values_repeat_and_the_state_is_restored():
    state = random.getstate()
    found = []
    for seed in (7, 7, 8):
        with virtual_time(seed=seed):
            found.append(draws())
    assert found[0] == found[1]
    assert not set(found[0]) & set(found[2])
    assert random.getstate() == state
    with virtual_time():
        assert draws()[1:] != found[0][1:]


def test_dates_are_instances_of_the_classes_of_datetime():
    with virtual_time():
        made = dt.datetime(2024, 2, 29, 12), dt.date(2024, 2, 29), dt.datetime.now()
        assert isinstance(made[0], dt.datetime)
        assert isinstance(made[0], dt.date)
        assert not isinstance(made[1], dt.datetime)
        assert issubclass(dt.datetime, dt.date)

        class Stamp(dt.datetime):
            pass

        assert type(Stamp.now()) is Stamp
    assert [type(each) for each in made] == [dt.datetime, dt.date, dt.datetime]


def test_pydantic_defines_models_with_dates():
    """Modules that are first imported in virtual time do so."""
    from pydantic import BaseModel

    with virtual_time(3600):

        class Event(BaseModel):
            at: dt.datetime
            day: dt.date

        event = Event(at="2026-11-30T01:00:00", day="2026-11-30")
    assert (event.at, event.day) == (dt.datetime(2026, 11, 30, 1), dt.date(2026, 11, 30))
    assert type(event.at) is dt.datetime


def test_a_wrong_sleep_is_refused_as_by_python():
    with virtual_time(), pytest.raises(ValueError, match="sleep length must be non-negative"):
        time.sleep(-1)


def test_names_of_a_caller_that_is_no_module_are_replaced_and_restored():
    names = {"virtual_time": virtual_time, "found": []}
    exec("from time import time\nwith virtual_time():\n    found.append(time())", names)
    assert names["found"] == [0.0]
    assert names["time"] is time.time


@pytest.mark.parametrize("start", [0.0, 1_700_000_000.0])
def test_a_program_is_past_its_deadline_after_a_sleep(start):
    """A circuit breaker that compares `time.time() > opened_at + ttl`, after a sleep of the ttl."""
    ttls = (0.1, 0.2, 0.3, 0.7, 0.01)

    async def is_past(ttl):
        opened_at, began = time.time(), time.monotonic()
        await asyncio.sleep(ttl)
        assert time.monotonic() == pytest.approx(began + ttl, abs=1e-12)
        return time.time() > opened_at + ttl

    with virtual_time(start):
        assert [run(is_past(ttl)) for ttl in ttls] == [True] * len(ttls)


def test_a_compiled_module_is_loaded_with_the_classes_of_datetime(monkeypatch):
    """Cython compares their layout, and derives classes from them: `import pandas` for the first time."""
    seen = []
    monkeypatch.setattr("_imp.exec_dynamic", lambda module: seen.append((dt.datetime, dt.date)))
    loader = importlib.machinery.ExtensionFileLoader("compiled", "compiled.so")
    real = dt.datetime, dt.date
    with virtual_time():
        loader.exec_module(types.ModuleType("compiled"))
        assert (dt.datetime, dt.date) != real
    loader.exec_module(types.ModuleType("compiled"))
    assert seen == [real, real]


@pytest.mark.long
def test_pandas_is_imported_in_virtual_time():
    code = "import sim\nwith sim.virtual_time(): import pandas, matplotlib.dates\nprint(pandas.Timestamp(0).year)"
    ended = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert (ended.stdout, ended.stderr) == ("1970\n", "")


def test_a_limiter_with_the_wall_clock_waits_as_long_as_it_says():
    """Five calls, 0.1 s apart: without the virtual clock it would sleep on until the machine's clock has moved."""

    async def main():
        sleeps, allowed = 0, [time.time()]
        while len(allowed) < 5:
            if (wait := allowed[-1] + 0.1 - time.time()) > 0:
                await asyncio.sleep(wait)
                sleeps += 1
            else:
                allowed.append(time.time())
        return sleeps, asyncio.get_running_loop().time()

    for start in (0.0, 1_700_000_000.0):
        with virtual_time(start):
            sleeps, took = run(main())
        assert sleeps <= 8
        assert took == pytest.approx(0.4, abs=1e-5)
