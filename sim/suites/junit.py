"""The results of a suite as JUnit XML: one test case for each scenario, in the dialect that pytest writes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any
from xml.etree import ElementTree as ET

from sim.suites.lines import problems, remarks
from sim.suites.suite import Case, Status, Suite

NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 does not have."""

KINDS = {
    Status.INVALID: "error",
    Status.FAILED: "failure",
    Status.REGRESSION: "failure",
    Status.NOT_RUN: "skipped",
    Status.XFAILED: "skipped",
}
"""The element of a case that did not pass."""


def junit(suite: Suite, changes: Mapping[str, str] | None = None) -> str:
    """The XML document. A file that is not valid is an error, a failed expectation or a regression is a failure."""
    counts = {
        "tests": str(len(suite.cases)),
        "failures": str(len(suite.of(Status.FAILED, Status.REGRESSION))),
        "errors": str(len(suite.of(Status.INVALID))),
        "skipped": str(len(suite.of(Status.NOT_RUN, Status.XFAILED))),
        "time": _seconds(sum(case.seconds for case in suite.cases)),
    }
    root = ET.Element("testsuites", {"name": "recovery-bench", **counts})
    element = ET.SubElement(root, "testsuite", {"name": "recovery-bench", **counts})
    for case in suite.cases:
        _add(element, case, changes)
    ET.indent(root)
    return str(ET.tostring(root, encoding="utf-8", xml_declaration=True), encoding="utf-8") + "\n"


def _add(suite: ET.Element, case: Case, changes: Mapping[str, str] | None) -> None:
    folder = ".".join(part for part in PurePath(case.entry.file).parent.parts if part not in ("/", ".", ".."))
    named = {"classname": _text(folder or "scenarios"), "name": _text(case.entry.name), "file": _text(case.entry.file)}
    element = ET.SubElement(suite, "testcase", {**named, "line": str(case.entry.line), "time": _seconds(case.seconds)})
    if case.result is not None:
        properties = ET.SubElement(element, "properties")
        for name, value in _properties(case):
            ET.SubElement(properties, "property", {"name": _text(name), "value": _text(value)})
    lines = [*problems(case, changes)]
    others = [*remarks(case)]
    if (kind := KINDS.get(case.status)) is not None:
        first = lines[0].removeprefix("✗ ") if lines else others[0] if others else "interrupted"
        wrong = ET.SubElement(element, kind, {"message": _text(first), "type": case.status.replace(" ", "_")})
        wrong.text = _text("\n".join(lines)) or None
    if others:
        ET.SubElement(element, "system-out").text = _text("\n".join(others))


def _properties(case: Case) -> list[tuple[str, str]]:
    """Seeds, hashes of the histories, expectations, metrics, and the verdict of the baseline."""
    result = case.result
    assert result is not None
    found = [("seed", run.seed) for run in result.runs]
    found += [("history_sha256", run.history_sha256) for run in result.runs]
    found += [
        (f"expect: {each.expression}", "holds" if each.holds else "does not hold") for each in result.expectations
    ]
    found += [(name, repr(each.mean)) for name, each in result.metrics.items()]
    if case.judgment is not None:
        found.append(("baseline", str(case.judgment.verdict)))
    return found


def _text(text: Any) -> str:
    return NOT_XML.sub("\ufffd", str(text))


def _seconds(seconds: float) -> str:
    return f"{seconds:.3f}"
