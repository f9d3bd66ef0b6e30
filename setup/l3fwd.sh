#!/bin/sh
# Builds DPDK's l3fwd, the peer of `make bench-l3`, from the sources that Debian's dpdk-doc brings,
# linked with DPDK's archives as the engine is.
#
#   l3fwd.sh DIRECTORY    builds DIRECTORY/l3fwd, unless it is newer than the sources; installs
#                         dpdk-doc if it is missing (root)
#
# The sources are read where Debian puts them, with one change: l3fwd asks its ports for checksum
# offload on receipt, which net_pcap and net_null do not have, and would refuse to start.
set -eu

directory=${1:?usage: l3fwd.sh DIRECTORY}
sources=/usr/share/dpdk/examples/l3fwd

if [ ! -d "$sources" ]; then
    echo "setup/l3fwd.sh: installing dpdk-doc" >&2
    DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -q -y \
        --no-install-recommends install dpdk-doc >&2
fi
if [ ! -e "$sources/main.c" ]; then
    echo "setup/l3fwd.sh: $sources/main.c is missing: is dpdk-doc's DPDK another release?" >&2
    exit 1
fi

mkdir -p "$directory"
if [ "$directory/l3fwd" -nt "$sources/main.c" ] && [ "$directory/l3fwd" -nt "$0" ]; then
    exit 0
fi
asks='\.offloads = RTE_ETH_RX_OFFLOAD_CHECKSUM'
if ! grep -q "$asks" "$sources/main.c"; then
    echo "setup/l3fwd.sh: $sources/main.c is another one than this knows" >&2
    exit 1
fi
sed "s/$asks/.offloads = 0/" "$sources/main.c" > "$directory/main.c"

# The files and flags of its own Makefile (other .c files there are included by these).
files="$directory/main.c"
for name in l3fwd_acl l3fwd_lpm l3fwd_fib l3fwd_em l3fwd_event l3fwd_event_generic \
    l3fwd_event_internal_port; do
    files="$files $sources/$name.c"
done
cflags="-O3 $(pkg-config --cflags libdpdk) -DALLOW_EXPERIMENTAL_API -I$sources -I$sources/../common"
libs=$(pkg-config --libs libdpdk)
libdir=$(pkg-config --variable=libdir libdpdk)

# What registers itself in constructors, whole; the rest as the linker needs it.
whole="log kvargs telemetry eal ring mempool mbuf net ethdev bus_vdev bus_pci mempool_ring net_pcap net_null"
static=""
for name in $whole; do
    if [ -e "$libdir/librte_$name.a" ]; then static="$static -l:librte_$name.a"; fi
done
rest=""
for flag in $libs; do
    case $flag in
        -lrte_*) rest="$rest -l:lib${flag#-l}.a" ;;
    esac
done

# shellcheck disable=SC2086 # flags are words
cc $cflags $files -o "$directory/l3fwd" -L"$libdir" \
    -Wl,--whole-archive $static -Wl,--no-whole-archive -Wl,--start-group $rest -Wl,--end-group \
    -Wl,--as-needed -lnuma -lbsd -lfdt -lpcap -lelf -lz -ljansson -lcrypto -lm -ldl -lpthread
