"""Programs with a defect that asyncio's own order hides, and their sound twins.

Each class is a defect. `racy` and `sound` are the two programs, `holds` judges a result.
"""

import asyncio


class LostUpdate:
    """Two deposits read the balance, and each writes it back after an await."""

    @staticmethod
    async def program(lock):
        balance = 100

        async def deposit(amount, hops):
            nonlocal balance
            await hop(hops)
            async with lock:
                before = balance
                await hop()
                balance = before + amount

        await asyncio.gather(deposit(10, 0), deposit(20, 2))
        return balance

    async def racy():
        return await LostUpdate.program(NoLock())

    async def sound():
        return await LostUpdate.program(asyncio.Lock())

    def holds(result):
        return result == 130


class CheckThenAct:
    """The last item is sold twice: an await stands between the check and the sale."""

    @staticmethod
    async def program(again):
        stock, sold = 1, []

        async def buy(who, hops):
            nonlocal stock
            await hop(hops)
            if stock > 0:
                await hop()  # payment
                if again and stock == 0:
                    return
                stock -= 1
                sold.append(who)

        await asyncio.gather(buy("ann", 0), buy("bob", 2), buy("cid", 5))
        return stock

    async def racy():
        return await CheckThenAct.program(again=False)

    async def sound():
        return await CheckThenAct.program(again=True)

    def holds(result):
        return result == 0


class LockDropped:
    """The lock is released between a read and the write that depends on it."""

    @staticmethod
    async def program(dropped):
        lock, total = asyncio.Lock(), 0

        async def add(number, hops):
            nonlocal total
            await hop(hops)
            async with lock:
                before = total
                if not dropped:
                    total = before + number
                    return
            await hop()
            async with lock:
                total = before + number

        await asyncio.gather(add(1, 0), add(2, 2), add(4, 4))
        return total

    async def racy():
        return await LockDropped.program(dropped=True)

    async def sound():
        return await LockDropped.program(dropped=False)

    def holds(result):
        return result == 7


class DoubleCommit:
    """A worker and the retry of a supervisor commit the same job: the state changes only after the commit."""

    @staticmethod
    async def program(reserve):
        state, commits = "open", []

        async def commit(who, hops):
            nonlocal state
            await hop(hops)
            if state == "open":
                if reserve:
                    state = "committing"
                await hop(2)
                commits.append(who)
                state = "done"

        async with asyncio.TaskGroup() as group:
            group.create_task(commit("worker", 0))
            group.create_task(commit("retry", 3))
        return len(commits)

    async def racy():
        return await DoubleCommit.program(reserve=False)

    async def sound():
        return await DoubleCommit.program(reserve=True)

    def holds(result):
        return result == 1


class MissedNotify:
    """A notification before the wait is lost, and the consumer waits for ever."""

    @staticmethod
    async def program(checks):
        condition, items = asyncio.Condition(), []

        async def consume():
            async with condition:
                if not checks:
                    await condition.wait()
                else:
                    await condition.wait_for(lambda: items)
                return items.pop()

        async def produce():
            await hop()
            async with condition:
                items.append("item")
                condition.notify()

        return (await asyncio.gather(consume(), produce()))[0]

    async def racy():
        return await MissedNotify.program(checks=False)

    async def sound():
        return await MissedNotify.program(checks=True)

    def holds(result):
        return result == "item"


class DeadlockByOrder:
    """Two transfers take the same two locks in opposite order."""

    @staticmethod
    async def program(sorts):
        locks = {"a": asyncio.Lock(), "b": asyncio.Lock()}
        done = 0

        async def transfer(source, target, hops):
            nonlocal done
            first, second = sorted((source, target)) if sorts else (source, target)
            await hop(hops)
            async with locks[first]:
                await hop()
                async with locks[second]:
                    done += 1

        await asyncio.gather(transfer("a", "b", 0), transfer("b", "a", 2))
        return done

    async def racy():
        return await DeadlockByOrder.program(sorts=False)

    async def sound():
        return await DeadlockByOrder.program(sorts=True)

    def holds(result):
        return result == 2


class OrderOfMessages:
    """Two writes take equally long, and the reader relies on the first one ending first."""

    @staticmethod
    async def program(waits):
        log = []

        async def write(event):
            await asyncio.sleep(0.005)
            log.append(event)

        if waits:
            await write("created")
            await write("shipped")
        else:
            await asyncio.gather(write("created"), write("shipped"))
        return log

    async def racy():
        return await OrderOfMessages.program(waits=False)

    async def sound():
        return await OrderOfMessages.program(waits=True)

    def holds(result):
        return result == ["created", "shipped"]


class OpenedTwice:
    """A connection that is opened on first use is opened twice."""

    @staticmethod
    async def program(lock):
        opened, connection = 0, None

        async def connect():
            nonlocal opened, connection
            async with lock:
                if connection is None:
                    await hop()
                    opened += 1
                    connection = object()
            return connection

        async def request(hops):
            await hop(hops)
            await connect()

        await asyncio.gather(request(0), request(2), request(4))
        return opened

    async def racy():
        return await OpenedTwice.program(NoLock())

    async def sound():
        return await OpenedTwice.program(asyncio.Lock())

    def holds(result):
        return result == 1


class EmptyThenGet:
    """Workers ask whether the queue is empty and then wait for an item that another one has taken."""

    @staticmethod
    async def program(at_once):
        queue, done = asyncio.Queue(), []
        for number in range(3):
            queue.put_nowait(number)

        async def work(hops):
            await hop(hops)
            while not queue.empty():
                if not at_once:
                    await hop()
                done.append(queue.get_nowait() if at_once else await queue.get())

        async with asyncio.TaskGroup() as group:
            for hops in (0, 5):
                group.create_task(work(hops))
        return sorted(done)

    async def racy():
        return await EmptyThenGet.program(at_once=False)

    async def sound():
        return await EmptyThenGet.program(at_once=True)

    def holds(result):
        return result == [0, 1, 2]


class ChangedWhileIterated:
    """A table changes while a task that awaits iterates over it."""

    @staticmethod
    async def program(copies):
        sessions = dict.fromkeys("abc", 0)

        async def ping():
            for name in [*sessions] if copies else sessions:
                await hop()
                if name in sessions:
                    sessions[name] += 1

        async def leave(name):
            await hop(5)
            del sessions[name]

        await asyncio.gather(ping(), leave("b"))
        return len(sessions)

    async def racy():
        return await ChangedWhileIterated.program(copies=False)

    async def sound():
        return await ChangedWhileIterated.program(copies=True)

    def holds(result):
        return result == 2


class ClosedInUse:
    """A pool is closed when the last request that it has counted has ended, while another one is on its way."""

    @staticmethod
    async def program(counts_first):
        users, is_open, errors = 0, True, []

        async def use(hops):
            nonlocal users
            await hop(hops)
            users += not counts_first
            await hop(2)
            if not is_open:
                errors.append("closed")
            users -= 1

        async def close():
            nonlocal is_open
            await hop(4)
            while users:
                await hop()
            is_open = False

        users = 2 if counts_first else 0
        await asyncio.gather(use(0), use(2), close())
        return errors

    async def racy():
        return await ClosedInUse.program(counts_first=False)

    async def sound():
        return await ClosedInUse.program(counts_first=True)

    def holds(result):
        return not result


class TimeoutTie:
    """An answer and its timeout come at the same instant, and the request is counted as failed and as done."""

    @staticmethod
    async def program(asks):
        done, failed = [], []

        async def call():
            await asyncio.sleep(1)
            done.append("call")

        async def request():
            try:
                async with asyncio.timeout(1.0):
                    await call()
                    await hop()  # writes the answer down
            except TimeoutError:
                if not asks or not done:
                    failed.append("request")

        async def other():
            await asyncio.sleep(1)
            await hop()

        await asyncio.gather(other(), request(), other())
        return len(done) + len(failed)

    async def racy():
        return await TimeoutTie.program(asks=False)

    async def sound():
        return await TimeoutTie.program(asks=True)

    def holds(result):
        return result == 1


class ThreeInARow:
    """Three tasks have to run in one order of many before the defect shows."""

    @staticmethod
    async def program(keeps):
        seen, bad = [], []

        async def step(name, hops):
            for _ in range(hops):
                await hop()
            seen.append(name)
            if not keeps and seen == ["c", "b", "a"]:
                bad.append(tuple(seen))

        await asyncio.gather(step("a", 2), step("b", 3), step("c", 4))
        return bad

    async def racy():
        return await ThreeInARow.program(keeps=False)

    async def sound():
        return await ThreeInARow.program(keeps=True)

    def holds(result):
        return not result


class StaleThread:
    """A value is computed in a thread from a state that has changed when the result arrives."""

    @staticmethod
    async def program(compares):
        version, saved = 1, None

        async def save():
            nonlocal saved
            while True:
                read = version
                text = await asyncio.to_thread(str, read)
                if not compares or read == version:
                    saved = text
                    return

        async def change():
            nonlocal version, saved
            await hop(5)
            version, saved = 2, "2"

        await asyncio.gather(save(), change())
        return saved

    async def racy():
        return await StaleThread.program(compares=False)

    async def sound():
        return await StaleThread.program(compares=True)

    def holds(result):
        return result == "2"


class NoLock:
    """Where a lock is missing."""

    async def __aenter__(self):
        """Does not wait."""

    async def __aexit__(self, *_):
        """Releases nothing."""


async def hop(times=1):
    """So many awaits."""
    for _ in range(times):
        await asyncio.sleep(0)


GALLERY = (
    LostUpdate,
    CheckThenAct,
    LockDropped,
    DoubleCommit,
    MissedNotify,
    DeadlockByOrder,
    OrderOfMessages,
    OpenedTwice,
    EmptyThenGet,
    ChangedWhileIterated,
    ClosedInUse,
    TimeoutTie,
    ThreeInARow,
    StaleThread,
)
