"""The house rules: functions that check a source text and return objections as `line: objection`.

Each says why no tool has it. Ruff's rules stand in pyproject.toml (among them TID251: clock and randomness), as do the
contracts of the import linter.
"""

import ast
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Set
from functools import lru_cache
from pathlib import Path

from packaging.utils import canonicalize_name

FOLDER_FILES_MAX = 20
VAGUE_NAMES = {"common", "helper", "helpers", "misc", "util", "utils"}
SEEDED_BY_AN_ARGUMENT = ("default_rng", "SeedSequence")
SETS = {"set", "frozenset", "Set", "AbstractSet", "MutableSet"}
ORDER_FREE = {"all", "any", "frozenset", "len", "max", "min", "set", "sorted"}
ORDERED = {"dict", "enumerate", "iter", "join", "list", "map", "next", "sum", "tuple", "zip"}


@lru_cache(maxsize=1)
def parsed(source: str) -> ast.Module:
    """The syntax tree of a source text, which one rule after the other walks."""
    return ast.parse(source)


@lru_cache(maxsize=1)
def walked(tree: ast.AST) -> tuple[ast.AST, ...]:
    """All nodes of a tree."""
    return tuple(ast.walk(tree))


def dotted(node: ast.AST) -> str:
    """`a.b.c` of an expression that is a plain chain of names; empty for any other."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (start := dotted(node.value)):
        return f"{start}.{node.attr}"
    return ""


def called(node: ast.AST) -> str:
    """The last name of the called function: `create_task` of `loop().create_task(x)`; empty for other expressions."""
    if not isinstance(node, ast.Call):
        return ""
    return node.func.attr if isinstance(node.func, ast.Attribute) else dotted(node.func)


def crowded(paths: Iterable[str]) -> list[str]:
    """Folders with too many files. A rule of this project: linters check one file at a time."""
    counts = Counter(str(Path(path).parent) for path in paths)
    return [
        f"{folder}: {count} files, more than {FOLDER_FILES_MAX}"
        for folder, count in sorted(counts.items())
        if count > FOLDER_FILES_MAX
    ]


def vague_name(path: str) -> list[str]:
    """Names of folders and modules that do not describe their contents. Ruff checks only their form (N999)."""
    return [f"1: {part} says nothing" for part in Path(path).with_suffix("").parts if part in VAGUE_NAMES]


def differs_by_process(source: str) -> list[str]:
    """No identity and no hash, which differ from process to process, and no generator without a seed.

    Ruff bans names of modules (TID251), not of builtins, and has no rule for a missing seed.
    """
    tree = parsed(source)
    builtins = [
        f"{node.lineno}: {node.id} differs from run to run"
        for node in walked(tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in ("hash", "id")
    ]
    return builtins + [
        f"{node.lineno}: {called(node)} without a seed"
        for node in walked(tree)
        if called(node) in SEEDED_BY_AN_ARGUMENT and not (node.args or node.keywords)
    ]


def unsafe_data(source: str) -> list[str]:
    """No option or method of a safe module that runs code from data.

    Ruff has rules for functions that do so (S301, S506), not for these.
    """
    return [
        f"{node.lineno}: {name} may run what it reads"
        for node in walked(parsed(source))
        if isinstance(node, ast.Call)
        for name in [called(node), *(f"{each.arg}={getattr(each.value, 'value', None)!r}" for each in node.keywords)]
        if name in ("read_pickle", "to_pickle", "typ='unsafe'", "allow_pickle=True")
    ]


def holder(node: ast.AST) -> str:
    """What holds a value: `.name` for an attribute, whose owner does not matter, or the name itself."""
    return f".{node.attr}" if isinstance(node, ast.Attribute) else dotted(node)


def is_set(node: ast.AST | None, held: Set[str]) -> bool:
    """Whether an expression is a set, as it is written or as what holds it is known to hold one."""
    match node:
        case ast.Set() | ast.SetComp():
            return True
        case ast.Call(func=ast.Attribute(attr="union" | "intersection" | "difference" | "symmetric_difference")):
            return is_set(node.func.value, held)
        case ast.Call():
            return called(node) in ("set", "frozenset")
        case ast.BinOp(op=ast.BitOr() | ast.BitAnd() | ast.Sub() | ast.BitXor()):
            sides = (node.left, node.right)
            return any(is_set(side, held) or called(side) in ("keys", "items") for side in sides)
        case ast.Name() | ast.Attribute():
            return holder(node) in held
    return False


def holders_of_sets(tree: ast.AST) -> set[str]:
    """The names and attributes that are annotated as sets, or assigned one."""

    def annotated(annotation: ast.AST | None) -> bool:
        named = annotation.value if isinstance(annotation, ast.Subscript) else annotation
        return named is not None and dotted(named).rpartition(".")[2] in SETS

    held: set[str] = set()
    for node in walked(tree):
        if isinstance(node, ast.AnnAssign) and (annotated(node.annotation) or is_set(node.value, held)):
            held |= {
                holder(node.target),
                f".{holder(node.target)}",
            }  # a field of a class is an attribute of its objects
        elif isinstance(node, ast.Assign) and is_set(node.value, held):
            held |= {holder(target) for target in node.targets}
        elif isinstance(node, ast.arg) and annotated(node.annotation):
            held.add(node.arg)
    return held - {"", "."}


def looped_in_order(tree: ast.AST) -> Iterator[ast.AST]:
    """Every expression that is gone through where the order shows in the result."""
    free = {id(given) for node in walked(tree) if called(node) in ORDER_FREE for given in node.args}
    for node in walked(tree):
        if isinstance(node, ast.For):
            yield node.iter
        elif isinstance(node, ast.ListComp | ast.DictComp | ast.GeneratorExp) and id(node) not in free:
            yield from (generator.iter for generator in node.generators)
        elif called(node) in ORDERED and id(node) not in free:
            yield from node.args
        elif isinstance(node, ast.Starred):
            yield node.value


def iterates_over_set(source: str) -> list[str]:
    """No loop in the order of a set, which follows hashes and thereby the process; `sorted` gives it an order.

    Ruff sees only literal sets in loops (PLC0208).
    """
    tree = parsed(source)
    held = holders_of_sets(tree)
    return [f"{node.lineno}: the order of a set" for node in looped_in_order(tree) if is_set(node, held)]


def completes_coroutines(source: str) -> list[str]:
    """`as_completed` takes tasks: it keeps coroutines in a set, whose order is that of their addresses.

    Ruff's rules for asyncio do not include it.
    """

    def of_coroutines(given: ast.AST) -> bool:
        comprehended = isinstance(given, ast.ListComp | ast.GeneratorExp | ast.SetComp)
        elements = [given.elt] if comprehended else getattr(given, "elts", [])
        made = {called(element) for element in elements} - {"", "create_task", "ensure_future"}
        return bool(made) or isinstance(given, ast.Set | ast.SetComp)

    return [
        f"{node.lineno}: as_completed is not given tasks"
        for node in walked(parsed(source))
        if called(node) == "as_completed" and any(of_coroutines(given) for given in node.args[:1])
    ]


def names_a_place(text: str) -> list[str]:
    """No folder of one machine, no neighbor of the checkout, no registry's address, no number of a tracker.

    It covers text files of every kind, which ruff does not read.
    """
    folder = r"(?<![\w.\-~$}\])/*])/(?:work|root|home)(?![\w-])"
    elsewhere = (r"\.\./" + "shared", r"pypi\." + "org", "python" + "hosted", r"\bissues? " + r"#?\d")
    pattern = re.compile("|".join((folder, *elsewhere)))
    return [
        f"{number}: {found[0]}" for number, line in enumerate(text.splitlines(), 1) if (found := pattern.search(line))
    ]


def not_pins(text: str) -> list[str]:
    """Constraints are `name==version`, with a marker where one version cannot serve all, sorted by name.

    Pip accepts ranges and addresses as well.
    """
    pin = re.compile(r"""[A-Za-z0-9][\w.-]*==[\w.+!]+( ; [\w<>=!'". ]+)?""")
    lines = text.splitlines()
    names = [canonicalize_name(line.partition("==")[0]) for line in lines]
    loose = [f"{number}: {line}" for number, line in enumerate(lines, 1) if not pin.fullmatch(line)]
    return loose + ([] if names == sorted(names) else ["1: not sorted by name"])
