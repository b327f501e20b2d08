"""One leader among several cores: who holds the lease recovers, and nobody else.

A lease is a line in a store that everybody sees. Its holder renews it; the others watch it, and take it when it has not
been renewed for as long as it lasts *by their own clocks, since they saw it change last*. No two clocks are compared,
so it does not matter what they show, only how fast they run: the holder stops after `duration / drift` of its own time,
and a candidate waits for `duration` of its own, which is longer as long as no clock runs `drift` times as fast as
another.

A core that sleeps past its lease wakes up and believes what it believed. So each lease has an epoch, one higher than
the last, and the store refuses what is written under an older one: `Deposed` (C. Gray and D. Cheriton, "Leases", SOSP
1989; the epoch is what M. Burrows calls a sequencer in "The Chubby lock service", OSDI 2006).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Annotated, Protocol

from pydantic import BaseModel, ConfigDict, Field, model_validator

from recovery.policies.durations import PositiveSeconds


class Deposed(asyncio.CancelledError):
    """Another core holds the lease. What was about to be done is not done, and nothing is to be done about it.

    It is a cancellation, so that nobody takes it for a failure that has to be handled: handling is what is over.
    """


class LeaseConfig(BaseModel):
    """How long a lease lasts, and how often it is renewed (s).

    `drift`: by what factor the rates of two clocks may differ; what they show does not matter. A store whose answers
    take half of `held_for` or longer keeps nobody in office.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    duration: PositiveSeconds = 15.0
    renew_every: PositiveSeconds = 3.0
    drift: Annotated[float, Field(ge=1, allow_inf_nan=False)] = 1.25

    @model_validator(mode="after")
    def _can_be_held(self) -> LeaseConfig:
        if self.renew_every >= self.held_for:
            raise ValueError(f"renew_every: the lease would be over before; valid: less than {self.held_for:g} s")
        return self

    @property
    def held_for(self) -> float:
        """Seconds of its own clock for which a holder may act after it began to ask for a renewal that was granted."""
        return self.duration / self.drift


@dataclass(frozen=True, slots=True)
class Lease:
    """Who leads. `epoch` grows with each holder, `renewals` with each time that one says that it is there."""

    name: str
    holder: str
    epoch: int
    renewals: int = 0

    @property
    def is_free(self) -> bool:
        """Its holder has given it up."""
        return not self.holder


class Leases(Protocol):
    """Leases in a store that all cores see. Each change is made only if the lease is still as it was seen."""

    async def look(self, name: str) -> Lease | None:
        """The lease as it is, None when nobody has ever had it."""

    async def change(self, seen: Lease | None, to: Lease) -> bool:
        """Put a lease in the place of what was seen. False: it is another one by now."""


class MemoryLeases:
    """Leases of cores that share a memory."""

    def __init__(self) -> None:
        self._leases: dict[str, Lease] = {}

    async def look(self, name: str) -> Lease | None:
        """The lease as it is."""
        return self._leases.get(name)

    async def change(self, seen: Lease | None, to: Lease) -> bool:
        """Put a lease in the place of what was seen."""
        if self._leases.get(to.name) != seen:
            return False
        self._leases[to.name] = to
        return True


@dataclass(slots=True)
class _Held:
    """A lease as it was renewed last, and until when (s of the clock) it is surely nobody else's."""

    lease: Lease
    until: float


class Candidate:
    """A core that wants to lead. `lead` is run while it does, and canceled when it does no more.

    `clock` is its own, in seconds; a store that cannot be reached, or that takes its time, is one that does not renew.
    `lead` is given the lease: what it writes has to be refused once the store has a higher epoch.
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
        self._own_clock = clock
        self._sleep = sleep

    async def run(self) -> None:
        """Wait for the lease, lead, and wait for it again, until canceled. The lease is given up then."""
        while True:
            asked_at, lease = await self._take()
            await self._lead_until_deposed(asked_at, lease)

    # --------------------------------------------------------------------------------------------------- waiting
    async def _take(self) -> tuple[float, Lease]:
        """The lease, and when it was asked for."""
        seen, since = None, self._clock()
        while True:
            found = await self._looked()
            if found is not None and found != seen:
                seen, since = found, self._clock()
            if found is None or found.is_free or self._clock() - since >= self._config.duration:
                asked_at = self._clock()
                mine = Lease(self._name, self._holder, 1 if found is None else found.epoch + 1)
                if await self._changed(found, mine):
                    return asked_at, mine
            await self._sleep(self._config.renew_every)

    async def _looked(self) -> Lease | None:
        """What the store says; that it says nothing is no reason to take the lease."""
        while True:
            try:
                return await self._leases.look(self._name)
            except Exception:  # noqa: BLE001 - whatever a store raises
                await self._sleep(self._config.renew_every)

    async def _changed(self, seen: Lease | None, to: Lease) -> bool:
        try:
            return await self._leases.change(seen, to)
        except Exception:  # noqa: BLE001 - whatever a store raises: it may have been changed, or not
            return False

    # --------------------------------------------------------------------------------------------------- leading
    async def _lead_until_deposed(self, asked_at: float, lease: Lease) -> None:
        leading = asyncio.ensure_future(self._lead(lease))
        held = _Held(lease, asked_at + self._config.held_for)
        try:
            await self._renew(asked_at, held, leading)
        finally:
            leading.cancel()
            await asyncio.wait([leading])
            if self._clock() < held.until:  # and not before nobody acts under it any more
                await self._changed(held.lease, replace(held.lease, holder=""))
        if not leading.cancelled():
            leading.result()  # a defect of whoever leads is not a lost lease

    async def _renew(self, asked_at: float, held: _Held, leading: asyncio.Future[None]) -> None:
        """Renew the lease until it is lost, or until leading is over."""
        while not leading.done() and self._clock() < held.until:
            due = min(asked_at + self._config.renew_every, held.until)
            pause = asyncio.ensure_future(self._sleep(max(0.0, due - self._clock())))
            await asyncio.wait([leading, pause], return_when=asyncio.FIRST_COMPLETED)
            pause.cancel()
            asked_at = self._clock()
            renewed = replace(held.lease, renewals=held.lease.renewals + 1)
            if asked_at < held.until and await self._in_time(held.lease, renewed, held.until):
                held.lease, held.until = renewed, asked_at + self._config.held_for

    async def _in_time(self, lease: Lease, renewed: Lease, until: float) -> bool:
        """Whether the store has renewed the lease before it is over; one that does not answer has not."""
        asking = asyncio.ensure_future(self._changed(lease, renewed))
        waiting = asyncio.ensure_future(self._sleep(until - self._clock()))
        await asyncio.wait([asking, waiting], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if not asking.done():
            asking.cancel()
            return False
        return asking.result()

    def _clock(self) -> float:
        return asyncio.get_running_loop().time() if self._own_clock is None else self._own_clock()
