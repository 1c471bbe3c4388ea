# shellcheck shell=bash
# What the images have in common that hold a static binary and nothing else to run. Sourced by image.sh and action-image.sh.

# static_binary PACKAGE: the binary that ORCHD_BINARY names, or the one that is built here, in `binary`.
static_binary() {
    binary=${ORCHD_BINARY:-}
    if [ -z "$binary" ]; then
        local target
        target=$(uname -m)-unknown-linux-musl
        command -v musl-gcc >/dev/null || { echo "Missing: musl-gcc (Debian: apt-get install musl-tools)." >&2; exit 1; }
        rustup target add "$target"
        cargo build --package "$1" --bin "$1" --profile dist --locked --target "$target"
        binary=${CARGO_TARGET_DIR:-target}/$target/dist/$1
    fi
    [ -x "$binary" ] || { echo "$binary is not a program" >&2; exit 1; }
    if LC_ALL=C readelf --program-headers --wide "$binary" | grep -q INTERP; then
        echo "$binary is not static: in an image without a loader it would not start" >&2
        exit 1
    fi
}

# begin_image PACKAGE: a context in `context`, and in `root` what becomes the image: the binary and the authorities it trusts.
begin_image() {
    local bundle=${ORCHD_CA_BUNDLE:-/etc/ssl/certs/ca-certificates.crt}
    [ -s "$bundle" ] || { echo "Missing: $bundle (Debian: apt-get install ca-certificates)." >&2; exit 1; }
    builder=${ORCHD_BUILDER:-$(command -v buildah || command -v docker || true)}
    [ -n "$builder" ] || { echo "Missing: buildah or docker (Debian: apt-get install buildah)." >&2; exit 1; }
    version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -n 1)
    image=${ORCHD_IMAGE:-localhost/$1:$version}
    # The same binary makes the same layer.
    epoch=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
    context=$(mktemp -d "${TMPDIR:-/tmp}/orchd-image.XXXXXX")
    trap 'rm -rf "$context"' EXIT
    umask 022
    root=$context/root
    install -D -m 0755 "$binary" "$root/usr/bin/$1"
    install -D -m 0644 "$bundle" "$root/etc/ssl/certs/ca-certificates.crt"
}

# pack OPTIONS: owners are written into the archive, so that this needs no root; the same files make the same bytes.
pack() { tar -C "$root" --sort=name --mtime="@$epoch" --format=ustar --numeric-owner "$@"; }

# build_image DOCKERFILE: builds it of the packed root.tar, and says what it is called.
build_image() {
    rm -rf "$root"
    cp "$1" "$context/Dockerfile"
    local revision arguments
    revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)
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
}
