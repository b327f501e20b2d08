"""Every shipped scenario matches its row in the golden table, byte for byte."""

import json

import pytest

from tests.golden.golden_table import METRICS, ROOT, SHIPPED, TABLE, golden_row

GOLDEN = json.loads(TABLE.read_text(encoding="utf-8"))


@pytest.mark.parametrize("file", SHIPPED)
def test_a_shipped_scenario_gives_its_golden_row(file):
    assert golden_row(file) == GOLDEN[file]


def test_the_table_covers_exactly_the_shipped_scenarios():
    assert sorted(GOLDEN) == SHIPPED
    assert all(set(row["metrics"]) == set(METRICS) for row in GOLDEN.values())


def test_all_expectations_in_the_table_hold():
    assert {holds for row in GOLDEN.values() for holds in row["expectations"].values()} == {True}


def test_a_changed_history_does_not_match_its_row(tmp_path):
    file = "scenarios/documented/agent-failure.scenario.yaml"
    text = (ROOT / file).read_text(encoding="utf-8").replace("count: 10", "count: 11", 1)
    assert "count: 11" in text
    changed = tmp_path / "changed.scenario.yaml"
    changed.write_text(text, encoding="utf-8")
    assert golden_row(changed)["history_sha256"] != GOLDEN[file]["history_sha256"]
