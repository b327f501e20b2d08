"""`run --reports DIR`: the report of each recovery as files."""

import json

import pytest

import scenarios
import sim
from sim.cli import main
from tests.sim.cli.small import SMALL

WATCHED = ["--set", "recovery.monitor={}"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.scenario.yaml").write_text(SMALL % "35s")
    return tmp_path


def test_each_recovery_of_each_run_has_a_report(folder):
    command = ["run", "small.scenario.yaml", *WATCHED, "--replications", "2", "--reports", "kept", "--quiet"]
    assert main(command) == 0
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("recovery-*")) == [
        f"kept/small/7-{replication}/recovery-0.{kind}" for replication in (0, 1) for kind in ("json", "md")
    ]


def test_a_report_matches_the_history(folder):
    assert main(["run", "small.scenario.yaml", *WATCHED, "--reports", "kept", "--quiet"]) == 0
    report = json.loads((folder / "kept/small/7-0/recovery-0.json").read_text())
    run = sim.run(scenarios.load("small.scenario.yaml").with_values({"recovery.monitor": {}}), seed=7)
    verified = run.history[run.history["event"] == "recovery.verified"].iloc[0]
    assert (report["subject"], report["ended"]) == (verified["subject"], verified["time"])
    text = (folder / "kept/small/7-0/recovery-0.md").read_text()
    assert text.startswith(f"# Recovery 0: agent_failure of `{verified['subject']}`\n")


def test_writing_reports_does_not_change_the_history(capsys):
    found = []
    for more in ([], ["--reports", "kept"]):
        assert main(["run", "small.scenario.yaml", *WATCHED, "--json", "-", *more]) == 0
        found.append(json.loads(capsys.readouterr().out)["runs"][0]["history_sha256"])
    assert found[0] == found[1]


def test_existing_files_are_kept(folder):
    (folder / "kept").mkdir()
    (folder / "kept" / "mine.txt").write_text("mine")
    assert main(["run", "small.scenario.yaml", *WATCHED, "--reports", "kept", "--quiet"]) == 0
    assert (folder / "kept" / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--reports", "kept"], "--reports kept: small has no recovery monitor; valid: with --set"),
        (
            [*WATCHED, "--reports", "small.scenario.yaml"],
            "--reports small.scenario.yaml: is a file; valid: the name of",
        ),
        (
            [*WATCHED, "--reports", "small.scenario.yaml/kept"],
            "--reports small.scenario.yaml/kept: cannot be written: ",
        ),
    ],
)
def test_an_unwritable_folder_is_reported_in_one_line(folder, capsys, options, message):
    assert main(["run", "small.scenario.yaml", *options]) == 2
    output = capsys.readouterr()
    assert output.err.startswith(message)
    assert output.err.count("\n") == 1
    assert not (folder / "kept").exists()
