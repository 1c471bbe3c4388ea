#!/usr/bin/env bash
# `make deb`: a Debian package with a static program, as target/deb/orchd_VERSION_ARCH.deb. Two runs on one commit give the same bytes.
#   ORCHD_DEB_PROFILE=dev       of the debug build, which is soon there, for work on the package itself
#   ORCHD_DEB_VERSION=0.1.1     another version, to try an upgrade
set -euo pipefail
cd "$(dirname "$0")/../.."

profile=${ORCHD_DEB_PROFILE:-dist}
version=${ORCHD_DEB_VERSION:-$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"$/\1/p' Cargo.toml)}

# The program that is missing, and the Debian package that brings it.
missing=()
need() {
    command -v "$1" >/dev/null 2>&1 || missing+=("$2")
}
need cc gcc
need dpkg-shlibdeps dpkg-dev
[ "$profile" = dev ] || need musl-gcc musl-tools
if [ "${#missing[@]}" -gt 0 ]; then
    if [ "$(id -u)" != 0 ]; then
        echo "Missing: ${missing[*]}. Install these Debian packages (as root: apt-get install ${missing[*]}) and run again." >&2
        exit 1
    fi
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
fi
cargo deb --version >/dev/null 2>&1 || cargo install --locked cargo-deb

case $profile in
dist)
    target=$(uname -m)-unknown-linux-musl
    rustup target list --installed | grep -qx "$target" || rustup target add "$target"
    cargo build --locked --package orchd --profile dist --target "$target"
    binary=target/$target/dist/orchd
    ;;
dev)
    cargo build --locked --package orchd
    binary=target/debug/orchd
    ;;
*)
    echo "ORCHD_DEB_PROFILE is dist (usual) or dev" >&2
    exit 2
    ;;
esac

# From here on: libraries in C would be compiled anew for each commit.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH
packaging/dev/stage.sh "$binary" "$version"
[ "$profile" = dist ] || strip --strip-debug target/stage/orchd

mkdir -p target/deb
package=target/deb/orchd_${version}_$(dpkg --print-architecture).deb
rm -f "$package"
# Modes as the list says, whatever the checkout was made with.
(umask 022 && cargo deb --quiet --locked --package orchd --no-build --no-strip --deb-version "$version" --output "$package")
echo "$package"
