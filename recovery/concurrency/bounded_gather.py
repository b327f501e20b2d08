"""Work that overlaps: so many at once, and all of it comes to its end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence


async def overlapping(works: Sequence[Callable[[], Awaitable[None]]], most: int | None) -> None:
    """Do all works, begun in order, at most `most` of them at once (None: any number).

    One that fails holds up none of the others: when all have ended, the first error in their order is raised.
    """
    errors: list[Exception | None] = [None] * len(works)

    async def do(place: int) -> None:
        try:
            await works[place]()
        except Exception as error:  # noqa: BLE001 - it is raised below
            errors[place] = error

    if len(works) == 1 or most == 1:
        for place in range(len(works)):
            await do(place)
    else:
        waiting = iter(range(len(works)))

        async def one_after_the_other() -> None:
            for place in waiting:
                await do(place)

        await asyncio.gather(*(one_after_the_other() for _ in range(min(len(works), most or len(works)))))
    for error in errors:
        if error is not None:
            raise error
