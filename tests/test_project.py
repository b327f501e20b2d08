"""The project keeps its house rules, and each rule is shown a text that breaks it."""

import importlib.metadata
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.house_rules import (
    FOLDER_FILES_MAX,
    completes_coroutines,
    crowded,
    imports_of,
    iterates_over_set,
    names_a_place,
    not_pins,
    undocumented,
    unsafe_data,
    unseeded,
    vague_name,
    wall_clock,
)

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
CONTRACTS = PROJECT["tool"]["importlinter"]["contracts"]
PACKAGES = ("recovery", "scenarios", "sim")
FILES = {"CHANGELOG.md", "LICENSE", "Makefile", "README.md", "constraints.txt", "pyproject.toml"}
TOP_LEVEL = {*FILES, *PACKAGES, "benchmarks", "notebooks", "tests"}
SEEDING = {"random", "random.getstate", "random.seed", "random.setstate"}
SEEDS_ANOTHER = {"recovery/policies/tenacity_adapter.py"}  # tenacity draws from `random`, which is seeded for it
LIVES = (  # processes, and people with secrets
    "recovery/local/",
    *(f"recovery/manual/{name}.py" for name in ("manual_recovery", "operators", "plan_file", "pre_escalation_view")),
    *(f"sim/cli/recover/{name}.py" for name in ("access", "audit", "demo", "operators", "state", "task")),
)
WATCHES_WHAT_LIVES = {
    "tests/recovery/local/handlers.py",
    "tests/recovery/local/processes.py",
    "tests/recovery/local/test_process_cleanup.py",
    "tests/recovery/local/test_system.py",
}
TIMES_A_RUN = {
    "sim/simulation.py",
    "sim/experiments/runs/backends.py",
}  # for people, and for batches; no result rests on it


def modules_in(folder: str) -> list[str]:
    return sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / folder).rglob("*.py"))


core_is_free = imports_of("simpy", "sim", "scenarios")
scenarios_are_free = imports_of("simpy", "sim")


@pytest.mark.parametrize("module", modules_in("recovery"))
def test_core_imports_no_simulator(module):
    assert core_is_free(read(module)) == []


@pytest.mark.parametrize("module", modules_in("scenarios"))
def test_scenarios_import_no_simulator(module):
    assert scenarios_are_free(read(module)) == []


@pytest.mark.parametrize(
    ("package", "absent"), [("recovery", {"simpy", "sim", "scenarios"}), ("scenarios", {"simpy", "sim"})]
)
def test_importing_a_package_loads_no_simulator(package, absent):
    assert package in loaded_by(package)
    assert loaded_by(package) & absent == set()


def test_a_loaded_simulator_is_detected():
    assert {"sim", "simpy"} <= loaded_by("sim.loop")


@pytest.mark.parametrize("module", [module for package in PACKAGES for module in modules_in(package)])
def test_module_follows_the_house_rules(module):
    source = read(module)
    lives = module.startswith(LIVES)
    assert [
        *vague_name(module),
        *undocumented(source),
        *([] if lives else wall_clock(source, {"time.perf_counter"} if module in TIMES_A_RUN else set())),
        *([] if lives else unseeded(source, SEEDING if module in SEEDS_ANOTHER else set())),
        *unsafe_data(source),
        *iterates_over_set(source),
        *completes_coroutines(source),
    ] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_no_source_folder_has_too_many_files(package):
    assert crowded(path for path in project_files() if path.startswith(f"{package}/") and path.endswith(".py")) == []


@pytest.mark.parametrize("module", modules_in("tests"))
def test_tests_do_not_wait_on_the_wall_clock(module):
    assert module in WATCHES_WHAT_LIVES or wall_clock(read(module)) == []


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
METHOD = "'''A.'''\nclass A:\n  '''A.'''\n  {}\n  def f(self): return 0"


def files_of_a_folder(count: int) -> list[str]:
    return [f"sim/loop/module_{number}.py" for number in range(count)]


NUMPY = "import numpy as np\nnp.random."


@pytest.mark.parametrize(
    ("rule", "broken", "kept"),
    [
        (core_is_free, "import simpy", "import simplejson"),
        (core_is_free, "from sim.loop import SimLoop", "from recovery.model import sim"),
        (core_is_free, "def f():\n    import scenarios.loader as files", "scenarios = 1"),
        (core_is_free, "importlib.import_module('sim.loop')", "importlib.import_module('recovery')"),
        (scenarios_are_free, "from sim import loop", "from recovery import RetryPolicy"),
        (vague_name, "sim/utils.py", "sim/loop/event_loop.py"),
        (vague_name, "sim/helpers/times.py", "sim/world/times.py"),
        (undocumented, "x = 1", "'''A.'''"),
        (undocumented, "'''A.'''\nclass A: pass", "'''A.'''\nclass _A:\n    def f(self): pass"),
        (undocumented, "'''A.'''\nasync def f(): pass", "'''A.'''\nasync def f():\n    '''A.'''"),
        (undocumented, METHOD.format("@property"), METHOD.format("@override")),
        (crowded, files_of_a_folder(FOLDER_FILES_MAX + 1), files_of_a_folder(FOLDER_FILES_MAX)),
        (wall_clock, "import time\ntime.time()", "loop.time()"),
        (wall_clock, "from time import sleep as pause\npause(1)", "from asyncio import sleep\nsleep(1)"),
        (wall_clock, "from datetime import datetime\ndatetime.now()", "from datetime import timedelta\ntimedelta(1)"),
        (wall_clock, "import datetime as dt\ndt.date.today()", "import datetime as dt\ndt.date(2026, 1, 1)"),
        (unseeded, "import random\nrandom.random()", "rng.random()"),
        (unseeded, "from random import choice\nchoice(x)", "rng.choice(x)"),
        (unseeded, NUMPY + "normal()", NUMPY + "Generator(np.random.Philox(1))"),
        (unseeded, NUMPY + "default_rng()", NUMPY + "default_rng(7)"),
        (unseeded, "sorted(tasks, key=id)", "sorted(tasks, key=lambda task: task.id)"),
        (unseeded, "hash(name) % 8", "crc32(name) % 8"),
        (unseeded, "from uuid import uuid4\nuuid4()", "from uuid import uuid5\nuuid5(space, name)"),
        (unsafe_data, "import pickle", "import json"),
        (unsafe_data, "import pandas as pd\npd.read_pickle(f)", "import pandas as pd\npd.read_parquet(f)"),
        (unsafe_data, "import yaml\nyaml.load(f)", "from ruamel.yaml import YAML\nYAML(typ='safe').load(f)"),
        (unsafe_data, "from ruamel.yaml import load\nload(f)", "yaml = YAML(typ='rt')\nyaml.load(f)"),
        (unsafe_data, "YAML(typ='unsafe')", "YAML()"),
        (unsafe_data, "np.load(f, allow_pickle=True)", "np.load(f)"),
        (unsafe_data, "eval('1')", "literal_eval('1')"),
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


def test_import_contracts_are_kept():
    checked = lint_imports(ROOT)
    assert checked.returncode == 0, checked.stdout


OFFENCES = {
    "recovery <- scenarios <- sim": ("scenarios/schema.py", "import sim.loop.errors"),
    "the core knows no simulator": ("recovery/policies/retry.py", "import simpy"),
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
    """What belongs to the project: what git tracks or, in a copy without its history, what is no cache."""
    if (ROOT / ".git").exists():
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
        return [path for path in listed.split("\0") if path and (ROOT / path).is_file()]
    agreed = [path for name in sorted(TOP_LEVEL) for path in [ROOT / name, *(ROOT / name).rglob("*")]]
    return [path.relative_to(ROOT).as_posix() for path in agreed if path.is_file() and "__pycache__" not in path.parts]


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
