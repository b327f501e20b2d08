"""A bounded gather: runs coroutines concurrently, at most so many at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence


async def bounded_gather(functions: Sequence[Callable[[], Awaitable[None]]], limit: int | None) -> None:
    """Call all functions, started in order, at most `limit` at once (None: any number).

    An error does not stop the others. When all have ended, the first error in the order of the functions is raised.
    """
    errors: list[Exception | None] = [None] * len(functions)

    async def call(place: int) -> None:
        try:
            await functions[place]()
        except Exception as error:  # noqa: BLE001 - it is raised below
            errors[place] = error

    if len(functions) <= 1 or limit == 1:
        for place in range(len(functions)):
            await call(place)
    else:
        remaining = iter(range(len(functions)))

        async def worker() -> None:
            for place in remaining:
                await call(place)

        await asyncio.gather(*(worker() for _ in range(min(len(functions), limit or len(functions)))))
    for error in errors:
        if error is not None:
            raise error
