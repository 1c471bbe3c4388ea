#!/usr/bin/env bash
# stage.sh BINARY VERSION: puts what a package holds and no repository has (the program, its pages and completions,
# the licences of what is linked into it, a Debian changelog) into
# target/stage, from where `make deb` and `make install` take it. What goes where is said once, in daemon/Cargo.toml.
set -euo pipefail
cd "$(dirname "$0")/../.."
binary=$1 version=$2
stage=${ORCHD_STAGE:-target/stage}

rm -rf "$stage"
mkdir -p "$stage/completions"
cp "$binary" "$stage/orchd"
"$stage/orchd" manual --dir "$stage/man"
for shell in bash zsh fish; do
    "$stage/orchd" completions "$shell" >"$stage/completions/orchd.$shell"
done
packaging/dev/notices.sh | gzip -9n >"$stage/notices.gz"
seconds=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}
date=$(date --utc --rfc-email --date="@$seconds")
cat >"$stage/changelog" <<END
orchd ($version) unstable; urgency=medium

  * What changed is told in /usr/share/doc/orchd/CHANGELOG.md.

 -- The orchd authors <orchd@users.noreply.github.com>  $date
END
