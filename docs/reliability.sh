#!/usr/bin/env bash
# Runs what docs/reliability.md has figures of, and puts there what each of them said: all, or those that are named.
#
#   docs/reliability.sh [tests] [soak] [load] [kills] [fuzzing] [answers] [dependencies]
#
# All together take more than an hour and a half, and a machine of their own. `tests` needs the programs that `.ci/run`
# installs, `dependencies` cargo-deny, `fuzzing` a nightly toolchain and cargo-fuzz, `answers` PyPI.
set -euo pipefail
cd "$(dirname "$0")/.."
page=docs/reliability.md
parts=(tests soak load kills fuzzing answers dependencies)

# How many passed, by the file that they are in: `limits: 16`, or `src::segments::pool: 4` beside the code.
tests() {
    TAILCAST_REQUIRE_JUDGES=1 RUST_TEST_THREADS=$((2 * $(nproc))) cargo test --locked 2>&1 | awk '
        $1 == "Running" {
            file = $2 == "unittests" ? "" : $2
            crate = /tailcast_codecs/ ? "codecs::src::" : "src::"
            sub(/(\/main)?\.rs$/, "", file)
            sub(/.*\//, "", file)
        }
        $1 == "Doc-tests" { file = "examples" }
        /^test .* ok$/ {
            name = crate $2
            sub(/::tests::.*/, "", name)
            passed[file == "" ? name : file]++
        }
        END { for (name in passed) print name ": " passed[name] }' | sort
}
soak() { cargo test --locked --test soak -- --ignored --nocapture; }
load() { cargo bench --locked --bench load; }
kills() { cargo test --locked --test kill -- --ignored --nocapture; }
fuzzing() {
    for target in $(basename -s .rs fuzz/targets/*.rs); do
        fuzz/run.sh 60 $target 2>&1 | sed -n "s/^Done /$target: /p"
    done
}
# The summary that it ends with.
answers() {
    cargo build --locked
    tests/openapi/schemathesis.sh target/debug/tailcast --max-examples 30 --workers 4 | sed -n '/= SUMMARY =/,$p' | sed '/=====/d'
}
dependencies() {
    local manifest said
    for manifest in Cargo.toml fuzz/Cargo.toml; do
        said=$(cargo deny --manifest-path $manifest --log-level error check licenses bans sources 2>&1)
        echo "$manifest: $said"
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
        }' $page >"$said.md"
    mv "$said.md" $page
}

# The last column of the promises: how many tests passed in the files that hold each.
sum_up() {
    local summed
    summed=$(mktemp)
    awk '
        # First what is written under `tests`, then everything.
        FNR == 1 { reading++ }
        reading == 1 { if ($0 ~ /^<!--/) inside = /tests/; else if (inside) passed[$1] = $2; next }
        /^## / { promises = /Promises/ }
        promises && /^\|.*`/ {
            split($0, column, / *\| */)
            sum = 0
            for (held = column[3]; match(held, /`[^`]*`/); held = substr(held, RSTART + RLENGTH)) {
                name = substr(held, RSTART + 1, RLENGTH - 2)
                sub(/\/$|(\/mod)?\.rs$/, "", name)
                if (name ~ /^src\//) gsub(/\//, "::", name)
                else sub(/.*\//, "", name)
                sum += passed[name ":"]
            }
            print "| " column[2] " | " column[3] " |" (sum ? " " sum " tests" : "") " |"
            next
        }
        { print }' $page $page >"$summed"
    mv "$summed" $page
}

[ $# -gt 0 ] || set -- "${parts[@]}"
for part; do
    [[ " ${parts[*]} " == *" $part "* ]] || { echo "there is no part \`$part\` (there are: ${parts[*]})" >&2 && exit 2; }
done
for part; do
    said=$(mktemp)
    "$part" >"$said"
    write "$part" "$said"
    rm "$said"
done
sum_up
