#!/bin/sh
# Fetches what the test with a real PCI function needs (tests/tests/qemu.rs): QEMU, busybox, and a
# kernel, which is unpacked below the build folder and not installed. 45 MB, a quarter of a minute.
# Without it, that test says that it is skipped.
#
#   qemu.sh           fetch what is missing (root); quiet when nothing is
#   qemu.sh --check   only report: exit 1 when something is missing
#
# Exit codes: 0 all there, 1 something is missing, 2 wrong usage.
set -eu

# qemu-system-x86   the machine; KVM is not needed
# busybox-static    its shell and its archiver
PACKAGES="qemu-system-x86 busybox-static"
# Debian's small one: everything that is needed is built in
KERNEL='^linux-image-6\.1\.0-[0-9]+-cloud-amd64$'

say() {
    echo "setup/qemu.sh: $*" >&2
}

if [ $# -gt 1 ] || { [ $# = 1 ] && [ "$1" != --check ]; }; then
    say "accepted: --check"
    exit 2
fi

root=$(cd "$(dirname "$0")/.." && pwd)
kernel="${CARGO_TARGET_DIR:-$root/target}/qemu/vmlinuz"

missing=
command -v qemu-system-x86_64 >/dev/null 2>&1 || missing="qemu-system-x86 "
command -v busybox >/dev/null 2>&1 || missing="${missing}busybox-static "
[ -e "$kernel" ] || missing="${missing}a kernel "
if [ -z "$missing" ]; then
    exit 0
fi
if [ $# = 1 ]; then
    say "missing: ${missing% }"
    exit 1
fi
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    say "missing: ${missing% }; run as root on Debian"
    exit 1
fi

export DEBIAN_FRONTEND=noninteractive
lock="-o DPkg::Lock::Timeout=300"
say "fetching: ${missing% }"
# Old lists may do: what comes next fails if they do not.
# shellcheck disable=SC2086 # $lock is two words
apt-get $lock -q update >&2 || say "apt-get update failed; going on with the lists as they are"
# shellcheck disable=SC2086 # names are words
if ! apt-get $lock -q -y --no-install-recommends install $PACKAGES >&2; then
    say "apt-get install failed; what it said stands above"
    exit 1
fi

if [ ! -e "$kernel" ]; then
    name=$(apt-cache pkgnames linux-image-6.1.0- | grep -E "$KERNEL" | sort -V | tail -n 1)
    if [ -z "$name" ]; then
        say "no package is called $KERNEL"
        exit 1
    fi
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    trap 'exit 1' HUP INT TERM
    (cd "$work" && apt-get -q -o APT::Sandbox::User=root download "$name" >&2)
    dpkg-deb -x "$work"/*.deb "$work/unpacked"
    mkdir -p "$(dirname "$kernel")"
    # Beside it first: a broken off copy is no kernel.
    cp "$work"/unpacked/boot/vmlinuz-* "$kernel.new"
    mv "$kernel.new" "$kernel"
fi
