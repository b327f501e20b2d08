"""The project follows its house rules, and each rule detects a violation."""

import importlib.metadata
import json
import re
import shutil
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.house_rules import (
    FOLDER_FILES_MAX,
    completes_coroutines,
    crowded,
    differs_by_process,
    iterates_over_set,
    names_a_place,
    not_pins,
    unsafe_data,
    vague_name,
)

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
CONTRACTS = PROJECT["tool"]["importlinter"]["contracts"]
PACKAGES = ("recovery", "scenarios", "sim")
FILES = {"CHANGELOG.md", "LICENSE", "Makefile", "README.md", "constraints.txt", "pyproject.toml"}
TOP_LEVEL = {*FILES, *PACKAGES, "benchmarks", "notebooks", "tests"}
REAL_PROCESSES = ("recovery/local/",)  # what runs there is not reproducible anyway
MEMORY = ("sim/programs/crash_sweep/inert.py", "sim/programs/crash_sweep/loop_objects.py")  # follow references


def modules_in(folder: str) -> list[str]:
    return sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize(
    ("package", "absent"), [("recovery", {"simpy", "sim", "scenarios"}), ("scenarios", {"simpy", "sim"})]
)
def test_importing_a_package_loads_no_simulator(package, absent):
    assert package in loaded_by(package)
    assert loaded_by(package) & absent == set()


HEAVY = {"matplotlib", "numpy", "pandas", "pyarrow", "scipy", "simpy", "sqlalchemy"}


def test_the_public_names_of_recovery_load_no_heavy_package():
    assert loaded_by("recovery") & (HEAVY | {"pydantic"}) == set()
    loaded = loaded_by("recovery; [getattr(recovery, name) for name in recovery.__all__]; import sys")
    assert "pydantic" in loaded
    assert loaded & HEAVY == set()


def test_a_loaded_heavy_package_is_detected():
    assert loaded_by("recovery.stores.database") & HEAVY == {"sqlalchemy"}


def test_a_loaded_simulator_is_detected():
    assert {"sim", "simpy"} <= loaded_by("sim.loop")


@pytest.mark.parametrize("package", PACKAGES)
def test_modules_follow_the_house_rules(package):
    found = {module: broken_rules(module) for module in modules_in(package)}
    assert found
    assert {module: objections for module, objections in found.items() if objections} == {}


def broken_rules(module: str) -> list[str]:
    source = read(module)
    return [
        *vague_name(module),
        *([] if module.startswith((*REAL_PROCESSES, *MEMORY)) else differs_by_process(source)),
        *unsafe_data(source),
        *iterates_over_set(source),
        *completes_coroutines(source),
    ]


@pytest.mark.parametrize("package", PACKAGES)
def test_no_source_folder_has_too_many_files(package):
    assert crowded(path for path in project_files() if path.startswith(f"{package}/") and path.endswith(".py")) == []


def test_files_contain_no_absolute_paths():
    found = {path: names_a_place(read(path)) for path in project_files() if is_text(path)}
    assert {path: objections for path, objections in found.items() if objections} == {}


def test_the_top_level_has_exactly_the_agreed_entries():
    top = {path.partition("/")[0] for path in project_files()}
    assert {name for name in top if not name.startswith(".")} <= TOP_LEVEL


def test_the_version_is_defined_once():
    version = PROJECT["project"]["version"]
    assert importlib.metadata.version("recovery-bench") == version
    assert f"## [{version}]" in read("CHANGELOG.md")
    for package in PACKAGES:
        assert not re.search(r"""^__version__\s*=\s*["']""", read(f"{package}/__init__.py"), re.MULTILINE)


def test_constraints_are_exact_pins():
    assert not_pins(read("constraints.txt")) == []


def test_every_development_dependency_is_pinned():
    pins = {canonicalize_name(line.partition("==")[0]) for line in read("constraints.txt").splitlines()}
    needed = needed_by("recovery-bench", "dev")
    assert {"simpy", "numpy", "pytest", "ruff"} <= needed
    assert needed - pins == set()


FIELD = "class A:\n  held: {}[int]\n  def f(self):\n    for x in self.held: use(x)"


def files_of_a_folder(count: int) -> list[str]:
    return [f"sim/loop/module_{number}.py" for number in range(count)]


@pytest.mark.parametrize(
    ("rule", "broken", "kept"),
    [
        (vague_name, "sim/utils.py", "sim/loop/event_loop.py"),
        (vague_name, "sim/helpers/times.py", "sim/world/times.py"),
        (crowded, files_of_a_folder(FOLDER_FILES_MAX + 1), files_of_a_folder(FOLDER_FILES_MAX)),
        (differs_by_process, "default_rng()", "default_rng(7)"),
        (differs_by_process, "np.random.SeedSequence()", "np.random.SeedSequence(entropy=7)"),
        (differs_by_process, "sorted(tasks, key=id)", "sorted(tasks, key=lambda task: task.id)"),
        (differs_by_process, "hash(name) % 8", "crc32(name) % 8"),
        (unsafe_data, "pd.read_pickle(f)", "pd.read_parquet(f)"),
        (unsafe_data, "frame.to_pickle(f)", "frame.to_parquet(f)"),
        (unsafe_data, "YAML(typ='unsafe')", "YAML(typ='safe')"),
        (unsafe_data, "np.load(f, allow_pickle=True)", "np.load(f)"),
        (iterates_over_set, "for x in {1, 2}: use(x)", "for x in sorted({1, 2}): use(x)"),
        (iterates_over_set, "[x for x in set(y)]", "{x for x in set(y)}"),
        (iterates_over_set, "held = set()\nlist(held)", "held = []\nlist(held)"),
        (iterates_over_set, "held = {1}\n', '.join(held)", "held = {1}\n', '.join(sorted(held))"),
        (iterates_over_set, "def f(a: set[str]): [b for b in a]", "def f(a: set[str]): any(b for b in a)"),
        (iterates_over_set, FIELD.format("set"), FIELD.format("list")),
        (iterates_over_set, "for k in a.keys() - b: use(k)", "for k in a.keys(): use(k)"),
        (iterates_over_set, "a.held = {1}\ntuple(b.held.union(c))", "a.held = [1]\ntuple(b.held)"),
        (iterates_over_set, "[*a, *(set(b) - c)]", "[*a, *sorted(set(b) - c)]"),
        (completes_coroutines, "asyncio.as_completed([f(), g()])", "asyncio.as_completed(tasks)"),
        (completes_coroutines, "as_completed(f(x) for x in y)", "as_completed([group.create_task(f(x)) for x in y])"),
        (completes_coroutines, "as_completed({a, b})", "as_completed([a, b])"),
        (names_a_place, "see /" + "root/x", "see the network/" + "root/load"),
        (names_a_place, "'/" + "home/me'", "a/home/b"),
        (names_a_place, "cd ../" + "shared", "cd ../other"),
        (names_a_place, "as issue" + " 12 says", "issues are welcome"),
        (not_pins, "simpy>=4", "simpy==4.1.2"),
        (not_pins, "simpy @ file:///x", "simpy==4.1.2 ; python_version < '3.12'"),
        (not_pins, "simpy==4.1.2 --hash=sha256:0", "a==1\nb_c==2\nB.d==3"),
        (not_pins, "b==1\na==1", ""),
    ],
)
def test_a_rule_reports_only_what_breaks_it(rule, broken, kept):
    assert rule(broken) != []
    assert rule(kept) == []


RUFF_OBJECTS = {
    "import time; x = time.time()": "TID251",
    "from time import sleep": "TID251",
    "import datetime as dt; x = dt.date.today()": "TID251",
    "from datetime import datetime as d; x = d.now(tz=None)": "TID251",
    "import random": "TID251",
    "from random import choice": "TID251",
    "from os import urandom": "TID251",
    "from uuid import uuid4": "TID251",
    "import numpy as np; x = np.random.normal()": "NPY002",
    "from numpy.random import MT19937": "TID251",
    "from ruamel.yaml import load": "TID251",
    "import pandas as pd; x = pd.read_pickle(x)": "S301",
    "eval('1')": "S307",
    "exec('1')": "S102",
    "class A: pass": "D101",
    "def f(): pass": "D103",
    "async def g(): pass": "D103",
}


def test_ruff_reports_the_wall_clock_randomness_and_code_in_data():
    pytest.importorskip("ruff")
    source = "".join(f"{line}\n" for line in RUFF_OBJECTS)
    command = [
        sys.executable,
        "-m",
        "ruff",
        "check",
        "--output-format=json",
        "--no-cache",
        "--stdin-filename",
        "sim/a.py",
    ]
    checked = subprocess.run([*command, "-"], cwd=ROOT, input=source, capture_output=True, text=True, check=False)
    found = {(each["location"]["row"], each["code"]) for each in json.loads(checked.stdout)}
    assert {*enumerate(RUFF_OBJECTS.values(), 1), (1, "D100")} <= found


OFFENCES = {
    "recovery <- scenarios <- sim": ("scenarios/schema.py", "import sim.loop.errors"),
    "only sim imports SimPy": ("recovery/policies/retry.py", "import simpy"),
    "no format that runs code when it is read": ("recovery/atomic_file.py", "import pickle"),
    "inside recovery, from the model up": ("recovery/model.py", "import recovery.engine.engine"),
    "inside scenarios, from the fields up": ("scenarios/fields/base.py", "import scenarios.schema"),
    "inside sim, from the loop up": ("sim/loop/event_loop.py", "import sim.world.world"),
    "inside the world, from its nouns up": ("sim/world/entities.py", "import sim.world.queue"),
    "what runs on the wall clock is not simulated": ("sim/world/world.py", "import recovery.local"),
    "metrics and invariants see only the history": ("sim/measures/metrics/tasks.py", "import sim.simulation"),
    "terminals, pictures and test runners stay at the edge": ("sim/simulation.py", "import rich"),
}


CIRCLES = {
    "recovery.policies": ("recovery/policies/budget.py", "import recovery.policies.retry"),
    "scenarios.fields": ("scenarios/fields/quantities.py", "import scenarios.fields.distributions"),
    "sim.experiments.comparison": (
        "sim/experiments/comparison/plot.py",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import sim.experiments.comparison.compare",
    ),
}
"""A circle of each root package, by the package whose modules it joins. One of them is only of types."""


@pytest.fixture(scope="module")
def broken_contracts(tmp_path_factory):
    """What the import linter prints of a copy of the packages in which every contract is broken once."""
    copy = tmp_path_factory.mktemp("broken")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, copy / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    for module, offence in (*OFFENCES.values(), *CIRCLES.values()):
        with (copy / module).open("a", encoding="utf-8") as file:
            file.write(f"\n{offence}\n")
    checked = lint_imports(copy)
    assert checked.returncode == 1
    return " ".join(checked.stdout.split())


@pytest.mark.parametrize("contract", [contract["name"] for contract in CONTRACTS])
def test_an_import_contract_reports_what_breaks_it(contract, broken_contracts):
    assert f"{contract} BROKEN" in broken_contracts
    if contract in OFFENCES:
        module, offence = OFFENCES[contract]
        imports = f"{module.removesuffix('.py').replace('/', '.')} -> {offence.removeprefix('import ')}"
        assert imports in broken_contracts


@pytest.mark.parametrize("package", CIRCLES)
def test_a_circle_of_imports_is_objected_to(package, broken_contracts):
    assert f"No cycles are allowed in {package}." in broken_contracts


def read(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def is_text(path: str) -> bool:
    return b"\0" not in (ROOT / path).read_bytes()[:8192]


def project_files() -> list[str]:
    """The files of the project: those tracked by git or, in a copy without history, all but caches."""
    if (ROOT / ".git").exists():
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
        return [path for path in listed.split("\0") if path and (ROOT / path).is_file()]
    agreed = [path for name in sorted(TOP_LEVEL) for path in [ROOT / name, *(ROOT / name).rglob("*")]]
    return [path.relative_to(ROOT).as_posix() for path in agreed if path.is_file() and "__pycache__" not in path.parts]


@cache
def loaded_by(module: str) -> set[str]:
    """The top-level modules that a fresh interpreter holds after an import."""
    script = f"import {module}, sys; print(*sys.modules)"
    shown = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in shown.stdout.split()}


def needed_by(name: str, extra: str) -> set[str]:
    """Everything that a distribution with an extra needs here, and what that needs in turn."""
    found, wanted = set(), [(name, extra)]
    while wanted:
        step = wanted.pop()
        if step in found:
            continue
        found.add(step)
        for text in importlib.metadata.requires(step[0]) or []:
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": step[1]}):
                wanted += [(canonicalize_name(requirement.name), each) for each in ("", *sorted(requirement.extras))]
    return {each for each, _ in found} - {name}


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    pytest.importorskip("importlinter")
    script = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    command = [sys.executable, "-c", script, "--no-cache"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
