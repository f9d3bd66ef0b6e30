#!/bin/sh
# Fetches promtool, Prometheus' checker of metrics and alert rules, for tests/tests/metrics.rs. It is
# in Debian's package prometheus, which is unpacked below the build folder and not installed: its
# server stays away. 40 MB. Without it, what it would check is said to be skipped.
#
#   promtool.sh           fetch it where it is missing (root); quiet when it is there
#   promtool.sh --check   only report: exit 1 when it is missing
#
# Exit codes: 0 it is there, 1 it is missing, 2 wrong usage.
set -eu

PACKAGE=prometheus

say() {
    echo "setup/promtool.sh: $*" >&2
}

if [ $# -gt 1 ] || { [ $# = 1 ] && [ "$1" != --check ]; }; then
    say "accepted: --check"
    exit 2
fi

root=$(cd "$(dirname "$0")/.." && pwd)
promtool="${CARGO_TARGET_DIR:-$root/target}/promtool/promtool"

if command -v promtool >/dev/null 2>&1 || [ -x "$promtool" ]; then
    exit 0
fi
if [ $# = 1 ]; then
    say "missing: promtool"
    exit 1
fi
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    say "missing: promtool; run as root on Debian"
    exit 1
fi

export DEBIAN_FRONTEND=noninteractive
say "fetching: promtool"
# Old lists may do: what comes next fails if they do not.
apt-get -o DPkg::Lock::Timeout=300 -q update >&2 ||
    say "apt-get update failed; going on with the lists as they are"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
if ! (cd "$work" && apt-get -q -o APT::Sandbox::User=root download "$PACKAGE" >&2); then
    say "apt-get download failed; what it said stands above"
    exit 1
fi
dpkg-deb -x "$work"/*.deb "$work/unpacked"
mkdir -p "$(dirname "$promtool")"
# Beside it first: a broken off copy is no program.
cp "$work/unpacked/usr/bin/promtool" "$promtool.new"
mv "$promtool.new" "$promtool"
