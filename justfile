# One command for each habit. `just` alone lists them.

default:
    @just --list

# A recording that grows, a server, a page
demo *ARGUMENTS:
    cargo run --release -- demo {{ARGUMENTS}}

# What has to hold before a commit, with the judges that are installed
check:
    .ci/run check

# What CI does: installs the judges, checks, tries the README (Debian, root)
ci:
    .ci/run

# Chromium and Firefox against the server and a recorder (installs them on Debian); names files of tests/browser, else all
browser-tests *FILES='tests/browser/*.test.js tests/browser/support/*.test.js':
    cargo build --release --locked
    tests/browser/install.sh
    node --test --test-reporter=spec {{FILES}}

# Pictures of the pages at three widths, light and dark, to be looked at
screenshots FOLDER='target/screenshots':
    cargo build --release --locked
    tests/browser/install.sh
    node tests/browser/screenshots.js {{FOLDER}}

# Looks for answers that docs/openapi.json does not describe, a minute long (installs schemathesis from PyPI into target/)
schemathesis *OPTIONS='--max-examples 30 --workers 4':
    cargo build --locked
    tests/openapi/schemathesis.sh target/debug/tailcast {{OPTIONS}}

# Micro-benchmarks
bench *ARGUMENTS:
    cargo bench --bench serving -- {{ARGUMENTS}}

# Waveforms of eleven hours, and what a thousand subscribers to events cost
bench-pages:
    cargo bench --bench waveform
    cargo bench --bench subscribers

# The same work beside ffmpeg, icecast and nginx (installs them on Debian); writes docs/performance.md
bench-peers:
    benches/peers/install.sh
    cargo build --release --locked
    cargo bench --bench peers

# Arbitrary input for one of fuzz/targets, or each of them (needs a nightly toolchain and cargo-fuzz)
fuzz TARGET='' SECONDS='60':
    fuzz/run.sh {{SECONDS}} {{TARGET}}

# A Debian package, in target/debian (needs cargo-deb)
deb:
    cargo deb --locked

# Ten thousand connections for ten minutes, half of which take nothing (Linux)
load:
    cargo bench --bench load

# Recorders and listeners that come and go, for an hour or MINUTES: no wrong byte, and nothing is left of them (Linux)
soak:
    cargo test --locked --test soak -- --ignored --nocapture

# Runs what docs/reliability.md has figures of, or parts of it (docs/reliability.sh tells them), and writes them there
reliability *PARTS:
    docs/reliability.sh {{PARTS}}

# Licences, sources and duplicates of the dependencies (needs cargo-deny)
deny:
    cargo deny check licenses bans sources
    cargo deny --manifest-path fuzz/Cargo.toml check licenses bans sources

# Known holes in the dependencies (needs cargo-audit, and GitHub, where the database of them is)
audit:
    cargo audit
    cargo audit --file fuzz/Cargo.lock
