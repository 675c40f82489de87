#!/usr/bin/env bash
# What the browser tests need and is not there: Debian's browsers, a sound server, Node, and its packages.
set -euo pipefail
cd "$(dirname "$0")"

packages=(chromium firefox-esr pulseaudio)

node_is_new_enough() {
    command -v npm >/dev/null && node -e 'process.exit(process.versions.node.split(".")[0] >= 20 ? 0 : 1)'
}

install_packages() {
    local missing=()
    node_is_new_enough || packages+=(nodejs npm)
    for package in "${packages[@]}"; do
        [ "$(dpkg-query -Wf '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] && return
    local sudo=''
    [ "$(id -u)" -eq 0 ] || sudo=sudo
    $sudo apt-get update -q
    DEBIAN_FRONTEND=noninteractive $sudo apt-get install -yq --no-install-recommends "${missing[@]}"
}

install_packages
node_is_new_enough || { echo 'Node 20 or later is needed' >&2 && exit 1; }
npm ci --no-audit --no-fund
