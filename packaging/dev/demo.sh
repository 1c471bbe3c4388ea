#!/usr/bin/env bash
# `make demo`: the daemon with SQLite in a temporary directory, against the simulated GitHub of the tests, with people
# at work on it until Ctrl-C. `make demo ONCE=1` plays a short story, prints what came of it, and exits.
set -euo pipefail
cd "$(dirname "$0")/../.."

once=
[ "${1:-}" = --once ] && once=1

echo "Building…"
cargo build --quiet --locked --package orchd --package orchd-fake --bins
bin=${CARGO_TARGET_DIR:-target}/debug

dir=$(mktemp -d "${TMPDIR:-/tmp}/orchd-demo.XXXXXX")
pids=()
tidy_up() {
    trap - EXIT INT TERM
    [ "${#pids[@]}" -gt 0 ] && kill "${pids[@]}" 2>/dev/null || true
    wait 2>/dev/null || true
    rm -rf "$dir"
}
trap tidy_up EXIT
trap 'exit 0' INT TERM

free_port() {
    # Any port that nobody answers on will do.
    local port
    for port in $(shuf -i 20000-40000 -n 50); do
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
    done
    echo "no free port found" >&2
    exit 1
}
port=$(free_port)
github=$(free_port)

umask 077
printf 'a secret of this demo only' >"$dir/webhook-secret"
cat >"$dir/orchd.yaml" <<YAML
server:
  listen: 127.0.0.1:$port
  admin_socket: $dir/orchd.sock
database: sqlite://$dir/orchd.db
github:
  app_id: 12345
  private_key: {file: $dir/github-app.pem}
  webhook_secrets: [{file: $dir/webhook-secret}]
  api_url: http://127.0.0.1:$github
include: [rules.yaml]
YAML
cat >"$dir/rules.yaml" <<'YAML'
# Change this file while the demo runs: the daemon takes it up when you save.
rules:
  - name: docs-label
    repositories: ["acme/*"]
    on: [pull_request.opened, pull_request.synchronize]
    if:
      all:
        - files: ["docs/**", "*.md"]
        - not: {label: no-bot}
        - expr: "pull_request.additions + pull_request.deletions < 400"
    then:
      - label: {add: [documentation]}

  - name: triage
    on: issues.opened
    if:
      not: {label: triage}
    then:
      - label: {add: [triage]}
      - comment: {body: "Thank you for the report. Somebody will look at it soon."}

  - name: crash
    on: [issues.opened, issues.edited]
    if: {title: "(?i)crash|panic"}
    then:
      - label: {add: [bug]}
      - assign: {add: [bob]}

  - name: close-on-word
    on: issue_comment.created
    if:
      all:
        - comment: "(?m)^/close\\b"
        - state: open
    then:
      - close: {reason: completed}

  - name: big-change
    on: pull_request.opened
    if: {expr: "pull_request.additions > 500"}
    then:
      - label: {add: [large]}
    mode: shadow
YAML

orchd() { "$bin/orchd" --config "$dir/orchd.yaml" "$@"; }

# The simulated GitHub makes the App's key, so it starts first; it waits for the daemon before anybody does anything.
play=(--play)
[ -n "$once" ] && play=(--once --expect-effects 5)
"$bin/orchd-fake" github --port "$github" --app-key-out "$dir/github-app.pem" \
    --webhook-url "http://127.0.0.1:$port/webhooks/github" --webhook-secret-file "$dir/webhook-secret" "${play[@]}" &
pids+=($!)
until [ -s "$dir/github-app.pem" ]; do sleep 0.05; done
# Not through the function: that would be a shell between us and the daemon, and the signal that ends it would stop there.
"$bin/orchd" --config "$dir/orchd.yaml" serve 2>"$dir/orchd.log" &
pids+=($!)
until [ -S "$dir/orchd.sock" ]; do
    kill -0 "${pids[1]}" 2>/dev/null || { cat "$dir/orchd.log" >&2; exit 1; }
    sleep 0.05
done

if [ -n "$once" ]; then
    wait "${pids[0]}" || { echo "the story did not come to its end; the daemon's log:" >&2; cat "$dir/orchd.log" >&2; exit 1; }
    printf '\nWhat came of it (event → rule → why → effect):\n\n'
    orchd why --latest 40
    printf '\nAnd why, for one of them:\n\n'
    orchd why acme/web#1
    exit 0
fi

cat <<TEXT

orchd is at work. In another terminal:

  alias orchd='$PWD/$bin/orchd --config $dir/orchd.yaml'
  orchd events tail                 what arrives
  orchd effects list                what was done to the simulated GitHub
  orchd why                         why, as a table; orchd why acme/web#1 tells it all
  orchd status                      is all well?
  curl http://127.0.0.1:$port/metrics
  \$EDITOR $dir/rules.yaml          change a rule: it is taken up when you save

Log: $dir/orchd.log. Ctrl-C ends the demo and removes everything.

TEXT
wait
