#!/usr/bin/env bash
# `make test`: installs what is missing, then formatting and every test but three that take a minute, which `test.sh --slow` runs
# (`make test-slow`). Nothing is skipped silently: what cannot be had fails the run. `make lint` looks at the code itself.
set -euo pipefail
cd "$(dirname "$0")/../.."

say() { printf '\n== %s\n' "$*"; }

# What the tests run, and the Debian package that brings it. Servers are where only root looks by itself.
export PATH=$PATH:/usr/sbin
missing=()
need() { # program package
    command -v "$1" >/dev/null 2>&1 || missing+=("$2")
}
need cc gcc
need node nodejs
need npm npm
need git git
need openssl openssl
need chromium chromium
need systemd-analyze systemd
need promtool prometheus
need nginx nginx-light
need caddy caddy
need haproxy haproxy
need shellcheck shellcheck
# With venv, which Debian keeps apart.
python3 -c 'import ensurepip, venv' >/dev/null 2>&1 || missing+=(python3 python3-venv)
compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || missing+=(postgresql)
if [ "${#missing[@]}" -gt 0 ]; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        say "installing ${missing[*]}"
        export DEBIAN_FRONTEND=noninteractive
        apt-get update -qq
        # No package is to start its service: Debian asks this file. Where there is one, it says what it says.
        policy=/usr/sbin/policy-rc.d
        if [ -e "$policy" ]; then policy=; else install -m 0755 /dev/stdin "$policy" <<<$'#!/bin/sh\nexit 101'; fi
        trap 'rm -f ${policy:+"$policy"}' EXIT
        apt-get install -y -qq --no-install-recommends "${missing[@]}"
        rm -f ${policy:+"$policy"}
        trap - EXIT
    else
        echo "Missing: ${missing[*]}. Install these Debian packages (as root: apt-get install ${missing[*]}) and run again." >&2
        exit 1
    fi
fi
command -v cargo >/dev/null || { echo "Missing: Rust 1.95 or newer with cargo." >&2; exit 1; }
cargo fmt --version >/dev/null 2>&1 || rustup component add rustfmt

say "formatting"
# By name: cargo fmt does not find the files that a registry's macro declares.
git ls-files -z '*.rs' | xargs -0 rustfmt --edition 2024 --check
say "building the tests"
cargo test --workspace --tests --locked --no-run

say "tests"
which=()
[ "${1:-}" != --slow ] || which=(--ignored)
# Stories mostly wait: for leases, for other programs, for GitHub.
RUST_TEST_THREADS=${RUST_TEST_THREADS:-$(($(nproc) * 3))} cargo test --workspace --tests --locked -- "${which[@]}"
