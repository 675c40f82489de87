#!/usr/bin/env bash
# Installs the programs that `cargo bench --bench peers` measures tailcast beside (Debian). Servers that were not there
# before are not left running: the run starts its own.
set -euo pipefail
cd "$(dirname "$0")/../.."

is_installed() { [ "$(dpkg-query -Wf '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

servers=()
for server in icecast2 nginx; do
    is_installed $server || servers+=($server)
done
.ci/install ffmpeg icecast2 nginx curl
[ "$(id -u)" -eq 0 ] && sudo='' || sudo=sudo
for server in "${servers[@]}"; do
    if [ -d /run/systemd/system ]; then
        $sudo systemctl disable --now "$server"
    else
        $sudo service "$server" stop || true # it may never have started
    fi
done
