# Every target sets itself up: a virtual environment in .venv, with the versions that constraints.txt pins.
# To choose an interpreter: make demo PYTHON=/path/to/python3.12

SUPPORTED := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(firstword $(foreach name,python3 python3.14 python3.13 python3.12 python3.11 python,\
	$(shell $(name) -c '$(SUPPORTED)' >/dev/null 2>&1 && echo $(name))))

# Compiled modules are kept even where the environment says otherwise: tests start hundreds of Python processes, and each
# would compile all that it imports.
export PYTHONDONTWRITEBYTECODE :=

BIN := .venv/bin
# The build backend, in an environment of its own, is pinned as well: an older pip heeds the first variable, a newer the second.
# Nothing is compiled beforehand: what is imported will be, and most never is.
PIP := PIP_CONSTRAINT='$(CURDIR)/constraints.txt' PIP_BUILD_CONSTRAINT='$(CURDIR)/constraints.txt' \
	$(BIN)/python -m pip install -qq --no-compile --disable-pip-version-check
# A test that does not end is stopped and fails, with the stack of each of its threads.
PYTEST := $(BIN)/python -m pytest -n 2 --dist worksteal -o faulthandler_timeout=400 -o faulthandler_exit_on_timeout=true

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test test-long test-all validate hunt lint bench notebooks venv clean

help:  ## what can be made
	@sed -n 's/^\([a-z-]*\):.*  ## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

demo: .venv/.runtime  ## the four documented failures, end to end, with a table and a picture
	@$(BIN)/recovery-bench demo

test: .venv/.dev  ## the tests but the long ones, and every scenario that ships: about 4 minutes on two cores
	$(PYTEST) --hypothesis-profile=short -m "not long and not slow" tests

test-long: .venv/.dev  ## only the long tests: real processes, clusters, crashes at every place, all examples
	$(PYTEST) -m "(long or hypothesis) and not slow"

test-all: .venv/.dev  ## all tests but the validations that take longest, which `make validate` runs
	$(PYTEST) -m "not slow"

validate: .venv/.dev  ## the figures against closed forms, and all tests that take most of a minute
	$(PYTEST) tests/validation
	$(PYTEST) -m slow --ignore=tests/validation tests scenarios

hunt: .venv/.dev  ## search the sound core for a schedule or an order that breaks it, and the broken cores of the gallery: half an hour
	$(BIN)/python -m tests.gallery.hunt
	$(PYTEST) -m "long or not long" tests/gallery

lint: .venv/.dev  ## style, format, types, and which package may import which
	@status=0; for check in 'ruff check .' 'ruff format --check .' 'mypy' 'lint-imports'; do \
		echo "$$check"; $(BIN)/$$check || status=1; done; exit $$status

bench: .venv/.dev  ## speed, as ratios to bare SimPy, bare runs and bare sqlite3
	$(BIN)/python benchmarks/loop.py
	$(BIN)/python benchmarks/bench.py
	$(BIN)/python benchmarks/experiments.py
	$(BIN)/python benchmarks/fitting.py
	PYTHONPATH=. $(BIN)/python benchmarks/reports.py
	$(BIN)/python benchmarks/stores.py
	$(BIN)/python benchmarks/local.py
	$(BIN)/python benchmarks/search.py
	$(BIN)/python benchmarks/tuning.py
	$(BIN)/python benchmarks/crash_sweep.py
	$(BIN)/python benchmarks/exploration.py

notebooks: .venv/.dev  ## execute every notebook
	$(PYTEST) -p nbmake --nbmake --nbmake-timeout=300 notebooks

venv: .venv/.dev  ## only set up: .venv with everything for development

clean:  ## remove what the other targets made
	rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis build dist recovery-bench-demo.png
	find . -path ./.venv -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +
	if [ -e .venv/.made ]; then rm -rf .venv; else rm -f .venv/.runtime .venv/.dev; fi

# A .venv that somebody else made is used as it is, and `clean` leaves it alone.
$(BIN)/pip:
	@found='$(PYTHON)'; "$${found:-false}" -c '$(SUPPORTED)' 2>/dev/null || \
		{ echo "Recovery Bench needs Python 3.11 or newer: make PYTHON=/path/to/python3" >&2; exit 2; }
	@echo "Setting up .venv, once: this takes a minute or two"
	@new=$$(test -e .venv || echo new); $(PYTHON) -m venv .venv || { \
		echo "$(PYTHON) cannot make .venv; Debian keeps that in the package python3-venv" >&2; \
		test -z "$$new" || rm -rf .venv; exit 2; }; \
		test -z "$$new" || touch .venv/.made
	@$(PIP) --upgrade pip || echo "Going on with the pip of $(PYTHON): the one of Python 3.11 is three times as slow"

.venv/.runtime: pyproject.toml constraints.txt | $(BIN)/pip
	@$(PIP) -e .
	@touch $@

.venv/.dev: pyproject.toml constraints.txt | $(BIN)/pip
	@$(PIP) -e '.[dev]'
	@touch .venv/.runtime $@
