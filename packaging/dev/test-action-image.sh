#!/usr/bin/env bash
# Builds the Action's image and runs every story of the Action in it, as a runner would: the checkout mounted read-only, the
# files for outputs and summary mounted, inputs as variables, the simulated GitHub on the network. As root on Debian it
# installs what is missing; ORCHD_BINARY as in action-image.sh.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=packaging/dev/podman.sh
. packaging/dev/podman.sh

# What is fetched from a registry, and how long a start may take, in milliseconds.
most_fetched=20000000
longest_start=1000

need_containers npm:npm

dir=$(mktemp -d "${TMPDIR:-/tmp}/orchd-action-test.XXXXXX")
name=localhost/orchd-action-test-$$:test
tidy_up() {
    code=$?
    trap - EXIT INT TERM
    podman rmi --force "$name" >/dev/null 2>&1 || true
    rm -rf "$dir"
    exit "$code"
}
trap tidy_up EXIT
trap 'exit 1' INT TERM

configure_podman "$dir"

echo "== the image"
image=$(ORCHD_BUILDER=buildah ORCHD_IMAGE=$name packaging/dev/action-image.sh)
podman save --quiet --format docker-archive --output "$dir/image.tar" "$image"
mkdir "$dir/image"
tar -C "$dir/image" -xf "$dir/image.tar"
for layer in "$dir"/image/*.tar; do tar -tvf "$layer"; done | awk '{ print $1, $2, $6 }' | grep -v '/$' | sort -u >"$dir/content"
cat >"$dir/expected" <<'LIST'
-rw-r--r-- 0/0 etc/ssl/certs/ca-certificates.crt
-rwxr-xr-x 0/0 usr/bin/orchd-action
LIST
diff "$dir/expected" "$dir/content" || fail "the image holds something else"
say "holds the binary and the certificate authorities"
fetched=$(gzip -c "$dir/image.tar" | wc -c)
say "$fetched bytes to fetch, $(podman image inspect --format "{{.Size}}" "$image") on disk"
if [ "$fetched" -ge "$most_fetched" ]; then
    [ -n "${ORCHD_BINARY:-}" ] || fail "more than $most_fetched bytes have to be fetched"
    say "more than $most_fetched: the binary that was named is not the one that is handed out"
fi

echo "== a start"
# Once for what podman prepares, and once to measure.
podman run --rm "$image" >/dev/null 2>&1 || true
began=$(date +%s%N)
podman run --rm "$image" >"$dir/log" 2>&1 && fail "without a workflow it does something"
took=$((($(date +%s%N) - began) / 1000000))
grep -q 'this runs as a step of a GitHub workflow' "$dir/log" || fail "it says something else: $(cat "$dir/log")"
say "$took ms from podman run to its end"
[ "$took" -lt "$longest_start" ] || fail "a start takes more than $longest_start ms"

echo "== every story, in the image"
export ORCHD_ACTION_IMAGE=$image RUST_TEST_THREADS=2
cargo test --package orchd-action --test stories --locked
# With a daemon, and with a GitHub that is not ours.
cargo test --package orchd --test it --locked -- forward::action the_same_rules_without_a_server
echo "The Action's image is as it should be."
