"""Leader election: of several cores, only the holder of the lease recovers.

A lease is a row in a shared store. Its holder renews it. The other cores observe it, and take it if it was not renewed
for its `duration` *by their own clocks, since they last saw it change*. Clocks are not compared, so that only their
rates matter: the holder stops after `duration / drift` by its clock, and a candidate waits for `duration` by its own,
which is longer unless one clock runs more than `drift` times as fast as another.

A core that was suspended for longer than its lease does not notice that at once. Therefore each lease has an epoch, one
higher than the last, and the store refuses writes under an older epoch: `Deposed` (C. Gray and D. Cheriton, "Leases",
SOSP 1989; the epoch is the sequencer of M. Burrows, "The Chubby lock service", OSDI 2006).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Annotated, Protocol

from pydantic import BaseModel, ConfigDict, Field, model_validator

from recovery.concurrency.time_limit import rest_of_instant
from recovery.policies.durations import PositiveSeconds
from recovery.policies.time_limits import in_time


class Deposed(asyncio.CancelledError):
    """Another core holds the lease, and the action was refused.

    It is a cancellation, and not an error, so that no error handler acts on it.
    """


class LeaseConfig(BaseModel):
    """The duration of a lease, and the interval between its renewals, in seconds.

    `drift` is the factor by which the rates of two clocks may differ. If the store takes half of `held_for` or longer
    to answer, the lease is lost.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    duration: PositiveSeconds = 15.0
    renew_every: PositiveSeconds = 3.0
    drift: Annotated[float, Field(ge=1, allow_inf_nan=False)] = 1.25

    @model_validator(mode="after")
    def _can_be_held(self) -> LeaseConfig:
        if self.renew_every >= self.held_for:
            raise ValueError(f"renew_every: the lease would expire before; valid: less than {self.held_for:g} s")
        return self

    @property
    def held_for(self) -> float:
        """The seconds of its own clock for which a holder may act after it has requested a successful renewal."""
        return self.duration / self.drift


@dataclass(frozen=True, slots=True)
class Lease:
    """A lease and its holder. `epoch` increases with each holder, `renewals` with each renewal."""

    name: str
    holder: str
    epoch: int
    renewals: int = 0

    @property
    def is_free(self) -> bool:
        """Whether its holder has released it."""
        return not self.holder


class Leases(Protocol):
    """The leases in a shared store, with compare-and-set changes.

    A store that can answer without a wait may have `change_now` as well: like `change`, or None if it cannot now.
    """

    async def look(self, name: str) -> Lease | None:
        """The present lease; None if there has been none."""

    async def change(self, seen: Lease | None, to: Lease) -> bool:
        """Replace the lease if it is still `seen`. False: it has changed."""


class MemoryLeases:
    """Leases in memory."""

    def __init__(self) -> None:
        self._leases: dict[str, Lease] = {}

    async def look(self, name: str) -> Lease | None:
        """The present lease."""
        return self._leases.get(name)

    async def change(self, seen: Lease | None, to: Lease) -> bool:
        """Replace the lease if it is still `seen`."""
        return self.replaced(seen, to)

    def replaced(self, seen: Lease | None, to: Lease) -> bool:
        """`change`, as a plain function."""
        found = self._leases.get(to.name)
        if found is not seen and found != seen:
            return False
        self._leases[to.name] = to
        return True


@dataclass(slots=True)
class _Held:
    """The last renewal of a lease, and the instant (s of the clock) until which no other core can hold it."""

    lease: Lease
    until: float
    is_waiting: bool = False  # for the next renewal


class Candidate:
    """A core that can lead. `lead` runs while it holds the lease, and is cancelled when the lease is lost.

    `clock` is its own, in seconds. If the store is not reachable, or slow, the lease is not renewed. `lead` gets the
    lease: the store has to refuse its writes if it has a lease with a higher epoch.
    """

    def __init__(
        self,
        leases: Leases,
        name: str,
        holder: str,
        config: LeaseConfig,
        lead: Callable[[Lease], Awaitable[None]],
        *,
        clock: Callable[[], float] | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._leases = leases
        self._name = name
        self._holder = holder
        self._config = config
        self._lead = lead
        self._clock: Callable[[], float] = _time_of_the_loop if clock is None else clock
        self._sleep = sleep
        self._change_now: Callable[[Lease, Lease], bool | None] = getattr(leases, "change_now", lambda seen, to: None)

    async def run(self) -> None:
        """Wait for the lease, lead, and repeat, until cancelled. Then the lease is released."""
        while True:
            asked_at, lease = await self._take()
            await self._lead_until_deposed(asked_at, lease)

    # --------------------------------------------------------------------------------------------------- waiting
    async def _take(self) -> tuple[float, Lease]:
        """Wait for the lease; returns the instant of the request, and the lease."""
        seen, since = None, self._clock()
        while True:
            found = await self._looked()
            if found is not None and found != seen:
                seen, since = found, self._clock()
            if found is None or found.is_free or await self._expired(found, since):
                asked_at = self._clock()
                mine = Lease(self._name, self._holder, 1 if found is None else found.epoch + 1)
                if await self._changed(found, mine):
                    return asked_at, mine
            await self._sleep(self._config.renew_every)

    async def _expired(self, seen: Lease, since: float) -> bool:
        """Whether a lease was not renewed for its duration, since this core saw it change.

        A renewal at the instant at which the duration ends is in time, and is therefore waited for.
        """
        waited = self._clock() - since
        if not in_time(self._config.duration, waited):
            return False
        if waited > self._config.duration:
            return True
        await rest_of_instant()
        return await self._looked() == seen

    async def _looked(self) -> Lease | None:
        """Read the lease. Repeats until the store answers, because an error is no reason to take the lease."""
        while True:
            try:
                return await self._leases.look(self._name)
            except Exception:  # noqa: BLE001 - a store may raise anything
                await self._sleep(self._config.renew_every)

    async def _changed(self, seen: Lease | None, to: Lease) -> bool:
        try:
            return await self._leases.change(seen, to)
        except Exception:  # noqa: BLE001 - a store may raise anything; the change may have been made
            return False

    # --------------------------------------------------------------------------------------------------- leading
    async def _lead_until_deposed(self, asked_at: float, lease: Lease) -> None:
        leading = asyncio.ensure_future(self._lead(lease))
        held = _Held(lease, asked_at + self._config.held_for)
        renewing = asyncio.ensure_future(self._renew(asked_at, held, leading))
        leading.add_done_callback(lambda _: renewing.cancel() if held.is_waiting else None)
        try:
            await asyncio.wait([renewing])
            if not renewing.cancelled():
                renewing.result()
        finally:
            renewing.cancel()
            leading.cancel()
            await asyncio.wait([leading, renewing])
            if self._clock() < held.until:  # released after everything under it has ended
                await self._changed(held.lease, replace(held.lease, holder=""))
        if not leading.cancelled():
            leading.result()  # raises an error of `lead`, which is not a lost lease

    async def _renew(self, asked_at: float, held: _Held, leading: asyncio.Future[None]) -> None:
        """Renew the lease until it is lost, or until `lead` has ended."""
        held_for = self._config.held_for
        while not leading.done() and (now := self._clock()) < held.until:
            due = min(asked_at + self._config.renew_every, held.until)
            held.is_waiting = True
            await self._sleep(max(0.0, due - now))
            held.is_waiting = False
            asked_at = self._clock()
            renewed = Lease(held.lease.name, held.lease.holder, held.lease.epoch, held.lease.renewals + 1)
            if asked_at <= held.until and await self._in_time(held.lease, renewed, held.until):
                held.lease, held.until = renewed, asked_at + held_for

    async def _in_time(self, lease: Lease, renewed: Lease, until: float) -> bool:
        """Whether the store has renewed the lease before it expires."""
        try:
            answer = self._change_now(lease, renewed)
        except Exception:  # noqa: BLE001 - a store may raise anything; the change may have been made
            return False
        if answer is not None:
            return answer
        asking = asyncio.ensure_future(self._changed(lease, renewed))
        await asyncio.sleep(0)  # a store in memory answers at once
        if asking.done():
            return asking.result()
        waiting = asyncio.ensure_future(self._sleep(until - self._clock()))
        await asyncio.wait([asking, waiting], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if not asking.done():
            await asyncio.sleep(0)  # an answer at the instant of the expiry is in time
        if not asking.done():
            asking.cancel()
            return False
        return asking.result()


def _time_of_the_loop() -> float:
    return asyncio.get_running_loop().time()
