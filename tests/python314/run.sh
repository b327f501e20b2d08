#!/usr/bin/env bash
# Runs the tests of sim/loop on CPython 3.14, compiled to WebAssembly (the npm package pyodide), under node.
# Usage: tests/python314/run.sh [PYTHON]; PYTHON has SimPy and pytest installed, .venv/bin/python by default.
# Exit status: 0 when the tests pass or cannot be run here (the reason is printed), else that of the tests.
set -euo pipefail
cd "$(dirname "$0")/../.."
package=pyodide@314.0.7
python=${1:-.venv/bin/python}

skip() {
    echo "Python 3.14: not tested, $1"
    exit 0
}

command -v node >/dev/null || skip "node is not installed"
command -v npm >/dev/null || skip "npm is not installed"
site_packages=$("$python" -c 'import os, pytest, simpy; print(os.path.dirname(os.path.dirname(simpy.__file__)))')

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
timeout 60 npm install --prefix "$folder" --ignore-scripts --no-audit --no-fund --loglevel=error "$package" >"$folder/log" 2>&1 ||
    skip "$package cannot be installed in a minute: $(head -n 1 "$folder/log")"
timeout 300 node tests/python314/run.mjs "$folder/node_modules/pyodide" "$PWD" "$site_packages"
