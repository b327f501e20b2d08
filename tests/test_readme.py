"""The pages for users are correct: their commands, Python and scenarios run, and print what is shown.

A `console` block is a command and its output; a `text` block after a `python` block is what that prints. A paragraph
that consists of a file name names the Python block after it; all such files of a page are written before one of them
runs. A `yaml` block with a name is a scenario. A line `…` stands for omitted lines. Wall-clock times are not compared.
"""

import contextlib
import io
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from matplotlib.testing.compare import compare_images

import recovery
from sim.cli import main
from tests.nested_pytest import PLUGINS

ROOT = Path(__file__).parents[1]
PAGES = (
    "README.md",
    "scenarios/README.md",
    "scenarios/exchange/README.md",
    "scenarios/programs/README.md",
    "sim/README.md",
    "sim/experiments/README.md",
    "sim/experiments/fitting/README.md",
    "sim/baselines/README.md",
    "sim/loop/README.md",
    "sim/programs/README.md",
    "sim/programs/frameworks/README.md",
    "recovery/README.md",
    "notebooks/README.md",
)
LINKED = (
    *PAGES,
    "sim/experiments/coverage.md",
    "sim/baselines/power.md",
    "sim/world/README.md",
    "sim/invariants/README.md",
    ".github/CONTRIBUTING.md",
)
CHECKED = {"console", "python", "yaml"}
NOT_RUN = {"sh", "text"}
LONGEST_README = 150
PIXELS_APART = 3.0  # root mean square, of 255: as much as another version of the font renderer makes


@dataclass(frozen=True)
class Block:
    """A fenced block of a page: its language, text, place, and the file that the paragraph before it names."""

    page: str
    language: str
    text: str
    lines: tuple[int, int]
    file: str | None

    def __str__(self):
        return f"{self.page}:{self.lines[0] + 1}"

    @property
    def command(self):
        return self.text.partition("\n")[0].removeprefix("$ ")

    @property
    def shown(self):
        return self.text.partition("\n")[2]


def text_of(page):
    return (ROOT / page).read_text(encoding="utf-8")


def blocks_of(page, text):
    """All fenced blocks of a page, in order."""
    found, before = [], ""
    for token in MarkdownIt("commonmark").parse(text):
        if token.type == "inline":
            before = token.content
        elif token.type == "fence":
            named = re.fullmatch(r"`(\w+\.py)`", before)
            found.append(Block(page, token.info, token.content, tuple(token.map), named and named[1]))
            before = ""
    return found


def inline_code(text):
    return [
        child.content
        for token in MarkdownIt("commonmark").parse(text)
        for child in token.children or ()
        if child.type == "code_inline"
    ]


def links(text):
    """Targets of links and sources of pictures."""
    attributes = [
        child.attrGet("href") or child.attrGet("src")
        for token in MarkdownIt("commonmark").enable("table").parse(text)
        for child in token.children or ()
        if child.type in {"link_open", "image"}
    ]
    return [str(link) for link in attributes]


BLOCKS = {page: blocks_of(page, text_of(page)) for page in PAGES}
EVERY = [block for blocks in BLOCKS.values() for block in blocks]
CONSOLE = [block for block in EVERY if block.language == "console"]
MANY_RUNS = {"compare", "sweep", "tune", "--find-warmup", "--replications"}  # words of a command that takes long
LONG_CONSOLE = [block for block in CONSOLE if MANY_RUNS & {*block.command.split()}]
IMPORTS_FRAMEWORKS = "sim/programs/frameworks/README.md"  # takes seconds
PYTHON = [
    pytest.param(
        block,
        BLOCKS[block.page][number + 1],
        marks=[pytest.mark.long] if "replications=" in block.text or block.page == IMPORTS_FRAMEWORKS else [],
        id=str(block),
    )
    for blocks in BLOCKS.values()
    for number, block in enumerate(blocks)
    if block.language == "python" and not (block.file or "").startswith("test_")  # those are run by pytest
]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_files(folder, page):
    """Write the scenarios and the named Python files of a page."""
    for block in BLOCKS[page]:
        if block.language == "yaml" and (named := re.match(r"name: (\S+)\n", block.text)):
            (folder / f"{named[1]}.scenario.yaml").write_text(block.text, encoding="utf-8")
        if block.file:
            (folder / block.file).write_text(block.text, encoding="utf-8")


def output_of(command, folder):
    """What a command prints on a terminal, and its exit status."""
    program, *arguments = shlex.split(command)
    if program == "recovery-bench":
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            status = main(arguments)
        return printed.getvalue(), status
    assert program == "pytest"
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *PLUGINS, *arguments],
        cwd=folder, env=environment, capture_output=True, text=True, encoding="utf-8", check=False,
    )  # fmt: skip
    return done.stdout + done.stderr, done.returncode


def output_of_python(block, folder):
    """What a Python block prints as the main program, in this process: importing the libraries takes seconds."""
    printed, errors, before = io.StringIO(), io.StringIO(), {*sys.modules}
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(printed), contextlib.redirect_stderr(errors):
        patch.syspath_prepend(folder)
        if block.file:
            runpy.run_path(str(folder / block.file), run_name="__main__")
        else:
            exec(compile(block.text, str(block), "exec"), {"__name__": "__main__"})
    for file in folder.glob("*.py"):  # another page may have another file of this name
        if file.stem not in before:
            sys.modules.pop(file.stem, None)
    assert errors.getvalue() == ""
    return printed.getvalue()


def agrees(shown, printed):
    """Whether the output is as shown, except for trailing blanks and wall-clock times."""
    pattern = "\n".join(
        "(?:.*\n)*?.*" if line.strip() == "…" else re.escape(line) for line in plain(shown).splitlines()
    )
    return re.fullmatch(pattern, plain(printed)) is not None


def rewritten(page, text, folder):
    """The text with the current output of its commands; blocks with omitted lines stay as they are."""
    lines = text.splitlines()
    for block in reversed(blocks_of(page, text)):
        if block.language != "console" or "…" in block.shown.splitlines():
            continue
        printed = output_of(block.command, folder)[0]
        if not agrees(block.shown, printed):
            first, end = block.lines
            lines[first + 2 : end - 1] = map(str.rstrip, printed.strip("\n").splitlines())
    return "\n".join(lines) + "\n"


def plain(text):
    text = re.sub(r"\bin [\d.]+ ?s\b", "in 0.0 s", text)
    return "\n".join(line.rstrip() for line in text.strip("\n").splitlines())


@pytest.mark.parametrize(
    "block",
    [pytest.param(block, marks=[pytest.mark.long] if block in LONG_CONSOLE else []) for block in CONSOLE],
    ids=str,
)
def test_console_blocks_print_the_shown_output(block, folder, request):
    write_files(folder, block.page)
    demo = block.command == "recovery-bench demo"
    printed, status = request.getfixturevalue("demo") if demo else output_of(block.command, folder)
    assert agrees(block.shown, printed), printed
    assert status == (1 if "✗" in block.shown else 0)


@pytest.mark.parametrize("block", LONG_CONSOLE, ids=str)
def test_long_commands_have_known_options(block):
    """The short form: an unknown option is an error in spite of --help, which runs nothing."""
    assert main([*shlex.split(block.command)[1:], "--help"]) == 0


@pytest.mark.parametrize(("block", "output"), PYTHON)
def test_python_blocks_print_the_shown_output(block, output, folder):
    write_files(folder, block.page)
    printed = output_of_python(block, folder)
    assert output.language == "text"
    assert agrees(output.text, printed), printed


@pytest.mark.parametrize("page", PAGES)
def test_every_kind_of_block_is_checked(page):
    assert {block.language for block in BLOCKS[page]} <= CHECKED | NOT_RUN


def test_every_kind_of_block_is_present():
    assert {block.language for block in EVERY} == CHECKED | NOT_RUN


@pytest.mark.parametrize("page", LINKED)
def test_links_and_images_resolve(page):
    targets = [link.partition("#") for link in links(text_of(page)) if "://" not in link]
    assert [file for file, _, _ in targets if not (ROOT / page).parent.joinpath(file).exists()] == []
    headings = [
        heading
        for file, _, heading in targets
        if heading and heading not in anchors((ROOT / page).parent.joinpath(file).read_text(encoding="utf-8"))
    ]
    assert headings == []


def anchors(text):
    """The anchors that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


def test_the_readme_is_short_and_shows_the_picture():
    readme = text_of("README.md")
    assert len(readme.splitlines()) <= LONGEST_README
    assert ".images/demo.png" in links(readme)


def test_every_make_target_exists():
    makefile = text_of("Makefile")
    commands = [code for page in LINKED for code in inline_code(text_of(page))]
    commands += [block.text for block in EVERY if block.language == "sh"]
    targets = set(re.findall(r"\bmake (\w+)", "\n".join(commands)))
    assert {"demo", "test", "lint"} <= targets
    assert {target for target in targets if not re.search(rf"^{target}:", makefile, re.MULTILINE)} == set()


def test_every_path_in_the_contributing_page_exists():
    page = text_of(".github/CONTRIBUTING.md")
    paths = [code for code in inline_code(page) if re.fullmatch(r"[\w./-]+(/|\.py|\.yaml|\.md)", code)]
    assert len(paths) > 10
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_the_page_of_the_core_lists_every_port():
    ports = (Path(recovery.__file__).parent / "ports.py").read_text(encoding="utf-8")
    named = re.findall(r"^class (\w+)\(Protocol\)", ports, re.MULTILINE)
    assert [name for name in (*named, "Journal") if f"`{name}`" not in text_of("recovery/README.md")] == []


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """The picture of the demo."""
    return tmp_path_factory.mktemp("demo") / "recovery-bench-demo.png"


@pytest.fixture(scope="module")
def demo(drawn):
    """What the demo prints, and its exit status."""
    with contextlib.chdir(drawn.parent):
        return output_of("recovery-bench demo", drawn.parent)


def unlike(drawn, folder):
    """How a picture differs from the one of the page; None if they are alike."""
    kept = shutil.copy(ROOT / ".images" / "demo.png", folder / "kept.png")
    return compare_images(kept, str(drawn), tol=PIXELS_APART)


@pytest.mark.usefixtures("demo")
def test_the_image_is_the_one_the_demo_draws(drawn, folder):
    assert unlike(drawn, folder) is None


@pytest.mark.long
def test_the_image_of_another_seed_is_unlike(folder):
    main(["demo", "--seed", "8", "--out", "drawn.png", "--quiet"])
    assert unlike("drawn.png", folder) is not None


def test_outputs_can_be_rewritten(folder):
    fresh = "Text\n\n```console\n$ recovery-bench run baseline --quiet --set expect=[tasks.lost==1]\n{}```\n\nMore.\n"
    replay = "recovery-bench run baseline --seed 7/0 --set 'expect=[tasks.lost==1]'"
    printed = f"✗ tasks.lost == 1: observed 0\n  replay: {replay}\n"
    assert rewritten("a.md", fresh.format("another output\n"), folder) == fresh.format(printed)
    assert rewritten("a.md", fresh.format("…\n"), folder) == fresh.format("…\n")


@pytest.mark.parametrize(
    ("shown", "printed", "agreed"),
    [
        ("a 1 s\n", "a 1 s   \n", True),
        ("b in 0.3 s", "b in 12.0 s", True),
        ("a\n…\nd\n", "a\nb\nc\nd\n", True),
        ("a\n…\nd\n", "a\nb\nc\n", False),
        ("a 1 s\n", "a 2 s\n", False),
        ("a\n", "a\nb\n", False),
    ],
)
def test_the_comparison_can_fail(shown, printed, agreed):
    assert agrees(shown, printed) is agreed


if __name__ == "__main__":  # python -m tests.test_readme: rewrite the outputs, after an intended change
    for name in PAGES:
        with tempfile.TemporaryDirectory() as place, contextlib.chdir(place):
            write_files(Path(place), name)
            (ROOT / name).write_text(rewritten(name, text_of(name), Path(place)), encoding="utf-8")
