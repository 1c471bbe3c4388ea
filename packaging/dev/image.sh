#!/usr/bin/env bash
# `make image`: the container image, from a static binary that is built here or named.
#
#   ORCHD_BINARY=PATH   takes this static binary instead of building one
#   ORCHD_IMAGE=NAME    what the image is called [localhost/orchd:VERSION]
#   ORCHD_CA_BUNDLE     the certificate authorities [/etc/ssl/certs/ca-certificates.crt]
#   ORCHD_BUILDER       buildah or docker [what there is]
set -euo pipefail
cd "$(dirname "$0")/../.."

binary=${ORCHD_BINARY:-}
if [ -z "$binary" ]; then
    target=$(uname -m)-unknown-linux-musl
    command -v musl-gcc >/dev/null || { echo "Missing: musl-gcc (Debian: apt-get install musl-tools)." >&2; exit 1; }
    rustup target add "$target"
    cargo build --package orchd --bin orchd --profile dist --locked --target "$target"
    binary=${CARGO_TARGET_DIR:-target}/$target/dist/orchd
fi
[ -x "$binary" ] || { echo "$binary is not a program" >&2; exit 1; }
if LC_ALL=C readelf --program-headers --wide "$binary" | grep -q INTERP; then
    echo "$binary is not static: in an image without a loader it would not start" >&2
    exit 1
fi
bundle=${ORCHD_CA_BUNDLE:-/etc/ssl/certs/ca-certificates.crt}
[ -s "$bundle" ] || { echo "Missing: $bundle (Debian: apt-get install ca-certificates)." >&2; exit 1; }

builder=${ORCHD_BUILDER:-$(command -v buildah || command -v docker || true)}
[ -n "$builder" ] || { echo "Missing: buildah or docker (Debian: apt-get install buildah)." >&2; exit 1; }

version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -n 1)
image=${ORCHD_IMAGE:-localhost/orchd:$version}
revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)
# The same binary makes the same layer.
epoch=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}

context=$(mktemp -d "${TMPDIR:-/tmp}/orchd-image.XXXXXX")
trap 'rm -rf "$context"' EXIT
umask 022
root=$context/root
install -D -m 0755 "$binary" "$root/usr/bin/orchd"
install -D -m 0644 "$bundle" "$root/etc/ssl/certs/ca-certificates.crt"
mkdir -p "$root/var/lib" "$root/run"
mkdir -m 0750 "$root/var/lib/orchd" "$root/run/orchd"
# Owners are written into the archive, so that this needs no root; the same files make the same bytes.
pack() { tar -C "$root" --sort=name --mtime="@$epoch" --format=ustar --numeric-owner "$@"; }
pack --owner=0 --group=0 --exclude=./var/lib/orchd --exclude=./run/orchd -cf "$context/root.tar" ./etc ./run ./usr ./var
pack --owner=65532 --group=65532 -rf "$context/root.tar" ./run/orchd ./var/lib/orchd
rm -rf "$root"
cp packaging/containers/Dockerfile "$context/Dockerfile"

arguments=(--build-arg "VERSION=$version" --build-arg "REVISION=$revision" --tag "$image" --file "$context/Dockerfile")
case $(basename "$builder") in
    buildah)
        # The format that knows health checks; nothing is run in the image, so nothing has to be contained.
        "$builder" bud --quiet --format docker --isolation chroot --timestamp "$epoch" "${arguments[@]}" "$context" >/dev/null
        ;;
    docker)
        SOURCE_DATE_EPOCH=$epoch "$builder" build --quiet --provenance=false "${arguments[@]}" "$context" >/dev/null
        ;;
    *)
        echo "ORCHD_BUILDER is buildah or docker" >&2
        exit 1
        ;;
esac
echo "$image"
