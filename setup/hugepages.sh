#!/bin/sh
# Runs a command with hugepages: reserves some if there are none, and gives them back afterwards.
#
#   hugepages.sh FOLDER COMMAND [ARGUMENT ...]     FOLDER holds the program hugepages-setup
#
# Where the kernel gives none, or we are not root, the command runs all the same: the engine then
# works with --no-huge. The exit code is the command's.
set -eu

# 512 pages of 2 MiB: two engines and a test beside them
PAGES=512

say() {
    echo "setup/hugepages.sh: $*" >&2
}

tools=$1
shift

folder=$(mktemp -d)
undo=$folder/undo.sh
child=

finish() {
    trap - EXIT INT TERM HUP
    if [ -n "$child" ]; then
        kill -TERM "$child" 2>/dev/null || true
        wait "$child" 2>/dev/null || true
    fi
    if [ -s "$undo" ]; then
        sh "$undo" || say "hugepages stay reserved; by hand: sh $undo"
    fi
    rm -rf "$folder"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

status=0
"$tools/hugepages-setup" --pages "$PAGES" --ensure --apply --undo-file "$undo" >&2 || status=$?
if [ "$status" -ne 0 ]; then
    say "no hugepages (exit code $status): going on with --no-huge"
fi

# In the background and waited for, so that a signal to us is answered at once and the command is
# ended by its own process id. It keeps our standard input.
exec 3<&0
# A shell starts what it puts in the background with SIGINT ignored: not so here.
env --default-signal=INT,QUIT "$@" <&3 3<&- &
child=$!
exec 3<&-
status=0
wait "$child" || status=$?
child=
exit "$status"
