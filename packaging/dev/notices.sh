#!/usr/bin/env bash
# Prints the licences of all that is linked into the program: they ask to go with it. Each text once, below the names of those it is of.
set -euo pipefail
cd "$(dirname "$0")/../.."
sources=${CARGO_HOME:-$HOME/.cargo}/registry/src
declare -A texts crates
without=()

while IFS='|' read -r name version licence; do
    directory=$(compgen -G "$sources/*/$name-${version#v}" | head -n 1) || {
        echo "notices.sh: the source of $name $version is not there: cargo fetch" >&2
        exit 1
    }
    found=$(find "$directory" -maxdepth 1 -type f \( -iname 'licen[cs]e*' -o -iname 'copying*' -o -iname 'notice*' \) ! -name '*.rs' | sort)
    [ -n "$found" ] || without+=("$name $version: $licence")
    while read -r file; do
        [ -n "$file" ] || continue
        # The same text is indented and broken in many ways.
        key=$(tr -s '[:space:]' ' ' <"$file" | cksum)
        texts[$key]=$file
        crates[$key]+="${crates[$key]:+, }$name $version"
    done <<<"$found"
done < <(cargo tree --locked --offline --edges normal --package orchd --prefix none --format '{p}|{l}' |
    sed -n 's/ (\*)$//; s/^\([^ ]*\) \(v[^ |]*\)\( (proc-macro)\)\{0,1\}|\(.*\)$/\1|\2|\4/p' | sort -u)

echo "Libraries that are part of orchd, and their licences. Where there is a choice, orchd takes MIT, else what deny.toml allows."
printf '\nWithout a text of their own:\n'
printf '  %s\n' "${without[@]}"
for key in "${!texts[@]}"; do
    printf '%s\t%s\n' "${crates[$key]}" "${texts[$key]}"
done | sort | while IFS=$'\t' read -r of file; do
    printf '\n%.0s' 1
    printf -- '-%.0s' {1..100}
    printf '\n%s\n\n' "$of" | fold -s -w 100
    tr -d '\r' <"$file"
done
