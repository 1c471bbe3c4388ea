#!/usr/bin/env bash
# `make lint`: what the compiler, clippy and rustdoc say of the code, where every word is a fault.
set -euo pipefail
cd "$(dirname "$0")/../.."

say() { printf '\n== %s\n' "$*"; }

cargo clippy --version >/dev/null 2>&1 || rustup component add clippy

say "lints"
cargo clippy --workspace --all-targets --locked -- -D warnings
# Not among all targets: `make test-system` runs it.
cargo clippy --workspace --test system --locked -- -D warnings
say "the core without a server (what the Action links)"
cargo check --package orchd --no-default-features --lib --locked
say "documentation in the code"
RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items --locked --quiet
