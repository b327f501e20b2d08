"""The fixture `crash_sweep`: cuts the power of a program in a test, and fails with the smallest failing cut."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from sim.programs.crash_sweep.report import CrashSweepReport

CUTS: Final = "--crash-sweep-cuts"
MARKER: Final = "crash_sweep"


def add_options(parser: pytest.Parser) -> None:
    """Add the option of the fixture."""
    group = parser.getgroup("recovery-bench crash sweep", "the fixture crash_sweep")
    group.addoption(
        CUTS,
        metavar="CUTS",
        help="cuts of each crash sweep, instead of those of the test: all, twice, a number, or the token of a failure",
    )


def configure(config: pytest.Config) -> None:
    """Add the marker. Raises UsageError for an invalid option."""
    config.addinivalue_line(
        "markers",
        f"{MARKER}(cuts=…, seed=…, max_steps=…, max_time=…): a test with the fixture crash_sweep, and its defaults",
    )
    given = config.getoption(CUTS)
    if given is not None:
        from sim.programs.crash_sweep.cuts import checked  # noqa: PLC0415 - only with the option
        from sim.programs.crash_sweep.errors import InvalidCut  # noqa: PLC0415

        try:
            checked(_cuts(given))
        except InvalidCut as error:
            raise pytest.UsageError(f"{CUTS}: {error}") from None


def _cuts(given: str) -> str | int:
    return int(given) if given.isascii() and given.isdigit() and len(given) < 10 else given  # a larger number is none


class CrashSweep:
    """Sweeps programs for a test."""

    def __init__(self, item: pytest.Item) -> None:
        self._nodeid = item.nodeid
        self._given = item.config.getoption(CUTS)
        self._defaults: dict[str, Any] = {}
        for marker in reversed([*item.iter_markers(MARKER)]):
            if marker.args:
                raise pytest.UsageError(f"{item.nodeid}: @pytest.mark.{MARKER}: valid: names, such as cuts='twice'")
            self._defaults.update(marker.kwargs)

    def __call__(
        self,
        setup: Callable[[], Any],
        start: Callable[[Any], Any],
        resume: Callable[[Any], Any] | None,
        check: Callable[[Any], Any],
        cuts: str | int | None = None,
        **options: Any,
    ) -> CrashSweepReport:
        """As `sim.crash_sweep`, but fails the test if the program does not recover from every cut.

        The failure has the smallest failing cut, its token, and the command that repeats it.
        """
        __tracebackhide__ = True
        from sim.programs.crash_sweep.errors import InvalidCut  # noqa: PLC0415 - only who sweeps needs it
        from sim.programs.crash_sweep.sweep import crash_sweep  # noqa: PLC0415

        chosen = {**self._defaults, **options}
        of_test = chosen.pop("cuts", "all") if cuts is None else cuts
        chosen.pop("cuts", None)
        if self._given is None:
            report = crash_sweep(setup, start, resume, check, of_test, **chosen)
        else:
            try:
                report = crash_sweep(setup, start, resume, check, _cuts(self._given), **chosen)
            except InvalidCut:  # the token of another sweep of the session
                report = crash_sweep(setup, start, resume, check, of_test, **chosen)
        if not report.holds:
            command = shlex.join(["pytest", self._nodeid, f"{CUTS}={report.token}"])
            pytest.fail(f"{report}\n    or: {command}", pytrace=False)
        return report


@pytest.fixture
def crash_sweep(request: pytest.FixtureRequest) -> CrashSweep:
    """Cuts the power of a program at each of its awaits: `crash_sweep(setup, start, resume, check)` fails if one of the
    cuts leaves something wrong.
    """
    return CrashSweep(request.node)


def mark(item: pytest.Item) -> None:
    """Mark a test that uses the fixture, for `pytest -m crash_sweep`."""
    if MARKER in getattr(item, "fixturenames", ()) and item.get_closest_marker(MARKER) is None:
        item.add_marker(MARKER)
