#!/bin/sh
# Installs the routers and client programs that the layer 3 tests run beside the engine.
#
#   interop.sh           install what is missing (root); quiet when nothing is
#   interop.sh --check   only report: exit 1 and each name when something is missing
#
# Exit codes: 0 all there, 1 something is missing, 2 wrong usage.
#
# Their services stay off where this script installs them: the tests run the programs themselves, in
# network namespaces.
set -eu

# keepalived       VRRP versions 2 and 3, the peer of most tests
# frr              vrrpd, another peer
# tshark           a dissector that judges our adverts
# arping, ndisc6   who answers for a virtual address
# iputils-ping     ICMP and ICMPv6 from a client host
# iperf3           TCP across a fail-over
PACKAGES="keepalived frr tshark arping ndisc6 iputils-ping iperf3"

say() {
    echo "setup/interop.sh: $*" >&2
}

if [ $# -gt 1 ] || { [ $# = 1 ] && [ "$1" != --check ]; }; then
    say "accepted: --check"
    exit 2
fi
if ! command -v dpkg-query >/dev/null 2>&1; then
    say "this is no Debian (dpkg-query was not found); install the like of these by hand: $PACKAGES"
    exit 1
fi

# Prints the packages that are not installed, each with a blank after it.
missing() {
    for package in $PACKAGES; do
        # shellcheck disable=SC2016 # dpkg-query expands it
        status=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) || status=none
        case $status in
            installed*) ;;
            *) printf '%s ' "$package" ;;
        esac
    done
}

wanted=$(missing)
if [ -z "$wanted" ]; then
    exit 0
fi
if [ $# = 1 ]; then
    say "missing: ${wanted% }"
    exit 1
fi
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    say "missing: ${wanted% }; run as root on Debian"
    exit 1
fi

export DEBIAN_FRONTEND=noninteractive
lock="-o DPkg::Lock::Timeout=300"
say "installing: ${wanted% }"
# Old lists may do: what comes next fails if they do not.
# shellcheck disable=SC2086 # $lock is two words
apt-get $lock -q update >&2 || say "apt-get update failed; going on with the lists as they are"
# shellcheck disable=SC2086 # names are words
if ! apt-get $lock -q -y --no-install-recommends install $wanted >&2; then
    say "apt-get install failed; what it said stands above"
    exit 1
fi
# FRR's daemons would look after this machine's own routes from now on, at every boot.
case " $wanted" in
    *" frr "*)
        if command -v systemctl >/dev/null 2>&1; then
            systemctl disable --now frr >/dev/null 2>&1 || systemctl disable frr >&2 || true
        fi
        ;;
esac
left=$(missing)
if [ -n "$left" ]; then
    say "still missing after apt-get install: ${left% }"
    exit 1
fi
