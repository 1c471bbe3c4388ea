#!/usr/bin/env bash
# `make install DESTDIR= PREFIX=/usr`: what the package holds, where it puts it, for systems without dpkg. The list is that of the
# package, in daemon/Cargo.toml. What is in /etc already stays. PREFIX may be /usr/local too: elsewhere systemd does not look.
# ORCHD_BINARY names a program that is built already.
set -euo pipefail
cd "$(dirname "$0")/../.."
destdir=${DESTDIR:-}
prefix=${PREFIX:-/usr}
binary=${ORCHD_BINARY:-}
case $prefix in
/usr | /usr/local) ;;
*)
    echo "PREFIX is /usr or /usr/local: elsewhere systemd looks for no units" >&2
    exit 2
    ;;
esac

if [ -z "$binary" ]; then
    cargo build --locked --package orchd --profile dist
    binary=target/dist/orchd
fi
packaging/dev/stage.sh "$binary" "$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"$/\1/p' Cargo.toml)"

place() { # where in the package; prints where under DESTDIR
    case $1 in
    etc/*) echo "$destdir/$1" ;;
    usr/*) echo "$destdir$prefix/${1#usr/}" ;;
    lib/*) echo "$destdir$prefix/$1" ;;
    *)
        echo "install.sh: $1 has no place" >&2
        exit 1
        ;;
    esac
}

stage=${ORCHD_STAGE:-target/stage}
packaging/dev/assets.sh | while read -r source to mode; do
    # A glob of the list, hence no quotes.
    for file in ${source/#target\/stage/$stage}; do
        target=$to
        case $to in */) target=$to$(basename "$file") ;; esac
        case $target in
        # What only Debian's tools read.
        usr/share/lintian/* | */changelog) continue ;;
        esac
        target=$(place "$target")
        case $target in
        "$destdir"/etc/*) [ ! -e "$target" ] || continue ;;
        esac
        install -D -m "$mode" "$file" "$target"
        case $file in
        systemd/*.service) sed -i "s|=/usr/bin/orchd|=$prefix/bin/orchd|" "$target" ;;
        esac
    done
done
if [ -z "$destdir" ]; then
    echo "Installed. Now: systemd-sysusers && systemd-tmpfiles --create && systemctl daemon-reload, then orchd setup --public-url URL,"
    echo "then: systemctl enable --now orchd.socket orchd.service"
fi
