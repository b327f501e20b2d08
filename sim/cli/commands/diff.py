"""`diff` and `run --check-determinism`: whether histories are equal, and their first difference."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

import sim
from sim.cli.errors import BadInput
from sim.cli.options.parameters import NoColor
from sim.cli.output.console import console, say
from sim.cli.output.temporary_folder import temporary_folder

HASH_SEEDS = ("0", "4711")
JSON = ".json"


def diff(
    one: Annotated[str, typer.Argument(metavar="A", help="A history, FILE.parquet.")],
    other: Annotated[str, typer.Argument(metavar="B", help="Another one.")],
    no_color: NoColor = False,
) -> int:
    """Show the first event at which two histories differ. Exit status 1 when they differ."""
    return 1 if _told(one, other, f"{one} and {other}", no_color) else 0


def check_determinism(names: list[str], options: list[str], no_color: bool) -> int:
    """Run each scenario in two processes with different hash seeds; 1 when histories or verdicts differ."""
    status = 0
    with temporary_folder() as folder:
        for number, name in enumerate(names):
            files = [str(folder / f"{number}-{seed}.parquet") for seed in HASH_SEEDS]
            for file, seed in zip(files, HASH_SEEDS, strict=True):
                _run(name, options, file, seed)
            parted = _told(files[0], files[1], f"{name}: two processes", no_color)
            status |= parted or _judged_otherwise(_verdicts(files[0]), _verdicts(files[1]), name, no_color)
    return status


def _judged_otherwise(one: dict[str, str], other: dict[str, str], name: str, no_color: bool) -> bool:
    """Whether two processes judge the same history differently; prints the differences."""
    out = console(no_color)
    apart = [what for what in dict.fromkeys((*one, *other)) if one.get(what) != other.get(what)]
    for what in apart:
        line = f"{name}: two processes: the same history, but {what}: {one.get(what)} and {other.get(what)}"
        out.print(line, soft_wrap=True, style="red")
    return bool(apart)


def _verdicts(file: str) -> dict[str, str]:
    """Everything that a result contains about its runs, except for wall-clock times."""
    result = json.loads(Path(file + JSON).read_text(encoding="utf-8"))
    said = {f"expect {outcome['expression']}": outcome for outcome in result["expectations"]}
    for run in result["runs"]:
        said |= {f"{run['seed']} {what}": run[what] for what in ("history_sha256", "violations", "diagnosis")}
        said |= {f"{run['seed']} {metric}": value for metric, value in run["metrics"].items()}
    return {what: json.dumps(value) for what, value in said.items()}


def _run(name: str, options: list[str], file: str, hash_seed: str) -> None:
    command = [
        sys.executable,
        "-m",
        "sim.cli",
        "run",
        name,
        *options,
        "--set",
        "history=full",
        "--quiet",
        "--history",
        file,
    ]
    paths = [str(Path(sim.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]  # the same program as this process
    env = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    command += ["--json", file + JSON]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)  # noqa: S603 - see above
    if done.returncode not in {0, 1}:
        raise BadInput(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"{name}: cannot be run")


def _told(one: str, other: str, what: str, no_color: bool) -> bool:
    from sim.cli.output.history_file import read_histories
    from sim.reports.history_diff import first_difference

    histories = [read_histories(file) for file in (one, other)]
    for column in ("scenario", "replication"):
        if list(dict.fromkeys(histories[0][column])) != list(dict.fromkeys(histories[1][column])):
            say(f"{what}: not of the same {column}s")
            return True
    found = first_difference(*histories)
    out = console(no_color)
    if found is None:
        out.print(f"{what}: the same, {len(histories[0]):,} events", soft_wrap=True)
        return False
    out.print(f"{what}: not the same from event {found.row:,} on", soft_wrap=True)
    for line in found.lines():
        out.print(line, soft_wrap=True, style="red" if line[0] in "-+" else None)
    return True
