"""The house rules: each a function of a source text, which returns what it objects to as `line: objection`."""

import ast
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Set
from pathlib import Path

from packaging.utils import canonicalize_name

FOLDER_FILES_MAX = 20
VAGUE_NAMES = {"common", "helper", "helpers", "misc", "util", "utils"}
WALL_CLOCK = (
    *(f"time.{name}" for name in ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns")),
    *(f"time.{name}" for name in ("process_time", "thread_time", "sleep", "localtime", "gmtime", "ctime", "strftime")),
    *(f"datetime.{kind}.{name}" for kind in ("datetime", "date") for name in ("now", "utcnow", "today")),
)
CHANCE = ("random", "secrets", "os.urandom", "uuid.uuid1", "uuid.uuid4", "hash", "id")
SEEDED = ("numpy.random.BitGenerator", "numpy.random.Generator", "numpy.random.PCG64", "numpy.random.PCG64DXSM")
SEEDED += ("numpy.random.Philox", "numpy.random.SFC64", "numpy.random.SeedSequence", "numpy.random.default_rng")
RUNS_CODE = ("eval", "exec", "ruamel.yaml.load", "ruamel.yaml.round_trip_load", "ruamel.yaml.unsafe_load")
RUNS_CODE_MODULES = ("pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "yaml")
SETS = {"set", "frozenset", "Set", "AbstractSet", "MutableSet"}
ORDER_FREE = {"all", "any", "frozenset", "len", "max", "min", "set", "sorted"}
ORDERED = {"dict", "enumerate", "iter", "join", "list", "map", "next", "sum", "tuple", "zip"}


def dotted(node: ast.AST) -> str:
    """`a.b.c` of an expression that is a plain chain of names; empty for any other."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (start := dotted(node.value)):
        return f"{start}.{node.attr}"
    return ""


def called(node: ast.AST) -> str:
    """The last name of what is called: `create_task` of `loop().create_task(x)`; empty where nothing is called."""
    if not isinstance(node, ast.Call):
        return ""
    return node.func.attr if isinstance(node.func, ast.Attribute) else dotted(node.func)


def imports(tree: ast.AST) -> Iterator[tuple[int, str, str]]:
    """Line, local name and full name of what is imported, by statement or by `import_module` and `__import__`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.asname or alias.name, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield from (
                (node.lineno, alias.asname or alias.name, f"{node.module}.{alias.name}") for alias in node.names
            )
        elif called(node) in ("import_module", "__import__"):
            yield from (
                (node.lineno, "", str(given.value)) for given in node.args[:1] if isinstance(given, ast.Constant)
            )


def names_used(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and full name of every chain of names, imports resolved: `sleep` is `time.sleep` after its import."""
    meant = {local: full for _, local, full in imports(tree)}
    for node in ast.walk(tree):
        if chain := dotted(node):
            first, *rest = chain.split(".")
            yield node.lineno, ".".join([meant.get(first, first), *rest])


def belongs(name: str, owners: tuple[str, ...]) -> bool:
    """Whether a full name is one of these, or something in one of these."""
    return any(name == owner or name.startswith(owner + ".") for owner in owners)


def imports_of(*forbidden: str) -> Callable[[str], list[str]]:
    """A rule: none of these packages is imported, nor anything in them."""

    def rule(source: str) -> list[str]:
        return [f"{line}: imports {full}" for line, _, full in imports(ast.parse(source)) if belongs(full, forbidden)]

    return rule


def undocumented(source: str) -> list[str]:
    """Modules, public classes, functions and methods without a docstring; an override inherits its own."""

    def visit(node: ast.Module | ast.ClassDef, prefix: str) -> Iterator[str]:
        for child in node.body:
            if not isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) or child.name.startswith(
                "_"
            ):
                continue
            decorators = {dotted(each).rpartition(".")[2] for each in child.decorator_list}
            if not ast.get_docstring(child) and not decorators & {"override", "overload", "setter"}:
                yield f"{child.lineno}: {prefix}{child.name} has no docstring"
            if isinstance(child, ast.ClassDef):
                yield from visit(child, f"{prefix}{child.name}.")

    tree = ast.parse(source)
    return [*([] if ast.get_docstring(tree) else ["1: the module has no docstring"]), *visit(tree, "")]


def crowded(paths: Iterable[str]) -> list[str]:
    """A folder holds few files, so that a reader finds the right one: subfolders divide what would be more."""
    counts = Counter(str(Path(path).parent) for path in paths)
    return [
        f"{folder}: {count} files, more than {FOLDER_FILES_MAX}"
        for folder, count in sorted(counts.items())
        if count > FOLDER_FILES_MAX
    ]


def vague_name(path: str) -> list[str]:
    """A folder or module is named after what it does."""
    return [f"1: {part} says nothing" for part in Path(path).with_suffix("").parts if part in VAGUE_NAMES]


def wall_clock(source: str, allowed: Set[str] = frozenset()) -> list[str]:
    """Nothing asks the machine's clock or waits on it, but for the names allowed."""
    return [
        f"{line}: {name} is the machine's clock"
        for line, name in names_used(ast.parse(source))
        if belongs(name, WALL_CLOCK) and name not in allowed
    ]


def unseeded(source: str, allowed: Set[str] = frozenset()) -> list[str]:
    """No randomness but from a seed, nor identity or hash, which differ from process to process, but for the names
    allowed."""
    tree = ast.parse(source)
    chances = [
        f"{line}: {name} differs from run to run"
        for line, name in names_used(tree)
        if name not in allowed
        and (belongs(name, CHANCE) or (name.startswith("numpy.random.") and not belongs(name, SEEDED)))
    ]
    return chances + [
        f"{node.lineno}: {called(node)} without a seed"
        for node in ast.walk(tree)
        if called(node) in ("default_rng", "SeedSequence") and not (node.args or node.keywords)
    ]


def unsafe_data(source: str) -> list[str]:
    """No format that runs code when it is read: pickle and its kin, YAML that builds objects, eval and exec."""
    tree = ast.parse(source)
    calls = [
        f"{line}: {name} may run what it reads"
        for line, name in names_used(tree)
        if name in RUNS_CODE or name.rpartition(".")[2] in ("read_pickle", "to_pickle")
    ]
    options = [
        f"{node.lineno}: {option.arg}={option.value.value!r} may run what it reads"
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        for option in node.keywords
        if isinstance(option.value, ast.Constant)
        and (option.arg, option.value.value) in (("typ", "unsafe"), ("allow_pickle", True))
    ]
    return imports_of(*RUNS_CODE_MODULES)(source) + calls + options


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
    for node in ast.walk(tree):
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
    free = {id(given) for node in ast.walk(tree) if called(node) in ORDER_FREE for given in node.args}
    for node in ast.walk(tree):
        if isinstance(node, ast.For):
            yield node.iter
        elif isinstance(node, ast.ListComp | ast.DictComp | ast.GeneratorExp) and id(node) not in free:
            yield from (generator.iter for generator in node.generators)
        elif called(node) in ORDERED and id(node) not in free:
            yield from node.args
        elif isinstance(node, ast.Starred):
            yield node.value


def iterates_over_set(source: str) -> list[str]:
    """No loop in the order of a set, which follows hashes and thereby the process; `sorted` gives it an order."""
    tree = ast.parse(source)
    held = holders_of_sets(tree)
    return [f"{node.lineno}: the order of a set" for node in looped_in_order(tree) if is_set(node, held)]


def completes_coroutines(source: str) -> list[str]:
    """`as_completed` is given tasks: it keeps coroutines in a set, whose order is that of their addresses."""

    def of_coroutines(given: ast.AST) -> bool:
        comprehended = isinstance(given, ast.ListComp | ast.GeneratorExp | ast.SetComp)
        elements = [given.elt] if comprehended else getattr(given, "elts", [])
        made = {called(element) for element in elements} - {"", "create_task", "ensure_future"}
        return bool(made) or isinstance(given, ast.Set | ast.SetComp)

    return [
        f"{node.lineno}: as_completed is not given tasks"
        for node in ast.walk(ast.parse(source))
        if called(node) == "as_completed" and any(of_coroutines(given) for given in node.args[:1])
    ]


def names_a_place(text: str) -> list[str]:
    """No folder of one machine, no neighbor of the checkout, no registry's address, no number of a tracker."""
    folder = r"(?<![\w.\-~$}\])/*])/(?:work|root|home)(?![\w-])"
    elsewhere = (r"\.\./" + "shared", r"pypi\." + "org", "python" + "hosted", r"\bissues? " + r"#?\d")
    pattern = re.compile("|".join((folder, *elsewhere)))
    return [
        f"{number}: {found[0]}" for number, line in enumerate(text.splitlines(), 1) if (found := pattern.search(line))
    ]


def not_pins(text: str) -> list[str]:
    """Constraints are `name==version`, with a marker where one version cannot serve all, sorted by name."""
    pin = re.compile(r"""[A-Za-z0-9][\w.-]*==[\w.+!]+( ; [\w<>=!'". ]+)?""")
    lines = text.splitlines()
    names = [canonicalize_name(line.partition("==")[0]) for line in lines]
    loose = [f"{number}: {line}" for number, line in enumerate(lines, 1) if not pin.fullmatch(line)]
    return loose + ([] if names == sorted(names) else ["1: not sorted by name"])
