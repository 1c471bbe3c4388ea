#!/usr/bin/env bash
# `make bench`: what the README claims, measured; writes docs/benchmarks.md. `packaging/dev/bench.sh --quick` prints a
# short run instead, `--only=audit` (or `ingest`, `latency`, `footprint`, `backtest`, `reads`, `pages`, `live`) one section.
set -euo pipefail
cd "$(dirname "$0")/../.."

for program in wrk node npm openssl; do
    command -v "$program" >/dev/null || { echo "Missing: $program (Debian packages wrk, nodejs, npm, openssl)." >&2; exit 1; }
done

# A throwaway PostgreSQL that keeps its promises: fsync stays on. The default of 1 GB of log between checkpoints is gone in ten
# seconds of this load.
cluster=$(mktemp -d)
bin=$(dirname "$(find /usr/lib/postgresql -path '*/bin/initdb' | sort -V | tail -n 1)")
port=$((20000 + RANDOM % 20000))
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
cd /
"${as_postgres[@]}" "$bin/initdb" -D "$cluster/data" -U orchd --auth=trust -E UTF8 >/dev/null
"${as_postgres[@]}" "$bin/pg_ctl" -D "$cluster/data" -w -l "$cluster/log" \
    -o "-c listen_addresses=127.0.0.1 -p $port -k $cluster -c max_wal_size=4GB -c min_wal_size=3GB -c autovacuum_naptime=5s" start >/dev/null
# A server in use writes its log into files that it has used before. A new one makes them under load, and the slowest
# answers then take 65 ms instead of 20.
"$bin/psql" -q -h 127.0.0.1 -p "$port" -U orchd postgres \
    -c "CREATE TABLE used AS SELECT repeat('x', 1000) FROM generate_series(1, 1500000)" -c "DROP TABLE used" -c "CHECKPOINT" -c "CHECKPOINT"
cd - >/dev/null
export ORCHD_BENCH_POSTGRES="postgres://orchd@127.0.0.1:$port/postgres"

cargo bench --package orchd --bench report -- "$@"
