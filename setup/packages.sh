#!/bin/sh
# Installs the Debian packages that Twinline's build, lab and benchmark need and that are missing.
#
#   packages.sh           install what is missing (root); quiet when nothing is
#   packages.sh --check   only report: exit 1 and each name when something is missing
#   packages.sh --list    print the names
#
# Exit codes: 0 all there, 1 something is missing, 2 wrong usage.
set -eu

# build-essential       cc for the C shim, make, the linker's C library
# pkg-config            finds libdpdk
# libdpdk-dev           DPDK's headers, shared and static libraries; brings libnuma-dev, libfdt-dev,
#                       libbsd-dev, libpcap-dev, libelf-dev and the others that static linking needs
# libclang-dev, clang   bindgen reads DPDK's headers with them
# dpdk                  dpdk-testpmd (benchmark), dpdk-dumpcap, dpdk-telemetry.py
# iproute2              ip and bridge: the lab's namespaces, veth pairs and switches
# ethtool, tcpdump      offloads off in the lab; looking at it
# keepalived            the peer of bench-failover; its service stays idle without a configuration
# iputils-ping          a first try in the lab
# procps                pgrep, sysctl
# ca-certificates, curl rustup, where cargo is missing (setup/rust.sh)
PACKAGES="build-essential pkg-config libdpdk-dev libclang-dev clang dpdk iproute2 ethtool tcpdump \
iputils-ping keepalived procps ca-certificates curl"

say() {
    echo "setup/packages.sh: $*" >&2
}

# Prints the packages that are not installed, each with a blank after it.
missing() {
    for package in $PACKAGES; do
        # a removed package leaves "config-files", an unknown one an error
        # shellcheck disable=SC2016 # dpkg-query expands it
        status=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) || status=none
        # an architecture more gives the word twice: the first counts
        case $status in
            installed*) ;;
            *) printf '%s ' "$package" ;;
        esac
    done
}

check_only=no
case ${1-} in
    '') ;;
    --check) check_only=yes ;;
    --list)
        for package in $PACKAGES; do echo "$package"; done
        exit 0
        ;;
    *)
        say "unknown option $1; accepted: --check, --list"
        exit 2
        ;;
esac
if [ $# -gt 1 ]; then
    say "too many arguments; accepted: --check, --list"
    exit 2
fi

if ! command -v dpkg-query >/dev/null 2>&1; then
    say "this is no Debian (dpkg-query was not found); install the like of these by hand: $PACKAGES"
    exit 1
fi

wanted=$(missing)
if [ -z "$wanted" ]; then
    exit 0
fi

if [ "$check_only" = yes ]; then
    for package in $wanted; do
        say "missing: $package"
    done
    say "remedy, as root: apt-get install ${wanted% }"
    exit 1
fi
if ! command -v apt-get >/dev/null 2>&1; then
    say "apt-get was not found; install by hand: ${wanted% }"
    exit 1
fi
if [ "$(id -u)" != 0 ]; then
    say "not root; run as root: apt-get install ${wanted% }"
    exit 1
fi

export DEBIAN_FRONTEND=noninteractive
# another apt may be at work on a fresh machine (unattended-upgrades): wait for it
lock="-o DPkg::Lock::Timeout=300"

say "installing: ${wanted% }"
# Error-Mode=any: a mirror that does not answer is an error, not a warning
# shellcheck disable=SC2086 # $lock is two words
if ! apt-get $lock -q -o APT::Update::Error-Mode=any update >&2; then
    say "apt-get update failed; trying once more"
    sleep "${TWINLINE_RETRY_DELAY_S:-5}"
    # shellcheck disable=SC2086
    if ! apt-get $lock -q -o APT::Update::Error-Mode=any update >&2; then
        say "apt-get update failed again; going on with the package lists as they are"
    fi
fi
# shellcheck disable=SC2086 # names are words
if ! apt-get $lock -q -y --no-install-recommends install $wanted >&2; then
    say "apt-get install failed; what it said stands above"
    exit 1
fi

left=$(missing)
if [ -n "$left" ]; then
    say "still missing after apt-get install: ${left% }"
    exit 1
fi
