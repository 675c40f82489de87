#!/usr/bin/env bash
# Has schemathesis look for answers that docs/openapi.json does not describe: schemathesis.sh PROGRAM [OPTION...]
# (options of `st run`, such as --max-examples 500). It is installed from PyPI into target/schemathesis.
set -euo pipefail
cd "$(dirname "$0")/../.."
program=$(realpath "$1")
shift

venv=target/schemathesis
[ -x $venv/bin/st ] || { python3 -m venv $venv && $venv/bin/pip install -q schemathesis==4.32.5; }

root=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null; rm -r "$root"' EXIT
mkdir "$root/sub"
for name in show growing 'sub/odd name é+%#?' broken; do
    head -c 300000 /dev/urandom >"$root/$name.pcm"
    printf 'pcm = "s16le:48000:2"\nended = true\n' >"$root/$name.toml"
done
printf 'pcm = "nonsense"\n' >"$root/broken.toml"
printf 'pcm = "s16le:16000:1"\ntitle = "Evening show"\nstarted = "2026-11-23T20:00:00+01:00"\n' >"$root/growing.toml"
(while sleep 0.1; do head -c 3200 /dev/urandom >>"$root/growing.pcm"; done) &

"$program" serve --root "$root" --listen 127.0.0.1:8799 --log error &
curl --retry 20 --retry-delay 1 --retry-connrefused -fsS -o /dev/null http://127.0.0.1:8799/healthz
# Streams of events have no end to wait for; tests/events.rs reads them.
SCHEMATHESIS_HOOKS=tests/openapi/hooks.py $venv/bin/st --config-file tests/openapi/schemathesis.toml \
    run http://127.0.0.1:8799/openapi.json --exclude-path-regex 'events$' "$@"
