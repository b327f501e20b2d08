"""Stored results: files of `.save()` and of `--json`, folders of sweeps, and the histories that belong to them."""
