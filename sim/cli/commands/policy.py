"""`policy export`, `policy import` and `policy check`: policies to and from the terms of other frameworks."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sim.cli.errors import BadInput
from sim.cli.interrupts import check as check_interrupt
from sim.cli.options import parameters
from sim.cli.options.cost import Force, check_cost
from sim.cli.options.parameter_types import Count, typed_option
from sim.cli.output.console import console, progress, say
from sim.cli.output.files import STDOUT, check_apart, check_writable, write_json, written

if TYPE_CHECKING:
    from scenarios import Scenario
    from scenarios.exchange.framework import Framework
    from scenarios.exchange.portable import Portable
    from scenarios.exchange.shapes import Fit
    from sim.experiments.comparison.export_cost import ExportCost
    from sim.presentation.formatting import Signs

NAMES = (
    "temporal, celery, tenacity, stamina, stepfunctions, kubernetes, dapr, resilience4j, aws, dbos, restate, "
    "langgraph, openai-agents, pydantic-ai"
)
"""The frameworks in the help; a test compares them with `FRAMEWORKS`."""
FIRST_SHOWN = "attempts.amplification"
"""The metric of a cost that is printed first."""
Kind = Annotated[
    str | None,
    typer.Option(
        "--kind",
        metavar="KIND",
        help="Kind of failure, or of tasks: task_failure if left out, or the only one there is.",
    ),
]
Out = Annotated[str | None, typer.Option("--out", metavar="FILE", help="Where to write it; stdout if left out.")]


def export(
    policy: Annotated[
        str,
        typer.Argument(
            metavar="SCENARIO|POLICY", help="Name of a shipped scenario, a scenario file, or a policy file."
        ),
    ],
    to: Annotated[str, typer.Option("--to", metavar="FRAMEWORK", help=f"One of {NAMES}.")],
    kind: Kind = None,
    language: Annotated[
        str | None, typer.Option(metavar="NAME", help="For temporal: python, go or json; python if left out.")
    ] = None,
    name: Annotated[
        str, typer.Option(metavar="NAME", help="Name of the policy, where the framework names it.")
    ] = "recovery",
    out: Out = None,
    scenario: Annotated[
        str | None,
        typer.Option(metavar="SCENARIO", help="For a policy file: where to simulate what cannot be expressed."),
    ] = None,
    set_: parameters.Set = None,
    replications: Annotated[
        int, typed_option(Count("--replications", 2), "Pairs of replications of each difference.")
    ] = 5,
    seed: parameters.WholeSeed = None,
    simulate: Annotated[
        bool, typer.Option("--simulate/--no-simulate", help="Simulate the cost of what cannot be expressed.")
    ] = True,
    json: parameters.Json = None,
    force: Force = False,
    quiet: parameters.Quiet = False,
    no_color: parameters.NoColor = False,
) -> None:
    """Write a retry policy in the terms of another framework.

    What the framework cannot express is printed on stderr, with the nearest setting that is used instead and, on a
    scenario, its simulated cost: both policies run on the same replications.
    """
    check_writable("--out", out)
    check_writable("--json", json)
    check_apart({"--out": STDOUT if out is None else out, "--json": json})
    if json == STDOUT and out is None:
        raise BadInput("--json -: the policy is on stdout as well; valid: --out FILE")
    framework = _framework(to, "--to")
    if language is not None and language not in framework.languages:
        from scenarios.errors import instead

        raise BadInput(f"--language {language}: {instead(language, framework.languages, 'valid')} for {to}")
    found, on = _wanted(policy, scenario, parameters.changes(set_))
    chosen, wanted = _of_kind(found, kind, policy)
    fit = framework.fit(wanted)
    text = framework.export(wanted, name, language)
    notes: Sequence[str] = ()
    if framework.settings is not None and on is not None:
        more, notes = framework.settings(on)
        text += f"\n{more}" if more else ""
    _write(text, out)
    costs: Sequence[ExportCost] = ()
    if simulate and on is not None and fit.differences:
        costs = _costs(on, chosen, fit, seed, replications, force, quiet, no_color)
    if not quiet:
        _tell(framework, fit, costs)
        for note in notes:
            say(note)
    if json is not None:
        write_json(json, _as_json(framework, chosen, text, fit, costs))


def import_(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A file of the framework; - is stdin.")],
    from_: Annotated[str, typer.Option("--from", metavar="FRAMEWORK", help=f"One of {NAMES}.")],
    kind: Kind = None,
    out: Out = None,
) -> None:
    """Read a retry policy of another framework, and write a policy file for run --policy.

    Of celery and temporal, what the file says of the queue, heartbeats, time limits and concurrency is read as well.
    Nothing in the file is executed or imported. A key that the framework does not have is refused.
    """
    from scenarios.exchange.imported import imported

    check_writable("--out", out)
    framework = _framework(from_, "--from")
    chosen = _known_kind("task_failure" if kind is None else kind)
    text, notes = imported(framework, _text(file), "stdin" if file == STDOUT else file, chosen)
    _write(text, out)
    for note in notes:
        say(f"note: {note}")


def check(
    scenario: Annotated[str, typer.Argument(metavar="SCENARIO", help="Name of a shipped scenario, or a file.")],
    set_: parameters.Set = None,
    policy: parameters.Policy = None,
    json: parameters.Json = None,
    no_color: parameters.NoColor = False,
) -> int:
    """Find settings that contradict each other, and retries that end before an outage does. Nothing is run.

    Exit status 1 when there are any. Each has the name of its rule, and the section of the documentation about it.
    """
    import scenarios
    from scenarios.consistency.inconsistency import MEANINGS
    from scenarios.exchange.policy_file import load_policy

    check_writable("--json", json)
    loaded = scenarios.load(scenario)
    if policy is not None:
        loaded = load_policy(policy).applied(loaded)
    changes = parameters.changes(set_)
    loaded = loaded.with_values(changes) if changes else loaded
    found = scenarios.inconsistencies(loaded)
    if json is not None:
        rows = [
            {
                "rule": each.kind.value,
                "meaning": MEANINGS[each.kind],
                "page": each.page,
                "paths": list(each.paths),
                "figures": dict(each.figures),
                "problem": each.problem,
                "consistent": each.consistent,
            }
            for each in found
        ]
        write_json(json, {"scenario": loaded.name, "findings": rows})
    if json != STDOUT:
        out = console(no_color)
        for each in found:
            out.print(f"{each.kind.value}: {each}\n  see {each.page}", soft_wrap=True)
        out.print(f"{loaded.name}: {f'{len(found)} found' if found else 'nothing found'}")
    return 1 if found else 0


# ------------------------------------------------------------------------------------------------ what is asked for
def _framework(name: str, option: str) -> Framework:
    from scenarios.errors import instead
    from scenarios.exchange.frameworks import FRAMEWORKS

    if name not in FRAMEWORKS:
        raise BadInput(f"{option} {name}: is no known framework; {instead(name, FRAMEWORKS, 'valid')}")
    return FRAMEWORKS[name]


def _known_kind(kind: str, also: Iterable[str] = ()) -> str:
    from scenarios.errors import instead
    from scenarios.exchange.policy_file import KINDS

    if kind not in KINDS:
        known = tuple(dict.fromkeys((*KINDS, *also)))
        raise BadInput(f"--kind {kind}: is no kind of failure; {instead(kind, known, 'valid')}")
    return kind


def _wanted(name: str, on: str | None, changes: dict[str, str]) -> tuple[dict[str, Portable | None], Scenario | None]:
    """The policies of a scenario or a policy file by kind of failure or of tasks, and the scenario to simulate."""
    import scenarios
    from scenarios.exchange.policy_file import load_policy
    from scenarios.exchange.portable import portable

    if name not in scenarios.names() and _is_policy_file(name):
        file = load_policy(name)
        if on is None and changes:
            raise BadInput("--set: changes a scenario, and a policy file is given; valid: with --scenario")
        scenario = None if on is None else scenarios.load(on)
        if scenario is not None:
            scenario = file.applied(scenario.with_values(changes) if changes else scenario)
        return file.conditions | file.of_task_kinds, scenario
    if on is not None:
        raise BadInput("--scenario: the policy is that of a scenario, which is simulated; valid: with a policy file")
    scenario = scenarios.load(name)
    scenario = scenario.with_values(changes) if changes else scenario
    of_failures = {kind: None if each is None else portable(each) for kind, each in scenario.recovery.conditions}
    kinds = scenario.tasks.kinds.items()
    return of_failures | {name: portable(kind.retry) for name, kind in kinds if kind.retry is not None}, scenario


def _is_policy_file(name: str) -> bool:
    """Whether a file has no name of its own, as a scenario has."""
    from recovery.bounded_yaml import MOST_BYTES
    from recovery.input_file import InputFileError, read_text
    from scenarios.documents import yaml_document
    from scenarios.exchange.policy_file import ALLOWED

    if name.endswith((".scenario.yaml", ".scenario.yml")):
        return False
    try:
        data = yaml_document.read(read_text(Path(name), MOST_BYTES), name).data
    except InputFileError:
        return False  # scenarios.load says what is wrong
    return isinstance(data, dict) and not {"name", "duration", "extends"} & set(data) and bool(set(data) & set(ALLOWED))


def _of_kind(found: dict[str, Portable | None], kind: str | None, source: str) -> tuple[str, Portable]:
    given = {each: policy for each, policy in found.items() if policy is not None}
    if kind is not None:
        if kind not in given:
            _known_kind(kind, given)
    elif "task_failure" in given:
        kind = "task_failure"
    elif len(given) == 1:
        kind = next(iter(given))
    if kind is None or kind not in given:
        named = ", ".join(given) or "none"
        raise BadInput(f"{source}: --kind {kind or 'is needed'}: there is no such condition; valid: {named}")
    return kind, given[kind]


def _text(file: str) -> str:
    from recovery.bounded_yaml import MOST_BYTES
    from recovery.input_file import InputFileError, read_text

    if file == STDOUT:
        content = sys.stdin.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise BadInput(f"stdin: is too large; valid: up to {MOST_BYTES:,} bytes")
        return content
    try:
        return read_text(Path(file), MOST_BYTES)
    except InputFileError as error:
        line = "" if error.line is None else f":{error.line}"
        raise BadInput(f"{file}{line}: {error}") from None


# --------------------------------------------------------------------------------------------------- what is written
def _write(text: str, out: str | None) -> None:
    if out is None or out == STDOUT:
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    with written(out) as path:
        path.write_text(text, encoding="utf-8")


def _costs(
    scenario: Scenario,
    kind: str,
    fit: Fit,
    seed: int | None,
    replications: int,
    force: bool,
    quiet: bool,
    no_color: bool,
) -> Sequence[ExportCost]:
    from sim.experiments.comparison.export_cost import export_costs

    runs = replications * (1 + len(fit.differences) + (len(fit.differences) > 1))
    with progress(no_color, quiet) as bar:
        task = bar.add_task(scenario.name, total=runs)

        def advance(_: object) -> None:
            bar.advance(task)
            check_interrupt()

        return export_costs(
            scenario,
            kind,
            fit,
            seed,
            replications,
            on_run=advance,
            check=lambda each: check_cost(each, replications, force=force),
        )


def _tell(framework: Framework, fit: Fit, costs: Sequence[ExportCost]) -> None:
    from sim.presentation.formatting import signs

    style = signs(sys.stderr.encoding)
    by_group = {cost.difference.group: cost for cost in costs if cost.difference is not None}
    for difference in fit.differences:
        say(f"{framework.name} cannot express {framework.said(difference)}")
        if difference.group in by_group:
            _tell_cost(by_group[difference.group], style)
    for cost in costs:
        if cost.difference is None:
            say("all together")
            _tell_cost(cost, style)
    for note in framework.noted(fit.used):
        say(f"note: {note}")


def _tell_cost(cost: ExportCost, style: Signs) -> None:
    """The metrics with a difference: `attempts.amplification 1.3 -> 2.1 (+0.8 ± 0.1, worse)`."""
    from sim.presentation.formatting import count, difference, quantity
    from sim.stats.differences import NOT_COMPARED, NOT_SHOWN

    found = cost.comparison
    shown = [
        (name, each)
        for name, each in found.differences.items()
        if each.verdict not in {NOT_SHOWN, NOT_COMPARED} and each.difference is not None
    ]
    shown.sort(key=lambda named: named[0] != FIRST_SHOWN)
    where = f"{found.a.scenario.name}, {count(found.replications, 'pair')}"
    say(f"  {where}: {count(len(shown), 'difference')} shown" if shown else f"  {where}: no difference shown")
    for name, each in shown:
        before, after = (quantity(value, each.unit, style) for value in (each.a, each.b))
        say(f"    {name} {before} -> {after} ({difference(each.difference, style)}, {each.verdict})")


def _as_json(framework: Framework, kind: str, text: str, fit: Fit, costs: Sequence[ExportCost]) -> dict[str, Any]:
    from scenarios.exchange.words import described

    by_group = {cost.difference.group if cost.difference else None: cost.comparison.as_json() for cost in costs}
    return {
        "framework": framework.name,
        "kind": kind,
        "text": text,
        "wanted": fit.wanted.as_condition(),
        "used": fit.used.as_condition(),
        "not_expressible": [
            {"what": each.group, "difference": described(each), "cost": by_group.get(each.group)}
            for each in fit.differences
        ],
        "cost": by_group.get(None) or (next(iter(by_group.values())) if by_group else None),
        "notes": framework.noted(fit.used),
    }
