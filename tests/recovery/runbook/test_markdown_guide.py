"""A Markdown guide with YAML blocks is a runbook; errors have line numbers of the guide."""

import re
from pathlib import Path

import pytest

from recovery.runbook import catalogue
from recovery.runbook.catalogue import RunbookError, documented, load, loads

SECTIONS = re.split(
    r"\n\n(?=\w)", (Path(catalogue.__file__).parent / "runbook.yaml").read_text(encoding="utf-8").rstrip()
)[1:]
FAILURES = "\n\n".join(SECTIONS[:2])
HEAD = "---\ntitle: My guide\n---\n\n# What we do\n\n```mermaid\ngraph TD\n```\n\n"
"""The block that follows it begins on line 12."""


def block(text: str, fence: str = "```", language: str = "yaml") -> str:
    return f"{fence}{language}\n{text}\n{fence}\n\n"


GUIDE = (
    HEAD
    + block(FAILURES)
    + "Agents and links are another matter.\n\n"
    + block('class RecoveryEngine:\n    """Not a runbook."""', language="python")
    + "".join(block(section.rstrip()) for section in SECTIONS[2:])
)


def refused(text: str) -> str:
    with pytest.raises(RunbookError) as told:
        loads(text, "guide.md")
    return str(told.value)


def test_a_guide_is_the_union_of_its_yaml_blocks(tmp_path):
    guide = tmp_path / "guide.md"
    guide.write_text(GUIDE, encoding="utf-8")
    assert load(guide) == documented()


@pytest.mark.parametrize(
    "text",
    [
        GUIDE.replace("\n", "\r\n"),
        "\ufeff" + GUIDE,
        GUIDE.replace("```yaml", '```YAML title="x"'),
        GUIDE.replace("```", "~~~~"),
        GUIDE.replace("# What we do", "```` \n```yaml\nnot: a block\n```\n````"),
        GUIDE + block("", language="yml"),
        GUIDE + "```yaml\n# nothing but a remark\n```\n",
        GUIDE + "```python\nnever ends",
        GUIDE + "---\n",
    ],
)
def test_other_markdown_styles_are_accepted(text):
    assert loads(text, "guide.MD") == documented()


def test_a_block_in_a_list_is_read():
    indented = "\n".join(f"    {line}" if line else "" for line in block(FAILURES).splitlines())
    assert loads(GUIDE.replace(block(FAILURES).rstrip(), indented.rstrip()), "guide.md") == documented()


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_front_matter_is_ignored(mark):
    guide = mark + GUIDE.replace("title: My guide", "task_failures: {}\n```yaml")
    assert loads(guide, "guide.md") == documented()


def test_a_leading_thematic_break_is_no_front_matter():
    assert loads("---\n\nWords.\n\n" + GUIDE.removeprefix("---\ntitle: My guide\n---\n"), "guide.md") == documented()


def test_an_error_is_reported_with_the_line_of_the_guide():
    assert refused(GUIDE.replace("command: retry_task", "command: retry_tusk")) == (
        "guide.md:24: task_failures.execution_failure.recovery.2: unknown command 'retry_tusk'; "
        "did you mean 'retry_task'?"
    )


def test_invalid_yaml_is_reported_with_the_line_of_the_guide():
    assert refused(HEAD + block("task_failures:\n  a: [")).startswith("guide.md:14: not valid YAML: ")


def test_a_key_in_two_blocks_is_reported_with_both_lines():
    assert refused(HEAD + block("task_failures: {}") + block("task_failures: {}")) == (
        "guide.md:16: task_failures: duplicate key; first defined on line 12; valid: one of them"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# Words alone\n", "guide.md:1: the runbook: has no ```yaml block; valid: a runbook in YAML, or a Markdown"),
        ("", "guide.md:1: the runbook: has no ```yaml block"),
        (HEAD + block("- a\n- b"), "guide.md:12: the block: should be a mapping, `key: value`"),
        (GUIDE + block("- a"), "the block: should be a mapping, `key: value`"),
        (
            HEAD + "```yaml\ntask_failures: {}\n",
            "guide.md:11: the block: does not end; valid: ``` on a line",
        ),
        (HEAD + block("tasks: {}"), "guide.md:12: tasks: unknown key; valid: task_failures"),
        (HEAD + block("task_failures: {}"), "guide.md:12: system_failures: missing; the keys are task_failures"),
    ],
)
def test_other_files_are_rejected_as_no_guide(text, message):
    assert message in refused(text)


@pytest.mark.parametrize("prefix", ["> ", "- "])
def test_a_block_inside_a_quote_or_list_keeps_its_line_numbers(prefix):
    rest = prefix.replace("-", " ")
    quoted = "\n".join((rest if number else prefix) + line for number, line in enumerate(block("a: {}").splitlines()))
    assert refused(quoted).startswith("guide.md:2: a: unknown key")
