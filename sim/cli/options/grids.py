"""`--grid path=v1,v2`: the settings of a grid."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from sim.cli.errors import BadInput

if TYPE_CHECKING:
    from scenarios import Scenario
    from sim.experiments.sweeps.designs import Point


NO_SETTINGS = {"seed": "all settings use the same seeds; valid: --seed", "name": "changes nothing; valid: another path"}


def check_is_setting(option: str, paths: Iterable[str]) -> None:
    """Raise BadInput for keys that make no difference between settings."""
    for path in paths:
        if path in NO_SETTINGS:
            raise BadInput(f"{option} {path}: {NO_SETTINGS[path]}")


def check_once(option: str, paths: list[str]) -> None:
    """Raise BadInput for a path that is given twice."""
    twice = next((path for place, path in enumerate(paths) if path in paths[:place]), None)
    if twice is not None:
        raise BadInput(f"{option} {twice}: is given twice; valid: all of its values at once")


def grid_points(scenario: Scenario, texts: list[str]) -> list[Point]:
    """Every combination of the values that the options give. Raises BadInput."""
    from scenarios.errors import ScenarioError
    from sim.experiments.sweeps.designs import DesignError, axis, grid

    try:
        axes = [axis(text) for text in texts]
        check_is_setting("--grid", dict(axes))
        check_once("--grid", [path for path, _ in axes])
        return grid(scenario, dict(axes))
    except DesignError as error:
        raise BadInput(f"--grid {error}") from None
    except ScenarioError as error:
        raise BadInput(str(error).replace("--set ", "--grid ", 1)) from None
