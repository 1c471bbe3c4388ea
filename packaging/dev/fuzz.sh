#!/usr/bin/env bash
# `make fuzz`: each fuzz target for SECONDS_EACH seconds (default 60) on the nightly toolchain.
set -euo pipefail
cd "$(dirname "$0")/../../daemon"

rustup run nightly cargo --version >/dev/null 2>&1 || { echo "Missing: the nightly toolchain. Install it: rustup toolchain install nightly" >&2; exit 1; }
cargo fuzz --version >/dev/null 2>&1 || { echo "Missing: cargo-fuzz. Install it: cargo install cargo-fuzz --locked" >&2; exit 1; }

for target in condition config envelope expression pattern; do
    printf '\n== %s\n' "$target"
    cargo +nightly fuzz run "$target" -- -max_total_time="${SECONDS_EACH:-60}" -timeout=10
done
