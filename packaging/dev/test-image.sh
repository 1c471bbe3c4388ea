#!/usr/bin/env bash
# `make test-image`: builds the image and runs it with podman, read-only and without capabilities: what is in it, how large it
# is, a delivery, a health check, a restart, an end. As root on Debian it installs what is missing; ORCHD_BINARY as in image.sh.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=packaging/dev/podman.sh
. packaging/dev/podman.sh

# What is fetched from a registry, and what it takes on disk.
most_fetched=20000000
most_unpacked=26000000

need_containers openssl:openssl curl:curl git:git python3:python3 busybox:busybox-static

name=orchd-test-$$
dir=$(mktemp -d "${TMPDIR:-/tmp}/orchd-image-test.XXXXXX")
tidy_up() {
    code=$?
    trap - EXIT INT TERM
    [ "$code" = 0 ] || podman logs "$name" 2>&1 | tail -n 40 >&2 || true
    podman rm --force --time 0 "$name" >/dev/null 2>&1 || true
    podman volume rm --force "$name" >/dev/null 2>&1 || true
    podman rmi --force "localhost/$name:test" "localhost/$name:box" >/dev/null 2>&1 || true
    rm -rf "$dir"
    exit "$code"
}
trap tidy_up EXIT
trap 'exit 1' INT TERM

configure_podman "$dir"

echo "== the image"
image=$(ORCHD_BUILDER=buildah ORCHD_IMAGE=localhost/$name:test packaging/dev/image.sh)
inspect() { podman image inspect --format "$1" "$image"; }

podman save --quiet --format docker-archive --output "$dir/image.tar" "$image"
mkdir "$dir/image"
tar -C "$dir/image" -xf "$dir/image.tar"
for layer in "$dir"/image/*.tar; do tar -tvf "$layer"; done | awk '{ print $1, $2, $6 }' | sort -u >"$dir/content"
cat >"$dir/expected" <<'LIST'
-rw-r--r-- 0/0 etc/ssl/certs/ca-certificates.crt
-rwxr-xr-x 0/0 usr/bin/orchd
drwxr-x--- 65532/65532 run/orchd/
drwxr-x--- 65532/65532 var/lib/orchd/
drwxr-xr-x 0/0 etc/
drwxr-xr-x 0/0 etc/ssl/
drwxr-xr-x 0/0 etc/ssl/certs/
drwxr-xr-x 0/0 run/
drwxr-xr-x 0/0 usr/
drwxr-xr-x 0/0 usr/bin/
drwxr-xr-x 0/0 var/
drwxr-xr-x 0/0 var/lib/
LIST
sort -u -o "$dir/expected" "$dir/expected"
diff "$dir/expected" "$dir/content" || fail "the image holds something else"
say "holds the binary, the certificate authorities and two empty directories"
[ "$(inspect '{{.Config.User}}')" = 65532:65532 ] || fail "it runs as $(inspect '{{.Config.User}}')"
inspect '{{json .Config.Labels}}' | python3 -c '
import json, sys
labels = json.load(sys.stdin)
for key in ("title", "description", "source", "licenses", "version", "revision"):
    value = labels["org.opencontainers.image." + key]
    assert value not in ("", "unknown"), key
'
say "runs as 65532:65532, labels are there"

echo "== a container"
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
mkdir "$dir/etc" "$dir/secrets"
printf 'a secret of this test only' >"$dir/secrets/orchd-webhook-secret"
cat >"$dir/etc/orchd.yaml" <<YAML
server: {listen: "127.0.0.1:$port", admin_socket: /var/lib/orchd/orchd.sock}
database: sqlite:///var/lib/orchd/orchd.db
github: {webhook_secrets: [{file: /run/secrets/orchd-webhook-secret}]}
rules:
  - {name: watch, mode: shadow, on: ["*"], then: [{label: {add: [seen]}}]}
YAML
chown -R 65532:65532 "$dir/secrets"
chmod 0711 "$dir"
chmod 0400 "$dir/secrets/orchd-webhook-secret"

podman run --detach --name "$name" --read-only --read-only-tmpfs=false \
    --cap-drop all --security-opt no-new-privileges --stop-timeout 10 \
    --volume "$dir/etc:/etc/orchd:ro" --volume "$dir/secrets:/run/secrets:ro" --volume "$name:/var/lib/orchd" \
    "$image" >/dev/null
wait_for_health() {
    for _ in $(seq 200); do
        # What podman keeps of its own accord is run by a systemd timer; here it is asked.
        if podman healthcheck run "$name" >/dev/null 2>&1; then return; fi
        sleep 0.1
    done
    fail "the health check does not pass"
}
wait_for_health
say "podman healthcheck run: healthy"
[ "$(podman exec "$name" orchd health)" = ok ] || say "orchd health: $(podman exec "$name" orchd health)"
curl --fail --silent "http://127.0.0.1:$port/health" >"$dir/health" || fail "/health does not answer 200"
say "GET /health: 200, $(python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))["status"])' "$dir/health")"

deliver() { # guid
    local body='{"action":"opened","issue":{"number":1,"title":"It crashes"},"sender":{"login":"alice","id":7},"repository":{"id":1,"full_name":"acme/web","private":false,"default_branch":"main"}}'
    local signature
    signature=$(printf '%s' "$body" | openssl dgst -sha256 -hmac 'a secret of this test only' -r | cut -d ' ' -f 1)
    curl --silent --output /dev/null --write-out '%{http_code}' --header 'Content-Type: application/json' \
        --header 'X-GitHub-Event: issues' --header "X-GitHub-Delivery: $1" \
        --header "X-Hub-Signature-256: sha256=${2:-$signature}" --data-binary "$body" \
        "http://127.0.0.1:$port/webhooks/github"
}
guid=00000000-0000-4000-8000-00000000000a
[ "$(deliver "$guid")" = 202 ] || fail "a signed delivery is not taken"
[ "$(deliver 00000000-0000-4000-8000-00000000000b "$(printf '0%.0s' $(seq 64))")" = 401 ] || fail "a forged delivery is not refused"
say "a signed delivery: 202; a forged one: 401"

began=$(date +%s%N)
podman stop "$name" >/dev/null
took=$((($(date +%s%N) - began) / 1000000))
code=$(podman inspect --format '{{.State.ExitCode}}' "$name")
[ "$code" = 0 ] || fail "SIGTERM ends it with $code"
[ "$took" -lt 10000 ] || fail "SIGTERM takes $took ms"
say "SIGTERM: exit 0 after $took ms"
podman healthcheck run "$name" >/dev/null 2>&1 && fail "what does not run is healthy"

podman start "$name" >/dev/null
wait_for_health
stored=$(podman exec "$name" orchd events list --json)
grep -q "$guid" <<<"$stored" || fail "the delivery is gone after a restart"
[ "$(grep -c . <<<"$stored")" = 1 ] || fail "something else was stored: $stored"
say "the delivery is still there after a restart"

podman kill --signal KILL "$name" >/dev/null
podman wait "$name" >/dev/null
podman start "$name" >/dev/null
wait_for_health
podman exec "$name" orchd events list --json | grep -q "$guid" || fail "the delivery is gone after kill -9"
say "and after kill -9"
if podman exec "$name" sh -c true 2>/dev/null; then fail "there is a shell in it"; fi
processes=$(podman top "$name" huser,args | tail -n +2)
say "processes: $processes"

size=$(inspect '{{.Size}}')
fetched=$(gzip -c "$dir/image.tar" | wc -c)
say "$fetched bytes to fetch, $size on disk"
[ "$fetched" -lt "$most_fetched" ] || fail "more than $most_fetched bytes have to be fetched"
[ "$size" -lt "$most_unpacked" ] || fail "it takes more than $most_unpacked bytes"
echo "== orchd ci in a container"
for layer in "$dir"/image/*.tar; do tar -C "$dir" -xf "$layer" usr/bin/orchd 2>/dev/null || true; done
mkdir -p "$dir/box/bin" "$dir/web/.github/workflows"
cp "$(command -v busybox)" "$dir/box/bin/"
for program in cat id sh sleep touch; do ln -s busybox "$dir/box/bin/$program"; done
tar -C "$dir/box" -c . | podman import --quiet - "localhost/$name:box" >/dev/null
cat >"$dir/web/.github/workflows/ci.yml" <<YAML
on: pull_request
permissions: {}
jobs:
  test:
    runs-on: ubuntu-24.04
    container: localhost/$name:box
    steps:
      - id: look
        run: test ! -e /etc/passwd && echo "word=$guid" >>"\$GITHUB_OUTPUT" && cat given
      - run: touch "\${{ steps.look.outputs.word }}"
YAML
echo "from the checkout" >"$dir/web/given"
git -C "$dir/web" init --quiet
"$dir/usr/bin/orchd" ci --dir "$dir/web" --container >"$dir/log" 2>&1 || fail "orchd ci: $(cat "$dir/log")"
grep -q "from the checkout" "$dir/log" || fail "the checkout is not there: $(cat "$dir/log")"
[ -e "$dir/web/$guid" ] || fail "a step did not get what the one before it gave: $(cat "$dir/log")"
[ -z "$(podman ps --quiet --all --filter "ancestor=localhost/$name:box")" ] || fail "the container is still there"
say "the steps of a job ran in its image, on the checkout, and the container is gone"
echo "The image is as it should be."
