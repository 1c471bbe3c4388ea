#!/usr/bin/env bash
# The Action's image, from a static binary that is built here or named. What it takes is that of image.sh.
#
#   ORCHD_BINARY=PATH   takes this static binary instead of building one
#   ORCHD_IMAGE=NAME    what the image is called [localhost/orchd-action:VERSION]
#   ORCHD_CA_BUNDLE     the certificate authorities [/etc/ssl/certs/ca-certificates.crt]
#   ORCHD_BUILDER       buildah or docker [what there is]
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=packaging/dev/scratch-image.sh
. packaging/dev/scratch-image.sh

static_binary orchd-action
begin_image orchd-action
pack --owner=0 --group=0 -cf "$context/root.tar" ./etc ./usr
build_image action/Dockerfile
