"""The results of a suite as Markdown, for a pull request or the summary of a job."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote

from sim.suites.lines import expected, problems, remarks, verdict
from sim.suites.suite import Status, Suite
from sim.suites.table import totals

SIGNS = {
    Status.PASSED: "✅",
    Status.XFAILED: "✅",
    Status.INCONCLUSIVE: "⚠️",
    Status.NOT_RUN: "⏭️",
    Status.REGRESSION: "❌",
    Status.FAILED: "❌",
    Status.INVALID: "❌",
}
SPECIAL = re.compile(r"([\\`*_\[\]<>|~#])")


def markdown(
    suite: Suite, changes: Mapping[str, str] | None = None, page: str | None = None, artifacts: str | None = None
) -> str:
    """A heading, a table of the scenarios, and what does not hold.

    `page`: a page of the results. A link leads to it, or to the `artifacts` of a job that uploads files: where a
    summary is shown there, the file is not beside it.
    """
    headings = ["scenario", "", "expected", *(["baseline"] if suite.is_judged else [])]
    lines = ["## Recovery Bench", "", f"{escaped(totals(suite))}", ""]
    lines += [_row(headings), _row(["---"] * len(headings))]
    for case in suite.cases:
        cells = [escaped(case.entry.name), f"{SIGNS[case.status]} {case.status}", expected(case)]
        lines.append(_row([*cells, *([verdict(case)] if suite.is_judged else [])]))
    if page is not None and artifacts is not None:
        lines += ["", f"The page of the results, if it is uploaded: {escaped(page)} in the [artifacts](<{artifacts}>)"]
    elif page is not None:
        lines += ["", f"[The page of the results: {escaped(page)}](<{quote(page)}>)"]
    for case in suite.cases:
        said = [*problems(case, changes), *remarks(case)]
        if said:
            lines += ["", f"### {escaped(case.entry.name)}", "", *_fenced(said)]
    lines += [f"\n{escaped(name)} is in the baseline, and not in this suite." for name in suite.absent]
    return "\n".join(lines) + "\n"


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _fenced(lines: list[str]) -> list[str]:
    """Lines as they are, in a fence that is longer than any in them."""
    text = "\n".join(lines)
    longest = max((len(found) for found in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}text", text, fence]


def escaped(text: str) -> str:
    """A text in one line without markup of its own."""
    return SPECIAL.sub(r"\\\1", " ".join(text.split()))
