"""Programs that lose or repeat something when their power is cut, each with a sound sibling."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sim import Durable

ORDERS = ("a", "b")


@dataclass(frozen=True)
class Pair:
    """A broken program and its sound sibling, which share what they are checked for."""

    broken: Callable[[Durable], Any]
    sound: Callable[[Durable], Any]
    check: Callable[[Durable], Any]


# ------------------------------------------------------------------------------------- an effect and its record


async def effect_before_record(durable: Durable) -> None:
    for order in ORDERS:
        if await durable.store().get(order) is None:
            await durable.request("charged")
            await durable.store().put(order, "charged")


async def record_before_effect(durable: Durable) -> None:
    for order in ORDERS:
        if await durable.store().get(order) is None:
            await durable.store().put(order, "charged")
            await durable.request("charged")


async def effect_with_a_key(durable: Durable) -> None:
    for order in ORDERS:
        if await durable.store().get(order) is None:
            await durable.request("charged", idempotency_key=order)
            await durable.store().put(order, "charged")


def each_is_charged_once(durable: Durable) -> None:
    assert durable.effects["charged"] == len(ORDERS)


# ------------------------------------------------------------------------------------------------- two records


async def resumed_transfer(durable: Durable) -> None:
    store = durable.store()
    for name in ("savings", "checking"):  # repeats what it has done: adds to what is there
        await store.put(name, await store.get(name, 0) + 50)
    await store.put("moved", True)


async def one_write(durable: Durable) -> None:
    store = durable.store()
    if not await store.get("moved"):
        balance = {name: await store.get(name, 0) + 50 for name in ("savings", "checking")}
        await store.write({**balance, "moved": True})


def each_gets_fifty(durable: Durable) -> bool:
    return durable.store()["savings"] == durable.store()["checking"] == 50


# ------------------------------------------------------------------------------------------------------- a queue


async def produce_once(durable: Durable) -> None:
    if not await durable.store().get("produced"):
        for order in ORDERS[(await durable.store().get("sent", 0)) :]:
            await durable.queue().put(order)
            await durable.store().put("sent", await durable.store().get("sent", 0) + 1)
        await durable.store().put("produced", True)


async def ack_before_commit(durable: Durable) -> None:
    await produce_once(durable)
    while len(durable.queue()):
        message = await durable.queue().get()
        await message.ack()
        await durable.store().put(message.body, "done")


async def commit_before_ack(durable: Durable) -> None:
    await produce_once(durable)
    while len(durable.queue()):
        message = await durable.queue().get()
        await durable.store().put(message.body, "done")
        await message.ack()


def each_is_done(durable: Durable) -> None:
    assert all(order in durable.store() for order in ORDERS)


# -------------------------------------------------------------------------------------------------------- a file


async def write_in_place(durable: Durable) -> None:
    file = durable.file("state.json")
    for step in range(3):
        await file.write(json.dumps({"step": step, "text": "x" * 20}))
        await file.fsync()


async def rename_without_fsync(durable: Durable) -> None:
    for step in range(3):
        file = durable.file("state.json.new")
        await file.write(json.dumps({"step": step, "text": "x" * 20}))
        await file.rename("state.json")


async def fsync_and_rename(durable: Durable) -> None:
    for step in range(3):
        file = durable.file("state.json.new")
        await file.write(json.dumps({"step": step, "text": "x" * 20}))
        await file.fsync()
        await file.rename("state.json")
    await durable.disk().sync()


async def read_state(durable: Durable) -> None:
    file = durable.file("state.json")
    if file.exists:
        json.loads(await file.read())


# ---------------------------------------------------------------------------------------------------- an outbox


async def send_then_remove(durable: Durable) -> None:
    outbox = durable.outbox()
    if not await durable.store().get("paid"):
        await outbox.write({"paid": True}, "receipt")
    for message in await outbox.pending():
        await durable.request("mailed")
        await outbox.sent(message)


async def send_with_key(durable: Durable) -> None:
    outbox = durable.outbox()
    if not await durable.store().get("paid"):
        await outbox.write({"paid": True}, "receipt")
    for message in await outbox.pending():
        await durable.request("mailed", idempotency_key=message.key)
        await outbox.sent(message)


async def state_then_message(durable: Durable) -> None:
    if not await durable.store().get("paid"):
        await durable.store().put("paid", True)
        await durable.outbox().write({}, "receipt")
    for message in await durable.outbox().pending():
        await durable.request("mailed", idempotency_key=message.key)
        await durable.outbox().sent(message)


def mailed_once(durable: Durable) -> None:
    assert durable.effects["mailed"] == 1


# -------------------------------------------------------------------------------------- a database and a store


async def commit_each_row(durable: Durable) -> None:
    with durable.database().connect() as connection:
        await asyncio.to_thread(connection.execute, "CREATE TABLE IF NOT EXISTS rows (name UNIQUE)")
    connection = durable.database().connect()
    for name in ("debit", "credit"):
        await asyncio.to_thread(connection.execute, "INSERT OR IGNORE INTO rows VALUES (?)", (name,))
        await asyncio.to_thread(connection.commit)
    connection.close()


async def commit_both_rows(durable: Durable) -> None:
    with durable.database().connect() as connection:
        await asyncio.to_thread(connection.execute, "CREATE TABLE IF NOT EXISTS rows (name UNIQUE)")
    connection = durable.database().connect()
    for name in ("debit", "credit"):
        await asyncio.to_thread(connection.execute, "INSERT OR IGNORE INTO rows VALUES (?)", (name,))
    await asyncio.to_thread(connection.commit)
    connection.close()


def both_rows_or_none(durable: Durable) -> bool:
    tables = durable.database().rows("SELECT count(*) FROM sqlite_master")
    return tables == [(0,)] or durable.database().rows("SELECT count(*) FROM rows")[0][0] in (0, 2)


async def nothing(_: Durable) -> None:
    """A resume that only looks at what has survived."""


# ------------------------------------------------------------------------------------------------------ unsynced


async def not_synced(durable: Durable) -> None:
    store = durable.store("cache", synced=False)
    if await store.get("charged") is None:
        await durable.request("charged", idempotency_key="a")
        await store.put("charged", True)
        await durable.request("shipped")


async def synced(durable: Durable) -> None:
    store = durable.store("cache", synced=False)
    if await store.get("charged") is None:
        await durable.request("charged", idempotency_key="a")
        await store.put("charged", True)
        await store.sync()
    await durable.request("shipped", idempotency_key="a")


def shipped_once(durable: Durable) -> bool:
    return durable.effects["charged"] == durable.effects["shipped"] == 1


PAIRS = {
    "an effect before its record": Pair(effect_before_record, effect_with_a_key, each_is_charged_once),
    "a record before its effect": Pair(record_before_effect, effect_with_a_key, each_is_charged_once),
    "a resume that repeats": Pair(resumed_transfer, one_write, each_gets_fifty),
    "an acknowledgment before the commit": Pair(ack_before_commit, commit_before_ack, each_is_done),
    "an outbox without idempotency key": Pair(send_then_remove, send_with_key, mailed_once),
    "a message outside the state's write": Pair(state_then_message, send_with_key, mailed_once),
    "a store that is not synced": Pair(not_synced, synced, shipped_once),
}
"""Resumed by running again."""

READ = {
    "a file written in place": Pair(write_in_place, fsync_and_rename, lambda _: True),
    "a file renamed without fsync": Pair(rename_without_fsync, fsync_and_rename, lambda _: True),
}
"""Resumed by `read_state`."""

JUDGED = {"a transaction in two commits": Pair(commit_each_row, commit_both_rows, both_rows_or_none)}
"""Judged as the cut has left them."""
