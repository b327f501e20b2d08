# Each target sets itself up: a virtual environment in .venv with the versions of constraints.txt.

PYTHON ?= $(firstword $(foreach name,python3 python3.13 python3.12 python3.11 python,$(if $(shell \
	$(name) -c 'import sys; print("yes" if (3, 11) <= sys.version_info < (3, 14) else "")' 2>/dev/null),$(name))))
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help demo test lint bench notebooks clean

help:  ## say what there is
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: .venv/.runtime  ## the four documented failures, with a table and a picture
	$(BIN)/recovery-bench demo

test: .venv/.dev  ## all tests, and the scenarios that ship
	$(BIN)/python -m pytest -n 2 --dist worksteal

lint: .venv/.dev  ## style, types, and which package may import which
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

notebooks: .venv/.dev  ## execute every notebook
	$(BIN)/python -m pytest --nbmake --nbmake-timeout=300 -p no:xdist notebooks

bench: .venv/.dev  ## measure speed, as ratios
	$(BIN)/python benchmarks/loop.py
	$(BIN)/python benchmarks/bench.py

clean:  ## remove what the other targets made
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache build dist *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "Recovery Bench needs Python 3.11, 3.12 or 3.13; set PYTHON=/path/to/it" >&2; exit 2; }
	$(PYTHON) -m venv .venv

.venv/.runtime: pyproject.toml constraints.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

.venv/.dev: pyproject.toml constraints.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch .venv/.runtime $@
