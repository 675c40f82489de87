#!/usr/bin/env bash
# Runs what docs/reliability.md has figures of, and puts there what each of them said: all, or those that are named.
#
#   docs/reliability.sh [soak] [load] [kills] [fuzzing]
#
# All together take an hour and a half, and a machine of their own.
set -euo pipefail
cd "$(dirname "$0")/.."

soak() { cargo test --locked --test soak -- --ignored --nocapture; }
load() { cargo bench --locked --bench load; }
kills() { cargo test --locked --test kill -- --ignored --nocapture; }
fuzzing() {
    for target in $(basename -s .rs fuzz/targets/*.rs); do
        fuzz/run.sh 60 $target 2>&1 | sed -n "s/^Done /$target: /p"
    done
}

# What a run said, without what cargo says of itself, between the two marks of its name.
write() {
    local name=$1 said=$2
    awk -v name="$name" -v said="$said" '
        /^<!-- end -->/ { inside = 0 }
        !inside { print }
        $0 == "<!-- " name " -->" {
            inside = 1
            printf "```\n"
            while ((getline line < said) > 0) if (line !~ /^(running|test |$)/) print line
            printf "```\n"
        }' docs/reliability.md >"$said.md"
    mv "$said.md" docs/reliability.md
}

[ $# -gt 0 ] || set -- soak load kills fuzzing
for part; do
    case $part in
    soak | load | kills | fuzzing) ;;
    *) echo "there is no part \`$part\` (there are: soak, load, kills, fuzzing)" >&2 && exit 2 ;;
    esac
done
for part; do
    said=$(mktemp)
    "$part" >"$said"
    write "$part" "$said"
    rm "$said"
done
