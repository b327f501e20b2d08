"""Private names of asyncio and SimPy: the installed versions have them, and every one that is used is listed."""

import ast
from functools import cache
from pathlib import Path

import pytest

import sim
from sim.loop.private_names import ASYNCIO, SIMPY, IncompatibleLibrary, check_private_names

SIM = Path(sim.__file__).parent
LISTED = {name for names in (*ASYNCIO.values(), *SIMPY.values()) for name in names}
OPTIONAL = {"_children", "_generator"}  # of gather() and a process: without it, a report has less information
OF_LOKY = {"_processes", "_result_queue", "_work_ids"}  # used where runs are sent to processes; its tests run them


@cache
def nodes_of(source: str) -> tuple[ast.AST, ...]:
    """All nodes of the syntax tree."""
    return tuple(ast.walk(ast.parse(source)))


def private_names_of_others(source: str, defined: set[str]) -> set[str]:
    """Attributes with a leading underscore that a source reads or sets and that are not `defined`."""
    return {
        node.attr
        for node in nodes_of(source)
        if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__")
    } - defined


def defined_in(source: str) -> set[str]:
    """Names of functions and classes, of variables, and of attributes that a class gives to itself."""
    found = set()
    for node in nodes_of(source):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                for each in ast.walk(target):
                    if isinstance(each, ast.Name):
                        found.add(each.id)
                    elif isinstance(each, ast.Attribute) and isinstance(each.value, ast.Name):
                        found |= {each.attr} if each.value.id in ("self", "cls") else set()
    return found


def test_the_installed_versions_have_every_name():
    check_private_names()


@pytest.mark.parametrize("owner", [*ASYNCIO, *SIMPY])
def test_a_missing_name_is_reported_with_its_owner_and_the_tested_versions(owner):
    library = "Python" if owner in ASYNCIO else "simpy"
    names = {owner: ("_vanished",)}
    message = rf"^{library} \d+\.\S+: {owner} has no _vanished, which sim.loop uses; valid: {library} "
    with pytest.raises(IncompatibleLibrary, match=message):
        check_private_names(names, {}) if library == "Python" else check_private_names({}, names)


def test_every_private_name_of_another_library_is_listed():
    sources = [path.read_text(encoding="utf-8") for path in SIM.rglob("*.py")]
    ours = [path.read_text(encoding="utf-8") for path in (SIM.parent / "scenarios").rglob("*.py")]
    defined = {name for source in (*sources, *ours) for name in defined_in(source)}
    used = {name for source in sources for name in private_names_of_others(source, defined)}
    assert "_fut_waiter" in used
    assert used - LISTED - OPTIONAL - OF_LOKY == set()


def test_an_unlisted_name_is_found():
    assert private_names_of_others("env._heap.clear()", set()) == {"_heap"}
    assert private_names_of_others("self._heap.clear()", defined_in("self._heap = []")) == set()
