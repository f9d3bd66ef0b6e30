#!/bin/sh
# Prints a number that is drawn from what is committed: the same for the same tree wherever it is
# tested, another one with each change. So each change meets seeds that none met before, and what
# they find is found again by whoever tests the same tree. Without git, the time of day.
#
# Usage: seed.sh
set -eu
cd "$(dirname "$0")/.."
if tree=$(git rev-parse --verify --quiet 'HEAD^{tree}' 2>/dev/null); then
    # 28 bits: libFuzzer and a simulation's seed with three digits more both take it.
    printf '%d\n' "0x$(printf %.7s "$tree")"
else
    date +%s
fi
