#!/usr/bin/env bash
# `make image`: the container image, from a static binary that is built here or named.
#
#   ORCHD_BINARY=PATH   takes this static binary instead of building one
#   ORCHD_IMAGE=NAME    what the image is called [localhost/orchd:VERSION]
#   ORCHD_CA_BUNDLE     the certificate authorities [/etc/ssl/certs/ca-certificates.crt]
#   ORCHD_BUILDER       buildah or docker [what there is]
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=packaging/dev/scratch-image.sh
. packaging/dev/scratch-image.sh

static_binary orchd
begin_image orchd
mkdir -p "$root/var/lib" "$root/run"
mkdir -m 0750 "$root/var/lib/orchd" "$root/run/orchd"
pack --owner=0 --group=0 --exclude=./var/lib/orchd --exclude=./run/orchd -cf "$context/root.tar" ./etc ./run ./usr ./var
pack --owner=65532 --group=65532 -rf "$context/root.tar" ./run/orchd ./var/lib/orchd
build_image packaging/containers/Dockerfile
