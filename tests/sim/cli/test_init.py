"""`init`: what it writes runs at once."""

import re

from ruamel.yaml import YAML

from sim.cli import main


def test_an_empty_folder_gets_a_suite_that_passes_at_once(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["init"]) == 0
    out = capsys.readouterr().out
    assert out.count("written: ") == 4
    workflow = YAML(typ="safe").load(tmp_path / ".github/workflows/recovery.yml")
    steps = workflow["jobs"]["suite"]["steps"]
    uses = [step["uses"].partition("@")[0] for step in steps if "uses" in step]
    assert uses == ["actions/checkout", "actions/setup-python", "actions/upload-artifact"]
    assert len(workflow["jobs"]["suite"]["strategy"]["matrix"]["python"]) == 2
    command = next(step["run"] for step in steps if "recovery-bench suite" in step.get("run", ""))
    assert main(command.split()[1:]) == 0
    assert (tmp_path / "results.xml").exists()
    assert "(<results.html>)" in (tmp_path / "summary.md").read_text()
    assert re.fullmatch(r"recovery-bench==\S+\n", (tmp_path / "requirements-recovery.txt").read_text())


def test_no_file_is_replaced(tmp_path, capsys):
    (tmp_path / "baseline.json").write_text("mine")
    assert main(["init", str(tmp_path)]) == 2
    assert "baseline.json: exists already; valid: another folder" in capsys.readouterr().err
    assert (tmp_path / "baseline.json").read_text() == "mine"
    assert not (tmp_path / "scenarios").exists()


def test_a_folder_that_cannot_be_made_is_bad_input(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["init", str(tmp_path / "file" / "below")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
