"""The report of a crash sweep as JUnit XML: one test case for each trial."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree as ET

from sim.programs.crash_sweep.text import where

if TYPE_CHECKING:
    from sim.programs.crash_sweep.report import CrashSweepReport

NOT_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 does not have."""


def document(report: CrashSweepReport) -> str:
    """The XML document: a trial that does not hold is a failure."""
    counts = {"tests": str(len(report.trials)), "failures": str(len(report.failures)), "errors": "0", "skipped": "0"}
    root = ET.Element("testsuites", {"name": "recovery-bench", **counts})
    suite = ET.SubElement(root, "testsuite", {"name": _text(report.program), **counts})
    for trial in report.trials:
        named = {"classname": _text(report.program), "name": _text(where(trial))}
        placed = {"file": _text(trial.points[-1].file), "line": str(trial.points[-1].line)} if trial.points else {}
        case = ET.SubElement(suite, "testcase", {**named, **placed, "time": "0"})
        if not trial.holds:
            kind = str(trial.verdict).replace(" ", "_")
            failure = ET.SubElement(case, "failure", {"message": _text(trial.message), "type": kind})
            failure.text = _text(f"{trial.verdict}: {trial.message}\ntoken: {report.token_of(trial)}")
    ET.indent(root)
    return str(ET.tostring(root, encoding="utf-8", xml_declaration=True), encoding="utf-8") + "\n"


def _text(text: str) -> str:
    return NOT_XML.sub("�", text)
