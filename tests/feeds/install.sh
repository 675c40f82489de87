#!/usr/bin/env bash
# What the tests of feeds read with and is not there: Python's and Node's libraries of podcast players.
set -euo pipefail
cd "$(dirname "$0")"
venv=../../target/feeds

packages=()
python3 -c 'import ensurepip, venv' 2>/dev/null || packages+=(python3-venv)
command -v npm >/dev/null || packages+=(nodejs npm)
[ ${#packages[@]} -eq 0 ] || ../../.ci/install "${packages[@]}"
[ -x $venv/bin/pip ] || python3 -m venv $venv
$venv/bin/pip install -q -r requirements.txt
npm ci --no-audit --no-fund
