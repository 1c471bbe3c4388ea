#!/usr/bin/env bash
# `make test`: installs what is missing, then everything that guards main. Nothing is skipped silently: what cannot be
# had fails the run.
set -euo pipefail
cd "$(dirname "$0")/../.."

say() { printf '\n== %s\n' "$*"; }

# What the tests run, and the Debian package that brings it.
missing=()
need() { # program package
    command -v "$1" >/dev/null 2>&1 || missing+=("$2")
}
need cc gcc
need node nodejs
need npm npm
need git git
need openssl openssl
compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || missing+=(postgresql)
if [ "${#missing[@]}" -gt 0 ]; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        say "installing ${missing[*]}"
        export DEBIAN_FRONTEND=noninteractive
        apt-get update -qq
        apt-get install -y -qq --no-install-recommends "${missing[@]}"
    else
        echo "Missing: ${missing[*]}. Install these Debian packages (as root: apt-get install ${missing[*]}) and run again." >&2
        exit 1
    fi
fi
command -v cargo >/dev/null || { echo "Missing: Rust 1.95 or newer with cargo." >&2; exit 1; }
for component in rustfmt clippy; do
    cargo "${component/rustfmt/fmt}" --version >/dev/null 2>&1 || rustup component add "$component"
done

# One database server for all test processes, thrown away at the end.
cluster=$(mktemp -d)
bin=$(dirname "$(ls -d /usr/lib/postgresql/*/bin/initdb | sort -V | tail -n 1)")
as_postgres=()
if [ "$(id -u)" = 0 ]; then
    chown postgres "$cluster"
    as_postgres=(runuser -u postgres --)
fi
stop_cluster() {
    "${as_postgres[@]}" "$bin/pg_ctl" -D "$cluster/data" -m immediate stop >/dev/null 2>&1 || true
    rm -rf "$cluster"
}
trap stop_cluster EXIT
say "starting a throwaway PostgreSQL"
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])' 2>/dev/null || echo 54329)
(cd "$cluster" && "${as_postgres[@]}" "$bin/initdb" -D "$cluster/data" -U orchd --auth=trust --no-sync -E UTF8 >/dev/null)
(cd "$cluster" && "${as_postgres[@]}" "$bin/pg_ctl" -D "$cluster/data" -w -l "$cluster/log" \
    -o "-c listen_addresses=127.0.0.1 -p $port -k $cluster -c fsync=off -c max_connections=300" start >/dev/null)
export ORCHD_TEST_POSTGRES="postgres://orchd@127.0.0.1:$port/postgres"

say "formatting"
cargo fmt --all --check
say "lints"
cargo clippy --workspace --all-targets --locked -- -D warnings
say "the core without a server (what the Action links)"
cargo check --package orchd --no-default-features --lib --locked
say "tests"
cargo test --workspace --locked
