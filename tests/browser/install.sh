#!/usr/bin/env bash
# What the browser tests need and is not there: Debian's browsers, a sound server, Node, and its packages.
set -euo pipefail
cd "$(dirname "$0")"

packages=(chromium firefox-esr pulseaudio)

node_is_new_enough() {
    command -v npm >/dev/null && node -e 'process.exit(process.versions.node.split(".")[0] >= 20 ? 0 : 1)'
}

node_is_new_enough || packages+=(nodejs npm)
../../.ci/install "${packages[@]}"
node_is_new_enough || { echo 'Node 20 or later is needed' >&2 && exit 1; }
npm ci --no-audit --no-fund
