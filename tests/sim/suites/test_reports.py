"""Reports of a suite escape what their readers would take for markup."""

from xml.etree import ElementTree as ET

import pytest
from markdown_it import MarkdownIt

from sim.suites.annotations import annotation
from sim.suites.files import Entry
from sim.suites.junit import junit
from sim.suites.markdown import escaped, markdown
from sim.suites.suite import Case, Suite

NASTY = 'a\x00b\x1b[31m]]>&<script>"\ufffe"'


def suite_of(*entries):
    return Suite(tuple(Case(entry) for entry in entries))


def test_junit_is_valid_xml_whatever_a_problem_contains():
    entry = Entry.broken(f"dir/{NASTY}.scenario.yaml", f"problem {NASTY}\nsecond line", 3)
    case = ET.fromstring(junit(suite_of(entry)).encode()).find("testsuite/testcase")
    assert case.get("line") == "3"
    assert '<script>"' in case.find("error").text


def test_a_case_that_was_not_run_is_skipped(small_scenario):
    element = ET.fromstring(junit(suite_of(Entry("a", "a", small_scenario))).encode()).find("testsuite")
    assert element.get("skipped") == "1"
    assert element.find("testcase/skipped") is not None


@pytest.mark.parametrize("problem", ["a | b", "````text\ninside\n```", "<b>x</b>", "[x](http://a)", "# heading"])
def test_markdown_shows_problems_as_they_are(problem):
    text = markdown(suite_of(Entry.broken(f"{problem.splitlines()[0]}.scenario.yaml", problem)))
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    fences = [token.content for token in tokens if token.type == "fence"]
    assert fences == [f"✗ {problem}\n"]
    assert [token.type for token in tokens].count("td_open") == 3
    assert not [token for token in tokens if token.type.startswith("html")]


def test_escaped_text_is_one_line():
    assert escaped("a|b\n*c*") == r"a\|b \*c\*"


def test_annotations_escape_as_github_does():
    found = annotation("error", "a,b:c%.yaml", 3, "t: x", "100% of\r\nit: fails, here")
    assert found == "::error file=a%2Cb%3Ac%25.yaml,line=3,title=t%3A x::100%25 of%0D%0Ait: fails, here"
