"""Paths of source files in reports."""

from pathlib import Path

from sim.programs.source_path import source_path


def test_a_path_is_short_where_the_folder_is_known_to_the_reader(tmp_path, monkeypatch):
    package, elsewhere = tmp_path / "installed", tmp_path / "elsewhere"
    monkeypatch.chdir(tmp_path)
    assert source_path(str(package / "shop" / "orders.py")) == str(Path("installed", "shop", "orders.py"))
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert source_path(str(package / "shop" / "orders.py")) == str(package / "shop" / "orders.py")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.syspath_prepend(package)
    assert source_path(str(package / "shop" / "orders.py")) == str(Path("shop", "orders.py"))
    assert source_path("<string>") == "<string>"
