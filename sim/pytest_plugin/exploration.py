"""The fixture `explore`: runs a program in many orders in a test function, and fails with the interleaving."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from sim.programs.exploration.report import Exploration

REPLAY = "--explore-replay"
RUNS = "--explore-runs"


def add_options(parser: pytest.Parser) -> None:
    """Add the options of the fixture."""
    group = parser.getgroup("recovery-bench explore", "the fixture explore")
    group.addoption(
        REPLAY, metavar="TOKEN", help="the fixture explore runs this order only, of the program that it is of"
    )
    group.addoption(RUNS, metavar="N", help="runs of each exploration, instead of those of the test")


def check_options(config: pytest.Config) -> None:
    """Raise UsageError for invalid options."""
    runs, token = config.getoption(RUNS), config.getoption(REPLAY)
    if runs is not None and not (runs.isascii() and runs.isdigit() and 0 < int(runs) < 10**9):
        raise pytest.UsageError(f"{RUNS} {runs}: not a number of runs; valid: a whole number such as 1000")
    if token is not None:
        from sim.programs.exploration.errors import InvalidToken  # noqa: PLC0415 - only with the option
        from sim.programs.exploration.tokens import parse  # noqa: PLC0415

        try:
            parse(token)
        except InvalidToken as error:
            raise pytest.UsageError(f"{REPLAY}: {error}") from None


class Explore:
    """Explores programs for a test."""

    def __init__(self, config: pytest.Config, nodeid: str) -> None:
        self._config = config
        self._nodeid = nodeid

    def __call__(
        self, main: Callable[[], Any], check: Callable[..., object] | None = None, **options: Any
    ) -> Exploration | None:
        """As `sim.explore`, but fails the test, with the interleaving and how to replay it, if a run fails.

        With `--explore-replay TOKEN` only that order is run, if the token is of this program, and None is returned.
        """
        __tracebackhide__ = True
        from sim.programs.exploration.explore import explore, is_of, replay  # noqa: PLC0415 - only who explores

        token, runs = self._config.getoption(REPLAY), self._config.getoption(RUNS)
        if token is not None and is_of(main, token):
            limits = {name: options[name] for name in ("max_steps", "max_time") if name in options}
            replay(main, token, check, **limits)
            return None
        if runs is not None:
            options["runs"] = int(runs)
        report = explore(main, check, **options)
        if not report.holds:
            command = shlex.join(["pytest", self._nodeid, f"{REPLAY}={report.token}"])
            pytest.fail(f"{report}\n    or: {command}", pytrace=False)
        return report


@pytest.fixture
def explore(request: pytest.FixtureRequest) -> Explore:
    """Runs a program in many orders: `explore(main, check, strategy="pct", runs=200)` fails if one of them fails."""
    return Explore(request.config, request.node.nodeid)
