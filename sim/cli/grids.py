"""`--grid path=v1,v2`: the settings that it spans."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from sim.cli.errors import BadInput

if TYPE_CHECKING:
    from scenarios import Scenario
    from sim.experiments.designs import Point


NO_SETTINGS = {"seed": "all settings have the same luck; valid: --seed", "name": "changes nothing; valid: another path"}


def check_is_setting(option: str, paths: Iterable[str]) -> None:
    """Raise BadInput for what can be set, and makes no difference between settings."""
    for path in paths:
        if path in NO_SETTINGS:
            raise BadInput(f"{option} {path}: {NO_SETTINGS[path]}")


def grid_points(scenario: Scenario, texts: list[str]) -> list[Point]:
    """Every combination of the values that the options give. Raises BadInput."""
    from scenarios.errors import ScenarioError
    from sim.experiments.designs import DesignError, axis, grid

    try:
        axes = [axis(text) for text in texts]
        twice = next((path for place, (path, _) in enumerate(axes) if path in [p for p, _ in axes[:place]]), None)
        check_is_setting("--grid", dict(axes))
        if twice is not None:
            raise BadInput(f"--grid {twice}: is given twice; valid: all of its values at once")
        return grid(scenario, dict(axes))
    except DesignError as error:
        raise BadInput(f"--grid {error}") from None
    except ScenarioError as error:
        raise BadInput(str(error).replace("--set ", "--grid ", 1)) from None
