#!/usr/bin/env bash
# Arbitrary input for the targets that are named, or all of them, for so many seconds each.
#
#   fuzz/run.sh SECONDS [TARGET...]
#
# It needs a nightly toolchain and cargo-fuzz. What is fuzzed has no unsafe code, so sanitizers would have nothing to see.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=$1
shift
[ $# -gt 0 ] || set -- $(basename -s .rs fuzz/targets/*.rs)
for target; do
    mkdir -p "fuzz/corpus/$target"
    cargo +nightly fuzz run --sanitizer none "$target" "fuzz/corpus/$target" "fuzz/seeds/$target" -- \
        -max_len=512 -max_total_time="$seconds"
done
