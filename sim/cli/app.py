"""The commands of `recovery-bench`, and how errors are reported.

Exit status: 0 every expectation holds; 1 an expectation or an invariant does not hold; 2 invalid input; 70 a defect of
this program; 130 interrupted.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from recovery.errors import RecoveryBenchError, arguments_as_options
from sim.cli import internal_error
from sim.cli.commands import (
    compare,
    crash_sweep,
    demo,
    diff,
    fit,
    init,
    list_show,
    policy,
    report,
    run,
    schema_runbook,
    search,
    suite,
    sweep,
    trace,
    tune,
)
from sim.cli.interrupts import INTERRUPTED, interruptible
from sim.cli.output.console import say
from sim.cli.recover.app import recover_app

NAME = "recovery-bench"
BAD_INPUT = 2


class Interruptible(TyperGroup):
    """Commands of which an interrupted one prints a line, also while it loads its files."""

    def invoke(self, ctx: Any) -> Any:
        """The status of the command."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            say(str(error) or "interrupted")
            return INTERRUPTED


app = typer.Typer(
    name=NAME,
    cls=Interruptible,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["--help", "-h"]},
    epilog="Start with: recovery-bench demo",
)
for name, command, example in (
    ("demo", demo.demo, "recovery-bench demo --out failures.png"),
    ("list", list_show.list_, "recovery-bench list"),
    ("show", list_show.show, "recovery-bench show agent-failure"),
    (
        "run",
        run.run,
        "recovery-bench run agent-failure --seed 7 --replications 20 --set agents.restart_time=40s",
    ),
    (
        "sweep",
        sweep.sweep,
        "recovery-bench sweep agent-failure --grid agents.count=5,10,20 --grid agents.restart_time=5s,20s --out sweep",
    ),
    (
        "compare",
        compare.compare,
        "recovery-bench compare agent-failure --b recovery.detection.heartbeat_interval=2s --fail-if worse",
    ),
    (
        "suite",
        suite.suite,
        "recovery-bench suite scenarios --baseline baseline.json --junit results.xml --markdown summary.md",
    ),
    (
        "search",
        search.search,
        "recovery-bench search agent-failure --faults agent_crash,core_crash --examples 2000 --out found",
    ),
    (
        "crash-sweep",
        crash_sweep.crash_sweep,
        "recovery-bench crash-sweep orders.py --cuts twice --junit results.xml",
    ),
    ("init", init.init, "recovery-bench init my-system"),
    (
        "tune",
        tune.tune,
        "recovery-bench tune agent-failure --vary agents.restart_time=5s..60s --minimize recovery.time.p95",
    ),
    ("report", report.report, "recovery-bench report result.json --html report.html"),
    ("trace", trace.trace, "recovery-bench trace result.json --out trace.json.gz"),
    (
        "fit",
        fit.fit,
        "recovery-bench fit tasks.csv --submitted created_at --status result --out ours.scenario.yaml --plot ours.png",
    ),
    ("diff", diff.diff, "recovery-bench diff monday.parquet tuesday.parquet"),
    ("schema", schema_runbook.schema, "recovery-bench schema > scenario.schema.json"),
):
    app.command(name, epilog=f"Example: {example}")(command)
runbook = typer.Typer(rich_markup_mode="rich")
runbook.callback(invoke_without_command=True)(schema_runbook.runbook)
runbook.command("check", epilog="Example: recovery-bench runbook check my-guide.md")(schema_runbook.runbook_check)
app.add_typer(runbook, name="runbook", epilog="Example: recovery-bench runbook --json")
policies = typer.Typer(rich_markup_mode="rich", no_args_is_help=True, help="Policies to and from other frameworks.")
policies.command("export", epilog="Example: recovery-bench policy export --to temporal agent-failure")(policy.export)
policies.command("import", epilog="Example: recovery-bench policy import --from celery tasks.py --out policy.yaml")(
    policy.import_
)
policies.command("check", epilog="Example: recovery-bench policy check agent-failure")(policy.check)
app.add_typer(policies, name="policy", epilog="Example: recovery-bench policy export --to temporal agent-failure")
app.add_typer(recover_app(), name="recover", epilog="Example: recovery-bench recover demo")


def _version(wanted: bool) -> None:
    if wanted:
        from sim.experiments.runs.provenance import installed_version

        sys.stdout.write(f"{NAME} {installed_version()}\n")
        raise typer.Exit


@app.callback()
def recovery_bench(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Run documented failures against the real recovery core, in simulated time, and measure how it recovers."""


@cache
def _commands() -> Callable[..., Any]:
    """All commands with their options. `app` would derive them again for each command that a process runs."""
    return typer.main.get_command(app)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and give its exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if "--no-color" in given:
        os.environ["NO_COLOR"] = "1"  # also for the pages of --help
    if sys.stdout is None:  # closed by the parent process
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - for as long as Python runs
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        with interruptible(), arguments_as_options():
            status = _commands()(_spread(given) or ["--help"], prog_name=NAME, standalone_mode=False)
        sys.stdout.flush()
    except RecoveryBenchError as error:
        if error.reports_defect:
            return internal_error.report(error, given)
        say(_text(error))
        return BAD_INPUT
    except (KeyboardInterrupt, typer.Abort):
        say("interrupted")
        return INTERRUPTED
    except BrokenPipeError:  # the reader has closed the pipe
        _write_nowhere()
        return 0
    except OSError as error:  # a full disk, most likely
        _write_nowhere()
        say(f"{error.filename or 'output'}: cannot be written: {error.strerror or error}")
        return BAD_INPUT
    except Exception as error:  # noqa: BLE001 - every command ends with a line and a status
        return _unsuccessful(error, given)
    return status if isinstance(status, int) else 0


def _text(error: RecoveryBenchError) -> str:
    """The message of an error: one line for a run that cannot end, whose message lists what waits or repeats."""
    from sim.loop import Deadlock, Livelock

    return " ".join(str(error).split()) if isinstance(error, Deadlock | Livelock) else str(error)


def _unsuccessful(error: Exception, given: list[str]) -> int:
    """The status of a command that an error of the command line ended, or an unexpected one."""
    if type(error).__name__ == "NoArgsIsHelpError":  # a group without a command: its help was shown
        return 0
    if not isinstance(error, _USAGE):
        return internal_error.report(error, given)
    say(_usage(error, given))
    return BAD_INPUT


def _spread(given: Sequence[str]) -> list[str]:
    """`compare X --a one=1 two=2` as `compare X --a one=1 --a two=2`: an option may have several values."""
    if not given or given[0] != "compare":
        return list(given)
    spread: list[str] = []
    setting = None
    for word in given:
        if word.startswith("-"):
            setting = word if word in ("--a", "--b") else None
        elif setting is not None and spread[-1] != setting and "=" in word:
            spread.append(setting)
        spread.append(word)
    return spread


def _write_nowhere() -> None:
    """Replace stdout by the null device, so that Python reports no error when it flushes stdout at exit."""
    with suppress(OSError, ValueError):  # a stdout without a file descriptor
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


_USAGE = typer.BadParameter.__mro__[1]
"""The base class of all usage errors, wherever this version of typer defines it."""


def _called(given: Sequence[str]) -> str:
    """The command that these arguments call, in full: `recovery-bench policy export`."""
    words: list[str] = [NAME]
    command: Any = _commands()
    for word in given:
        command = getattr(command, "commands", {}).get(word)
        if command is None:
            break
        words.append(word)
    return " ".join(words)


def _usage(error: Any, given: Sequence[str]) -> str:
    """One line: the command, what is wrong, and what would be valid."""
    from scenarios.errors import instead

    context = getattr(error, "ctx", None)
    where = context.command_path if context is not None else _called(given)
    said = " ".join(error.format_message().split()).rstrip(".")
    said = said[:1].lower() + said[1:]
    if context is None:
        return f"{where}: {said}; see {where} --help"
    command = context.command
    options = [
        option for parameter in command.get_params(context) for option in parameter.opts if option.startswith("--")
    ]
    unknown = getattr(error, "option_name", None)
    if type(error).__name__ == "NoSuchOption" and unknown:
        return f"{where}: no such option '{unknown}'; {instead(unknown, options, 'valid')}"
    if hasattr(command, "list_commands") and (quoted := re.search(r"'([^']*)'", said)):
        return f"{where}: no such command '{quoted[1]}'; {instead(quoted[1], command.list_commands(context), 'valid')}"
    return f"{where}: {said}; see {where} --help"
