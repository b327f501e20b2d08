"""The README does what it says: its commands, its Python and its scenarios run, and print what it shows.

A `console` block is a command and its output; a `text` block after a `python` block is what that prints. A line `…`
stands for lines that are left out. How long something took on the machine is not compared.
"""

import contextlib
import io
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from matplotlib.testing.compare import compare_images

from sim.cli import main

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
PIXELS_APART = 3.0  # root mean square, of 255: as much as another version of the font renderer makes
INSTALLED = bool(entry_points(group="pytest11", name="recovery-bench"))
CONSOLE = [text for language, text in BLOCKS if language == "console"]
PYTHON = [
    (text, BLOCKS[number + 1][1])
    for number, (language, text) in enumerate(BLOCKS)
    if language == "python" and BLOCKS[number + 1][0] == "text"
]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with the README's scenarios, each under its name."""
    monkeypatch.chdir(tmp_path)
    write_scenarios(tmp_path)
    return tmp_path


def write_scenarios(folder):
    for language, text in BLOCKS:
        if language == "yaml":
            (folder / f"{text.split()[1]}.scenario.yaml").write_text(text, encoding="utf-8")


def output_of(command, folder):
    """What a command prints on a terminal, and its exit status."""
    program, *arguments = shlex.split(command)
    if program == "recovery-bench":
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            status = main(arguments)
        return printed.getvalue(), status
    assert program == "pytest"
    plugin = [] if INSTALLED else ["-p", "sim.pytest_plugin"]
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *plugin, *arguments],
        cwd=folder, env=environment, capture_output=True, text=True, encoding="utf-8", check=False,
    )  # fmt: skip
    return done.stdout + done.stderr, done.returncode


def agrees(shown, printed):
    """Whether the output is as shown, blanks at the ends of lines and times of the machine apart."""
    pattern = "\n".join(
        "(?:.*\n)*?.*" if line.strip() == "…" else re.escape(line) for line in plain(shown).splitlines()
    )
    return re.fullmatch(pattern, plain(printed)) is not None


def rewritten(readme, folder):
    """The README with the outputs of its commands as they are now; blocks with lines left out stay as they are."""

    def block(match):
        command, shown = match[1], match[2]
        printed = output_of(command, folder)[0]
        if "…" in shown.splitlines() or agrees(shown, printed):
            return match[0]
        return f"```console\n$ {command}\n" + "\n".join(map(str.rstrip, printed.strip("\n").splitlines())) + "\n```"

    return re.sub(r"^```console\n\$ (.*?)\n(.*?)^```$", block, readme, flags=re.MULTILINE | re.DOTALL)


def plain(text):
    text = re.sub(r"\bin [\d.]+ ?s\b", "in 0.0 s", text)
    return "\n".join(line.rstrip() for line in text.strip("\n").splitlines())


@pytest.mark.parametrize("block", CONSOLE, ids=lambda block: block.partition("\n")[0])
def test_commands_print_what_is_shown(block, folder):
    first, _, shown = block.partition("\n")
    printed, status = output_of(first.removeprefix("$ "), folder)
    assert agrees(shown, printed), printed
    assert status == (1 if "✗" in shown else 0)


@pytest.mark.parametrize(("code", "shown"), PYTHON)
def test_python_prints_what_is_shown(code, shown, folder):
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True
    )
    assert agrees(shown, done.stdout), done.stdout


def test_every_kind_of_block_is_checked():
    checked = {"console", "python", "yaml"}
    assert checked <= {language for language, _ in BLOCKS}
    assert {language for language, _ in BLOCKS} - checked == {"sh", "text"}  # make, and what is no program
    assert len(PYTHON) == sum(language == "python" for language, _ in BLOCKS)


def test_the_make_targets_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    prose = re.sub(r"^```.*?^```$", "", README, flags=re.MULTILINE | re.DOTALL)
    commands = [*re.findall(r"`([^`]+)`", prose), *(text for language, text in BLOCKS if language == "sh")]
    targets = set(re.findall(r"\bmake (\w+)", "\n".join(commands)))
    assert {"demo", "test", "lint"} <= targets
    assert {target for target in targets if not re.search(rf"^{target}:", makefile, re.MULTILINE)} == set()


def test_links_and_pictures_lead_somewhere():
    found = re.findall(r"\]\(([^)#:]+)\)", README)
    assert ".images/demo.png" in found
    assert [link for link in found if not (ROOT / link).exists()] == []


def test_the_map_names_what_is_there():
    (house,) = [text for language, text in BLOCKS if language == "text" and text.startswith("recovery/")]
    paths, package = [], ""
    for line in house.splitlines():
        name = line.split()[0]
        package = package if line.startswith(" ") else name
        paths.append(f"{package}{name}" if line.startswith(" ") else name)
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_the_picture_is_the_one_that_the_demo_draws(folder):
    kept = shutil.copy(ROOT / ".images" / "demo.png", "kept.png")
    for seed, alike in (("7", True), ("8", False)):
        main(["demo", "--seed", seed, "--out", "drawn.png", "--quiet"])
        difference = compare_images(kept, "drawn.png", tol=PIXELS_APART)
        assert (difference is None) is alike, difference


def test_outputs_can_be_written_anew(folder):
    fresh = "Text\n\n```console\n$ recovery-bench run baseline --quiet --set expect=[tasks.lost==1]\n{}```\n\nMore.\n"
    replay = "recovery-bench run baseline --seed 7/0 --set 'expect=[tasks.lost==1]'"
    printed = f"✗ tasks.lost == 1: observed 0\n  replay: {replay}\n"
    assert rewritten(fresh.format("nothing of the kind\n"), folder) == fresh.format(printed)
    assert rewritten(fresh.format("…\n"), folder) == fresh.format("…\n")


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


if __name__ == "__main__":  # python -m tests.test_readme: write the outputs anew, after a change that is meant
    with tempfile.TemporaryDirectory() as place, contextlib.chdir(place):
        write_scenarios(Path(place))
        (ROOT / "README.md").write_text(rewritten(README, Path(place)), encoding="utf-8")
