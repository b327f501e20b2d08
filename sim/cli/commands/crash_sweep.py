"""`crash-sweep`: the power of a program is cut at each of its awaits."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from sim.cli.errors import BadInput
from sim.cli.options import parameters
from sim.cli.options.parameter_types import Seed, typed_option
from sim.cli.output.files import STDOUT, check_apart, check_picture, check_writable, draw, write_json, write_text
from sim.cli.output.page_file import check_page

if TYPE_CHECKING:
    from sim.programs.crash_sweep.report import CrashSweepReport

PARTS: Final = ("setup", "start", "check")
MOST_DIGITS: Final = 9


def crash_sweep(
    program: Annotated[
        str,
        typer.Argument(
            metavar="PROGRAM",
            help="FILE.py or MODULE, which is executed, with functions setup, start, check and perhaps resume. "
            "FILE.py:NAME is an object in it that has them.",
        ),
    ],
    cuts: Annotated[
        str, typer.Option(metavar="CUTS", help="all, twice, a number, or the token of a failing cut.")
    ] = "all",
    seed: Annotated[int, typed_option(Seed("--seed"), "Seed of all randomness.")] = 0,
    json: parameters.Json = None,
    junit: Annotated[str | None, typer.Option(metavar="FILE.xml", help="Write the trials as JUnit XML.")] = None,
    plot: Annotated[
        str | None, typer.Option(metavar="FILE", help="Draw the cuts and the effects, as PNG, SVG or PDF.")
    ] = None,
    html: Annotated[str | None, typer.Option(metavar="FILE.html", help="Write a page of the sweep.")] = None,
    quiet: parameters.Quiet = False,
) -> int:
    """Cut the power of an asyncio program at each of its awaits, restart it, and check what is durable.

    The program is Python code and is executed. Exit status 1 if it does not recover from a cut.
    """
    from sim.programs.crash_sweep.errors import CrashSweepError
    from sim.programs.crash_sweep.junit import document
    from sim.programs.crash_sweep.sweep import crash_sweep as sweep

    check_apart({"--json": json, "--junit": junit, "--plot": plot, "--html": html})
    check_writable("--json", json)
    check_writable("--junit", junit)
    check_picture("--plot", plot)
    check_page(html)
    parts = _parts(program)
    chosen = int(cuts) if cuts.isascii() and cuts.isdigit() and len(cuts) <= MOST_DIGITS else cuts
    try:
        report = sweep(parts.setup, parts.start, parts.resume, parts.check, chosen, seed=seed)
    except CrashSweepError as error:
        raise BadInput(f"{program}: {' '.join(str(error).split())}") from error
    if json is not None:
        write_json(json, report.as_json())
    if junit is not None:
        write_text(junit, document(report))
    if plot is not None:
        draw(report.plot.figure(), plot)
    if html is not None:
        _write_page(html, report)
    _show(report, program, quiet=quiet, to_stderr=STDOUT in (json, junit))
    return report.exit_status


def _show(report: CrashSweepReport, program: str, *, quiet: bool, to_stderr: bool) -> None:
    from sim.programs.crash_sweep.text import text

    if quiet and report.holds:
        return
    told = text(report, f"recovery-bench crash-sweep {program} --cuts {report.token}")
    stream = sys.stderr if quiet or to_stderr else sys.stdout
    stream.write(told + "\n")


def _write_page(file: str, report: CrashSweepReport) -> None:
    from sim.reports.page.render import Part, page
    from sim.reports.stored.reading import stored_of

    write_text(file, page([Part(stored_of(report))]))


def _parts(program: str) -> Any:
    """The functions of a program. Raises BadInput."""
    source, _, name = program.partition(":")
    found = _executed(source)
    for part in name.split(".") if name else ():
        if not hasattr(found, part):
            raise BadInput(f"{program}: {source} has no {part}; valid: a name that it defines")
        found = getattr(found, part)
    if isinstance(found, type):
        found = _instance(found, program)
    missing = [each for each in PARTS if not callable(getattr(found, each, None))]
    if missing:
        raise BadInput(f"{program}: has no function {missing[0]}; valid: with functions {', '.join(PARTS)}")
    return SimpleNamespace(**{each: getattr(found, each) for each in PARTS}, resume=getattr(found, "resume", None))


def _executed(source: str) -> Any:
    """The module of a file or a name. Raises BadInput where it cannot be read or executed."""
    from importlib import import_module
    from importlib.util import module_from_spec, spec_from_file_location

    from recovery.errors import error_text

    file = Path(source)
    folder = file.parent if source.endswith(".py") else Path()
    if str(folder.resolve()) not in sys.path:
        sys.path.insert(0, str(folder.resolve()))
    try:
        if not source.endswith(".py"):
            if not all(part.isidentifier() for part in source.split(".")):
                raise BadInput(f"{source}: is not the name of a module; valid: FILE.py or MODULE")
            return import_module(source)
        if not file.is_file():
            raise BadInput(f"{source}: there is no such file; valid: FILE.py or MODULE")
        spec = spec_from_file_location(file.stem, file.resolve())
        if spec is None or spec.loader is None:
            raise BadInput(f"{source}: cannot be read; valid: FILE.py or MODULE")
        module = module_from_spec(spec)
        sys.modules[file.stem] = module
        spec.loader.exec_module(module)
    except BadInput:
        raise
    except (Exception, SystemExit) as error:  # whatever the program raises
        raise BadInput(f"{source}: cannot be executed: {error_text(error)}{_line(error, file)}") from error
    return module


def _line(error: BaseException, file: Path) -> str:
    """The line of the program at which an error was raised, if it is in the file."""
    traceback, line = error.__traceback__, None
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == str(file.resolve()):
            line = traceback.tb_lineno
        traceback = traceback.tb_next
    return "" if line is None else f" (line {line})"


def _instance(kind: type, program: str) -> Any:
    from recovery.errors import error_text

    try:
        return kind()
    except Exception as error:
        raise BadInput(
            f"{program}: cannot be created: {error_text(error)}; valid: a class without arguments"
        ) from error
