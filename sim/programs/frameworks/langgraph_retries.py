"""When LangGraph attempts a node again that fails: a RetryPolicy, measured by running it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from sim.loop import run
from sim.loop.virtual_time import virtual_time
from sim.programs.frameworks.arguments import seed_number
from sim.programs.frameworks.errors import InvalidFault
from sim.programs.frameworks.installed import needs

with needs("langgraph"):
    from langgraph.graph import START, StateGraph
    from langgraph.types import RetryPolicy

if TYPE_CHECKING:
    import pandas as pd


def measure_retries(
    retry_policy: RetryPolicy,
    *,
    runs: int = 1,
    seed: int = 0,
    error: type[Exception] = ConnectionError,
    most: int = 100,
) -> pd.DataFrame:
    """Run a graph whose node raises `error` at each attempt, and measure the attempts, in virtual time.

    One row for each attempt: `run` and `attempt`, both from 1, and `delay`, the seconds since the attempt before, NaN
    for the first one. `seed` seeds `random`, from which LangGraph draws the jitter. Attempt number `most` succeeds, for
    a policy without a limit.

    Raises InvalidFault for an argument that is not valid.
    """
    if not isinstance(retry_policy, RetryPolicy):
        raise InvalidFault(f"retry_policy={retry_policy!r}: must be a langgraph.types.RetryPolicy")
    for name, number in (("runs", runs), ("most", most)):
        if isinstance(number, bool) or not isinstance(number, int) or number < 1:
            raise InvalidFault(f"{name}={number!r}: must be a whole number from 1")
    seed_number("seed", seed)
    attempts: list[float] = []
    rows: list[tuple[int, int, float]] = []

    async def work(_: dict[str, Any]) -> dict[str, Any]:
        attempts.append(asyncio.get_running_loop().time())
        if len(attempts) < most:
            raise error("the attempt fails")
        return {}

    builder: Any = StateGraph(dict)
    builder.add_node("work", work, retry_policy=retry_policy)
    builder.add_edge(START, "work")
    graph = builder.compile()

    async def main() -> None:
        for number in range(1, runs + 1):
            attempts.clear()
            with suppress(error):
                await graph.ainvoke({})
            delays = [float("nan"), *(after - before for before, after in pairwise(attempts))]
            rows.extend((number, attempt, delay) for attempt, delay in enumerate(delays, 1))

    with virtual_time(seed=seed):
        run(main())
    import pandas as pd  # noqa: PLC0415 - pandas takes longer to load than most measurements

    return pd.DataFrame(rows, columns=["run", "attempt", "delay"])
