"""`search`: hunts for a schedule of faults that breaks a scenario."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sim.cli.errors import BadInput
from sim.cli.interrupts import INTERRUPTED, check
from sim.cli.options import parameters
from sim.cli.options.cost import Force, costs
from sim.cli.options.parameter_types import Change, Count, Duration, PathValue, typed_option
from sim.cli.output.console import console, progress
from sim.cli.output.files import STDOUT, check_writable, write_json

if TYPE_CHECKING:
    from scenarios import Scenario
    from sim.experiments.search.search import SearchResult
    from sim.strategies import Bounds

FOLDER = "found"
EXAMPLES = 1000
DATABASE = ".examples"
"""The folder of the example database, in the folder of what is found."""


def search(
    scenario: Annotated[str, typer.Argument(metavar="SCENARIO", help="Name of a shipped scenario, or a file.")],
    examples: Annotated[int, typed_option(Count("--examples"), "Examples to run at most.")] = EXAMPLES,
    seed: parameters.WholeSeed = None,
    out: Annotated[
        str, typer.Option(metavar="DIR", help="Folder for what is found, with the database of failing examples.")
    ] = FOLDER,
    faults: Annotated[
        list[str] | None,
        typer.Option(metavar="KIND,…", help="Kinds of fault to draw; left out, all that the scenario admits."),
    ] = None,
    most_faults: Annotated[int, typed_option(Count("--most-faults", of="faults"), "Faults of a schedule at most.")] = 4,
    vary: Annotated[
        list[Change] | None,
        typed_option(PathValue("--vary"), "A setting to draw as well: path=low..high, or path=v1,v2,…"),
    ] = None,
    set_: parameters.Set = None,
    max_time: Annotated[
        float | None,
        typed_option(Duration("--max-time"), "Stop drawing after this wall time: 2m."),
    ] = None,
    invariants: Annotated[
        bool, typer.Option("--invariants", help="Judge invariants only, and no expectations, which is faster.")
    ] = False,
    marks: Annotated[
        bool, typer.Option("--marks", help="Exit status 1 also when a mark of the coverage was not reached.")
    ] = False,
    core: Annotated[
        str | None,
        typer.Option(metavar="MODULE:FUNCTION", help="Search with this recovery core: sim.run(core=…)."),
    ] = None,
    force: Force = False,
    json: parameters.Json = None,
    quiet: parameters.Quiet = False,
    no_color: parameters.NoColor = False,
) -> int:
    """Hunt for a schedule of faults that breaks an invariant or an expectation, shrink it, and save it.

    The scenario's own faults stay, and others are added. What is found is saved in --out as a scenario file, which
    pytest collects; the next search with the same folder runs it first. Exit status 1 when something is found.
    """
    check_writable("--json", json)
    folder = Path(out)
    if folder.exists() and not folder.is_dir():
        raise BadInput(f"--out {out}: is not a folder; valid: a folder, which is created if it does not exist")
    changes = parameters.changes(set_)
    loaded = _loaded(scenario, changes)
    bounds = _bounds(loaded, faults, most_faults, parameters.changes(vary, "--vary"))
    kwargs: dict[str, Any] = {} if core is None else {"core": _imported(core)}
    command = _command(scenario, examples, seed, faults, most_faults, vary, changes, invariants, core)
    with progress(no_color, quiet) as bar:
        task = bar.add_task(loaded.name, total=examples, counted="examples")

        def advance(number: int, phase: str) -> None:
            if phase == "searching":
                bar.update(task, completed=number)
            else:
                bar.update(task, told=f"shrinking: {number} runs")
            check()

        found = _searched(
            loaded,
            examples,
            seed,
            force=force,
            bounds=bounds,
            seconds=max_time,
            invariants_only=invariants,
            database=folder / DATABASE / loaded.name,
            command=command,
            on_example=advance,
            **kwargs,
        )
    return _report(found, folder, json, quiet, no_color, marks=marks, core=core)


def _loaded(name: str, changes: dict[str, str]) -> Scenario:
    import scenarios

    scenario = scenarios.load(name)
    scenario = scenario.with_values(changes) if changes else scenario
    return scenario.with_values({"history": "full"}) if scenario.history != "full" else scenario


def _bounds(scenario: Scenario, faults: list[str] | None, most_faults: int, vary: dict[str, str]) -> Bounds:
    from sim.strategies import Bounds, BoundsError
    from sim.strategies.faults import admitted

    kinds = None if faults is None else [kind.strip() for given in faults for kind in given.split(",")]
    try:
        bounds = Bounds.of(kinds, most_faults, vary)
        bounds.check(scenario)
        admitted(scenario, bounds)
    except BoundsError as error:
        text = str(error)
        raise BadInput(f"--{text}" if text.startswith("faults:") else f"--vary {text}") from None
    return bounds


def _imported(core: str) -> Callable[..., Any]:
    """The function that builds a core. Modules of the working directory can be imported, as with `python -m`."""
    import sys
    from importlib import import_module

    module, sign, name = core.partition(":")
    if not sign or not module or not name:
        raise BadInput(f"--core {core}: not a function; valid: module:function, such as my_core:build")
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        found = getattr(import_module(module), name)
    except AttributeError as error:
        raise BadInput(f"--core {core}: {error}; valid: module:function that can be imported") from None
    except Exception as error:  # noqa: BLE001 - a module of the user may raise anything
        said = f"{type(error).__name__}: {error}"
        raise BadInput(f"--core {core}: {said}; valid: module:function that can be imported") from None
    if not callable(found):
        raise BadInput(f"--core {core}: is not a function; valid: a function of scenario, system and streams")
    built: Callable[..., Any] = found
    return built


def _searched(scenario: Scenario, examples: int, seed: int | None, **options: Any) -> SearchResult:
    from sim.experiments.search.search import search as search_for
    from sim.strategies import BoundsError

    try:
        with costs():
            return search_for(scenario, examples, seed, **options)
    except BoundsError as error:
        raise BadInput(f"{scenario.name}: {error}") from None


def _command(
    scenario: str,
    examples: int,
    seed: int | None,
    faults: list[str] | None,
    most_faults: int,
    vary: list[Change] | None,
    changes: dict[str, str],
    invariants: bool,
    core: str | None,
) -> str:
    """The command that repeats the search."""
    words = ["recovery-bench", "search", scenario, "--examples", str(examples)]
    words += [] if seed is None else ["--seed", str(seed)]
    words += [part for kind in faults or () for part in ("--faults", kind)]
    words += [] if most_faults == 4 else ["--most-faults", str(most_faults)]
    words += [part for change in vary or () for part in ("--vary", f"{change.path}={change.value}")]
    words += [part for path, value in changes.items() for part in ("--set", f"{path}={value}")]
    words += ["--invariants"] if invariants else []
    words += [] if core is None else ["--core", core]
    return shlex.join(words)


def _seen(saved: str, core: str | None) -> str:
    """How a found scenario is run: by the command, or, with a core of one's own, in Python.

    `recovery-bench run` has the core of the project, with which the scenario may hold.
    """
    if core is None:
        return shlex.join(["recovery-bench", "run", saved])
    module, _, name = core.partition(":")
    run = f"sim.run(scenarios.load({saved!r}), core={name})"
    return f"in Python, as the file needs this core: import scenarios, sim; from {module} import {name}; {run}"


def _report(
    result: SearchResult,
    folder: Path,
    json: str | None,
    quiet: bool,
    no_color: bool,
    *,
    marks: bool,
    core: str | None,
) -> int:
    saved = None if result.found is None else result.found.save(folder)
    if not quiet and json != STDOUT:
        from sim.cli.output.search_table import search_report
        from sim.presentation.formatting import signs

        out = console(no_color)
        out.print(search_report(result, signs(out.encoding)))
        if saved is not None:
            out.print(f"\nsaved: {saved}\nsee it: {_seen(str(saved), core)}", soft_wrap=True)
    elif saved is not None and result.found is not None:
        from sim.cli.output.console import say

        say(f"{result.scenario.name}: breaks {result.found.name}; saved: {saved}")
    if json is not None:
        write_json(json, {**result.as_json(), "saved": None if saved is None else str(saved)})
    if result.interrupted:
        return INTERRUPTED
    return 1 if saved is not None or (marks and result.coverage.missed) else 0
