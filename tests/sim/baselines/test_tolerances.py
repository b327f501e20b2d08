"""Files of tolerances, and the default."""

import pytest

from scenarios.errors import ScenarioError
from scenarios.fields.tolerances import Tolerance
from sim.baselines import read_tolerances
from sim.baselines.tolerances import tolerance_for


def test_a_file_of_tolerances_is_read(tmp_path):
    (tmp_path / "t.yaml").write_text("tolerances:\n  recovery.time.mean: 10%\n  tasks.sojourn.*: {absolute: 2}\n")
    found = read_tolerances(str(tmp_path / "t.yaml"))
    assert found == {"recovery.time.mean": Tolerance(0.1), "tasks.sojourn.*": Tolerance(absolute=2.0)}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tolerances:\n  recovery.time.meen: 5%\n", ":2: tolerances.recovery.time.meen: unknown metric"),
        ("tolerances:\n  tasks.lost: 1\n  tasks.lost: 2\n", ":3: tolerances.tasks.lost: duplicate key"),
        ("tolerances:\n  tasks.lost: -5%\n", ":2: tolerances.tasks.lost: '-5%' is not a percentage"),
        ("tolerance: {}\n", ":1: has no key `tolerances`"),
        ("- 1\n", ":1: has no key `tolerances`"),
        ("tolerances: {}\nothers: 1\n", ":2: others: unknown key; known: tolerances"),
        ("tolerances: [", ":1: invalid YAML"),
        ("tolerances: 3\n", ":1: tolerances: 3 is not a mapping"),
    ],
)
def test_an_invalid_file_is_refused_with_its_line(tmp_path, text, said):
    file = tmp_path / "t.yaml"
    file.write_text(text)
    with pytest.raises(ScenarioError) as caught:
        read_tolerances(str(file))
    assert str(caught.value).startswith(f"{file}{said}")


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ScenarioError, match="no such file"):
        read_tolerances(str(tmp_path / "none.yaml"))


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ("recovery.time.mean", Tolerance(0.05)),
        ("tasks.lost", Tolerance()),
        ("consistency.fencing", Tolerance()),
        ("tasks.failed", Tolerance(0.05)),
    ],
)
def test_the_default_tolerance(metric, expected):
    assert tolerance_for(metric) == expected
