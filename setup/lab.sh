#!/bin/sh
# Plays the lab's scenes with the engine in FOLDER; leaves nothing behind.
#
#   lab.sh FOLDER [lab option ...]     FOLDER holds twinline, lab and hugepages-setup
set -eu

if [ "$(id -u)" -ne 0 ]; then
    echo "setup/lab.sh: the lab makes network namespaces: run it as root (sudo make run)" >&2
    exit 1
fi
here=$(dirname "$0")
tools=$1
shift
"$tools/lab" clean
exec sh "$here/hugepages.sh" "$tools" "$tools/lab" run --engine "$tools/twinline" --out target/lab "$@"
