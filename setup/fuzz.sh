#!/bin/sh
# Builds the fuzz targets of tests/fuzz and runs each for its share of the time.
#
#   fuzz.sh SECONDS            all targets, SECONDS in all (at least 3); the build comes on top
#   fuzz.sh SECONDS TARGET     one target, heartbeat, node or slow-path, for all of the time
#   fuzz.sh --replay TARGET FILE...   plays files once each
#
# The stable toolchain does it: libFuzzer comes with the crate libfuzzer-sys (the C++ compiler of
# build-essential builds it), and the compiler's coverage pass is asked for by RUSTFLAGS. An explicit
# --target keeps those flags away from build scripts. What a run finds new is kept in
# target/fuzz/corpus and used by the next one; what breaks a promise is in target/fuzz/artifacts.
#
# Exit codes: 0 nothing found, 1 found or not built, 2 wrong usage.
set -eu

say() {
    echo "setup/fuzz.sh: $*" >&2
}

usage() {
    say "usage: fuzz.sh SECONDS [TARGET], or fuzz.sh --replay TARGET FILE...; TARGET is heartbeat, node or slow-path"
    exit 2
}

known() {
    case $1 in
        heartbeat | node | slow-path) ;;
        *)
            say "unknown target $1; accepted: heartbeat, node, slow-path"
            exit 2
            ;;
    esac
}

replay=no
targets='heartbeat node slow-path'
case ${1-} in
    --replay)
        if [ $# -lt 3 ]; then usage; fi
        replay=yes
        targets=$2
        known "$targets"
        shift 2
        ;;
    '' | *[!0-9]*) usage ;;
    *)
        if [ $# -gt 2 ]; then usage; fi
        seconds=$1
        if [ $# = 2 ]; then
            known "$2"
            targets=$2
        else
            seconds=$((seconds / 3))
        fi
        # 0 is "for ever" to libFuzzer
        if [ "$seconds" -lt 1 ]; then usage; fi
        ;;
esac

called_from=$(pwd)
root=$(cd "$(dirname "$0")/.." && pwd)
package=$root/tests/fuzz
out=$root/target/fuzz
PATH="$(sh "$root/setup/rust.sh"):$PATH"
export PATH
if ! command -v c++ >/dev/null 2>&1; then
    say "c++ was not found: sh setup/packages.sh"
    exit 1
fi

host=$(rustc -vV | sed -n 's/^host: //p')
build=${CARGO_TARGET_DIR:-$out/build}
# No trace-compares: it takes half of the node's time, and the dictionaries know what to compare with.
flags='-Cpasses=sancov-module -Ccodegen-units=1'
for option in level=4 inline-8bit-counters pc-table; do
    flags="$flags -Cllvm-args=-sanitizer-coverage-$option"
done
# CARGO_ENCODED_RUSTFLAGS would win over ours
unset CARGO_ENCODED_RUSTFLAGS
started=$(date +%s)
if ! (cd "$package" && RUSTFLAGS=$flags cargo build --quiet --locked --profile fuzz \
    --features libfuzzer --target "$host" --target-dir "$build" \
    --bin fuzz-heartbeat --bin fuzz-node --bin fuzz-slow-path); then
    say "the fuzz targets were not built; what the compiler said stands above"
    exit 1
fi
say "built in $(($(date +%s) - started)) s"

# play TARGET ARGS...: what is the same in every run. A script takes milliseconds, a frame less; a
# minute is a hang, and not just a busy machine that stood still (libFuzzer counts wall time).
play() {
    target=$1
    shift
    "$build/$host/fuzz/fuzz-$target" -rss_limit_mb=1024 -malloc_limit_mb=256 -timeout=60 "$@"
}

if [ $replay = yes ]; then
    cd "$called_from"
    play "$targets" "$@"
    exit
fi

# last PATTERN LOG: the number behind the pattern in the last line that has it
last() {
    number=$(sed -n "s/.*$1 *\([0-9][0-9]*\).*/\1/p" "$2" | tail -n 1)
    echo "${number:--}"
}

failed=
for target in $targets; do
    mkdir -p "$out/corpus/$target" "$out/artifacts/$target"
    log=$out/$target.log
    case $target in
        heartbeat) longest=1600 ;;
        node) longest=4096 ;;
        slow-path) longest=2048 ;;
    esac
    say "$target for $seconds s"
    code=0
    play "$target" "$out/corpus/$target" "$package/corpus/$target" \
        -dict="$package/dictionaries/$target.dict" -max_len="$longest" \
        -max_total_time="$seconds" -print_final_stats=1 \
        -artifact_prefix="$out/artifacts/$target/" >"$log" 2>&1 || code=$?
    found=$(sed -n 's/.*Test unit written to //p' "$log" | tail -n 1)
    if [ "$code" != 0 ]; then
        failed="$failed $target"
        grep -v -e '^#' -e '# Uses:' "$log" | tail -n 60 >&2
        say "$target broke a promise (exit code $code); the whole log: $log"
        if [ -n "$found" ]; then
            say "replay it: sh setup/fuzz.sh --replay $target $found"
        fi
    fi
    printf '%-10s %9s runs, %6s exec/s, coverage %5s edges (%6s features), corpus %5s, %4s MB\n' \
        "$target" "$(last stat::number_of_executed_units: "$log")" \
        "$(last stat::average_exec_per_sec: "$log")" "$(last ' cov:' "$log")" \
        "$(last ' ft:' "$log")" "$(last ' corp:' "$log")" "$(last stat::peak_rss_mb: "$log")"
done
if [ -n "$failed" ]; then
    say "found something:$failed"
    exit 1
fi
