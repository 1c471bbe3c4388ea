#!/usr/bin/env bash
# `make test-system`: boots a real systemd in a container, installs the .deb there, and lives a maintainer's life with it
# (daemon/tests/system). As root. `packaging/dev/test-system.sh NAME` runs the stories whose names have NAME in them.
#
# ORCHD_DEB=PATH takes that package instead of building one; ORCHD_DEB_PROFILE=dev builds one soon.
set -euo pipefail
cd "$(dirname "$0")/../.."

say() { printf '\n== %s\n' "$*"; }

[ "$(id -u)" = 0 ] || { echo "A container that boots takes root: sudo -E env PATH=\"\$PATH\" make test-system" >&2; exit 1; }

missing=()
need() { # program package
    command -v "$1" >/dev/null 2>&1 || missing+=("$2")
}
need systemd-nspawn systemd-container
need mmdebstrap mmdebstrap
need ip iproute2
[ -e /usr/share/keyrings/debian-archive-keyring.gpg ] || missing+=(debian-archive-keyring)
need dpkg-deb dpkg
need podman podman
if [ "${#missing[@]}" -gt 0 ]; then
    command -v apt-get >/dev/null || { echo "Missing: ${missing[*]}." >&2; exit 1; }
    say "installing ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends "${missing[@]}"
fi

stage=${CARGO_TARGET_DIR:-target}/system
mkdir -p "$stage"
stage=$(realpath "$stage")

# A fresh Debian 12 with what the package depends on, since the container reaches no network.
include=systemd,systemd-sysv,dbus,ca-certificates,procps,adduser,git
rootfs=$stage/rootfs-bookworm-$(printf '%s' "$include" | sha256sum | cut -c1-12)
if [ ! -d "$rootfs" ]; then
    say "a fresh Debian 12"
    rm -rf "$stage"/rootfs-*
    # From where this machine has its packages, if that is Debian 12 too.
    sources=()
    for file in /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list; do
        if [ -z "${sources[*]}" ] && grep -qs bookworm "$file"; then sources=("$file"); fi
    done
    mmdebstrap --quiet --variant=minbase --include="$include" bookworm "$rootfs.new" "${sources[@]}"
    mv "$rootfs.new" "$rootfs"
fi

packages=$stage/packages
rm -rf "$packages" "$stage"/machine-*
mkdir -p "$packages"
if [ -z "${ORCHD_DEB:-}" ]; then
    say "the package"
    ORCHD_DEB=$(ORCHD_DEB_VERSION=0.1.0 packaging/dev/deb.sh | tail -n 1)
fi
# Later versions are the same with another number: what is tried is what an upgrade does, not what is new in it.
for version in 0.1.0 0.1.1 0.1.2 0.1.3; do
    tree=$(mktemp -d "$stage/deb.XXXXXX")
    dpkg-deb --raw-extract "$ORCHD_DEB" "$tree"
    sed -i "s/^Version: .*/Version: $version/" "$tree/DEBIAN/control"
    dpkg-deb --root-owner-group --build -Zxz -z1 "$tree" "$packages/orchd_$version.deb" >/dev/null
    rm -rf "$tree"
done

# What Podman makes of the quadlets is looked at too.
ORCHD_QUADLET=$(packaging/dev/quadlet.sh)
export ORCHD_QUADLET

say "building the stories"
cargo test --locked --package orchd --test system --no-run

# Namespaces of their own: an address of 127.0.0.1 is the same one for stories and containers and nobody else's, and
# whatever ends the stories ends everything that they began.
say "stories"
export ORCHD_SYSTEM_ROOTFS=$rootfs ORCHD_SYSTEM_PACKAGES=$packages ORCHD_SYSTEM_DIR=$stage
exec unshare --net --pid --fork --kill-child --mount --mount-proc -- sh -c '
    ip link set lo up
    exec cargo test --locked --offline --package orchd --test system -- --test-threads=1 --nocapture "$@"' sh "$@"
