"""Files of baselines: sorted records, exact values, and one line for whatever is wrong with a file."""

import json
from dataclasses import replace
from math import inf

import pytest

from sim.baselines import BaselineError, read_baselines, write_baselines

HEAD = '{"format": "recovery-bench baseline", "version": 1}'


@pytest.fixture
def file(tmp_path, baseline):
    path = tmp_path / "baseline.json"
    write_baselines({baseline.scenario: baseline}, str(path))
    return path


def records(file):
    return json.loads(file.read_text())


def test_a_baseline_that_was_read_equals_the_one_that_was_written(file, baseline):
    assert read_baselines(str(file)) == {"small": baseline}


def test_infinite_and_missing_values_are_kept(tmp_path, baseline):
    name = "recovery.time.mean"
    values = (inf, None, *baseline.metrics[name].values[2:])
    changed = replace(baseline.metrics[name], mean=inf, ci95=None, values=values, pooled=())
    other = replace(baseline, metrics={**baseline.metrics, name: changed})
    write_baselines({"small": other}, str(tmp_path / "b.json"))
    assert read_baselines(str(tmp_path / "b.json")) == {"small": other}


def test_each_record_has_a_line_in_the_order_of_the_names(file):
    lines = file.read_text().splitlines()
    found = records(file)
    assert [json.loads(line.rstrip(",")) for line in lines[1:-1]] == found
    names = [record["metric"] for record in found if "metric" in record]
    keys = [record["key"] for record in found if "key" in record]
    assert names == sorted(names)
    assert keys == sorted(keys)
    assert {"recovery.time.mean", "tasks.lost"} <= {*names}
    assert found[1]["seed"] == 7
    assert found[1]["replications"] == 8


def test_the_file_is_the_same_every_time(file, baseline, tmp_path):
    write_baselines({"small": baseline}, str(tmp_path / "again.json"))
    assert (tmp_path / "again.json").read_bytes() == file.read_bytes()


def test_a_reformatted_file_is_still_read(file, baseline):
    file.write_text(json.dumps(records(file), indent=4))
    assert read_baselines(str(file)) == {"small": baseline}


def test_scenarios_are_independent_records(file, baseline, tmp_path):
    """Two changes of different scenarios can be merged line by line."""
    other = replace(baseline, scenario="another")
    write_baselines({"small": baseline, "another": other}, str(tmp_path / "both.json"))
    both = (tmp_path / "both.json").read_text().splitlines()
    alone = file.read_text().splitlines()
    assert {line.rstrip(",") for line in alone} <= {line.rstrip(",") for line in both}
    assert [*read_baselines(str(tmp_path / "both.json"))] == ["another", "small"]


def edit(file, change):
    found = records(file)
    found = change(found) or found
    file.write_text("[\n" + ",\n".join(json.dumps(each) for each in found) + "\n]\n")


def metric(found):
    return next(each for each in found if each.get("metric") == "recovery.time.mean")


def drop_a_value(found):
    metric(found)["values"].pop()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda found: found[0].update(version=2), "2: has version 2 of the format; valid: version 1"),
        (lambda found: metric(found).update(mean=1.0), "3: small: does not match its SHA-256: it was edited"),
        (lambda found: found[:-1], "3: small: does not match its SHA-256"),
        (lambda found: found[1].update(seed=-1), "3: seed: -1: input should be greater than or equal to 0"),
        (lambda found: found[1].pop("seed") and None, "3: seed: is missing"),
        (lambda found: found[1].update(replications="many"), "3: replications: 'many'"),
        (lambda found: found.insert(1, {"scenario": "a", "zzz": 1}), "3: seed: is missing"),
        (lambda found: found.append(found[-1]), "is there twice, first in line"),
        (lambda found: found.append(found[1]), "small: is there twice, first in line 3"),
        (lambda found: found.append(3), "is not a record"),
        (lambda found: metric(found).update(metric="recovery.time.meen"), "unknown metric 'recovery.time.meen'"),
        (lambda found: metric(found).update(unit="tasks"), "'tasks' is not the unit of recovery.time.mean; valid: s"),
        (lambda found: metric(found).update(mean="x"), "mean: 'x'"),
        (lambda found: metric(found).update(mean="nan"), "mean: nan is not a number"),
        (drop_a_value, "recovery.time.mean: has 7 values, for 8 replications"),
        (lambda found: [found[0], found[-1]], "3: small: has no record with its seed and replications"),
    ],
)
def test_an_edited_file_is_refused_in_one_line(file, change, said):
    edit(file, change)
    with pytest.raises(BaselineError) as caught:
        read_baselines(str(file))
    assert str(caught.value).startswith(f"{file}:")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", ":1: is not JSON: expecting value"),
        ("[\n{,\n", ":2: is not JSON"),
        ("[]", ": is not a baseline"),
        ("{}", ": is not a baseline"),
        ('[{"format": "other"}]', ": is not a baseline"),
        (f'[\n{HEAD},\n{{"scenario": "a", "seed": 1, "seed": 2}}\n]', ":3: seed: is there twice"),
        ('[{"format": "recovery-bench baseline", "version": NaN}]', ": is not JSON, or is damaged"),
        ("[" * 100_000, ": is not JSON, or is damaged"),
        ("\xff", ":1: is not JSON"),
    ],
)  # fmt: skip
def test_other_files_are_refused_in_one_line(tmp_path, text, said):
    file = tmp_path / "b.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(BaselineError) as caught:
        read_baselines(str(file))
    assert str(caught.value).startswith(f"{file}{said}")


def test_a_missing_file_names_the_option_that_writes_it(tmp_path):
    with pytest.raises(BaselineError, match="no such file; valid: --update-baseline writes it"):
        read_baselines(str(tmp_path / "none.json"))


@pytest.mark.parametrize("kind", ["folder", "bytes"])
def test_what_is_not_a_text_file_is_refused(tmp_path, kind):
    file = tmp_path / "b.json"
    if kind == "folder":
        file.mkdir()
    else:
        file.write_bytes(b"\xff\xfe")
    with pytest.raises(BaselineError, match=r"is a folder|is not UTF-8"):
        read_baselines(str(file))


def test_a_file_that_cannot_be_written_is_refused(tmp_path, baseline):
    with pytest.raises(BaselineError, match="cannot be written"):
        write_baselines({"small": baseline}, str(tmp_path / "none" / "b.json"))
