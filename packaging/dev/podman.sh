# shellcheck shell=bash
# What the tests of both images need of this machine. Sourced by test-image.sh and test-action-image.sh.

say() { printf '   %s\n' "$*"; }
fail() {
    echo "FAILED: $*" >&2
    exit 1
}

# need_containers PROGRAM:PACKAGE...: installs what is missing of these, and what runs containers, as root on Debian.
need_containers() {
    local missing=() each
    for each in podman:podman buildah:buildah tar:tar "$@"; do
        command -v "${each%%:*}" >/dev/null || missing+=("${each#*:}")
    done
    command -v runc >/dev/null || command -v crun >/dev/null || missing+=(runc)
    [ "${#missing[@]}" -gt 0 ] || return 0
    [ "$(id -u)" = 0 ] || fail "missing: ${missing[*]} (Debian packages of these names)"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
}

# configure_podman DIRECTORY: the machine's network and no systemd, so that it works on a host that is a container itself.
configure_podman() {
    {
        printf '[containers]\nnetns = "host"\ndefault_ulimits = ["nofile=1024:20000", "nproc=1000:1000"]\n'
        printf '[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n'
        if command -v runc >/dev/null; then printf 'runtime = "runc"\n'; fi
    } >"$1/containers.conf"
    export CONTAINERS_CONF=$1/containers.conf
}
