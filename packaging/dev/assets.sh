#!/usr/bin/env bash
# Prints what the package holds, from daemon/Cargo.toml: a line each of source (from the top of the repository; may be a glob), place, mode.
set -euo pipefail
cd "$(dirname "$0")/../.."
sed -n '/^\[package\.metadata\.deb\]/,/^]/s/^    \["\.\.\/\([^"]*\)", "\([^"]*\)", "\([0-7]*\)"\],$/\1 \2 \3/p' daemon/Cargo.toml
