#!/usr/bin/env bash
# Prints where Podman's generator of services from quadlets is: this machine's, or that of Debian 13, fetched once, for what Debian 12
# has knows none.
set -euo pipefail
cd "$(dirname "$0")/../.."

installed=/usr/libexec/podman/quadlet
if [ -x "$installed" ]; then
    echo "$installed"
    exit
fi

dir=$(realpath -m "${CARGO_TARGET_DIR:-target}/quadlet")
if [ ! -x "$dir/podman$installed" ]; then
    # An apt of its own: nothing of this machine's lists or packages is touched.
    mkdir -p "$dir/state/lists/partial" "$dir/cache/archives/partial"
    keys=/usr/share/keyrings/debian-archive-keyring.gpg
    echo "deb [signed-by=$keys] http://deb.debian.org/debian trixie main" >"$dir/sources.list"
    printf 'Dir::State "%s/state";\nDir::Cache "%s/cache";\nDir::Etc::SourceList "%s/sources.list";\nDir::Etc::SourceParts "/dev/null";\n' \
        "$dir" "$dir" "$dir" >"$dir/apt.conf"
    export APT_CONFIG=$dir/apt.conf
    (cd "$dir" && apt-get update -qq && apt-get download -qq podman) >&2
    dpkg-deb --extract "$dir"/podman_*.deb "$dir/podman"
fi
echo "$dir/podman$installed"
