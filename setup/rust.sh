#!/bin/sh
# Finds a cargo that is at least the workspace's rust-version, or installs one with rustup.
#
#   rust.sh           print the folder to put first on PATH (nothing else on stdout)
#   rust.sh --check   the same, but install nothing: exit 1 when there is none
#
# A cargo that is new enough is taken as it is found. Otherwise: rustup, if it is there, installs
# the stable toolchain beside the others (the user's default stays); else rustup itself is installed
# for this user the official way (https://rustup.rs), without changing shell profiles.
#
# Exit codes: 0 found, 1 none, 2 wrong usage.
set -eu

say() {
    echo "setup/rust.sh: $*" >&2
}

check_only=no
case ${1-} in
    '') ;;
    --check) check_only=yes ;;
    *)
        say "unknown option $1; accepted: --check"
        exit 2
        ;;
esac

manifest=${TWINLINE_MANIFEST:-$(dirname "$0")/../Cargo.toml}
needed=$(sed -n 's/^rust-version *= *"\([0-9.]*\)".*/\1/p' "$manifest" | head -n 1)
if [ -z "$needed" ]; then
    say "$manifest names no rust-version"
    exit 1
fi

# part VERSION N: the Nth number of a version, 0 when it has fewer; -nightly and the like are cut.
part() {
    number=$(echo "${1%%[-+]*}" | cut -d . -f "$2" -s)
    if [ "$2" = 1 ]; then number=$(echo "${1%%[-+]*}" | cut -d . -f 1); fi
    case $number in
        '' | *[!0-9]*) echo 0 ;;
        *) echo "$number" ;;
    esac
}

# at_least VERSION NEEDED
at_least() {
    for index in 1 2 3; do
        have=$(part "$1" "$index")
        want=$(part "$2" "$index")
        if [ "$have" -gt "$want" ]; then return 0; fi
        if [ "$have" -lt "$want" ]; then return 1; fi
    done
    return 0
}

# version_in FOLDER TOOL: the version of FOLDER/TOOL, or nothing. The folder goes first on PATH, so
# that cargo finds its own rustc.
version_in() {
    PATH="$1:$PATH" "$1/$2" --version 2>/dev/null | sed -n "1s/^$2 \([0-9][^ ]*\).*/\1/p"
}

# good FOLDER: cargo and rustc there are new enough; sets found
good() {
    found=
    for tool in cargo rustc; do
        if ! [ -x "$1/$tool" ]; then return 1; fi
        version=$(version_in "$1" "$tool") || version=
        if [ -z "$version" ]; then return 1; fi
        found="${found:+$found, }$tool $version in $1"
        if ! at_least "$version" "$needed"; then return 1; fi
    done
}

old=
rustup_bin=${CARGO_HOME:-${HOME:-/root}/.cargo}/bin
on_path=$(command -v cargo || true)
for folder in "${on_path%/cargo}" "$rustup_bin"; do
    if [ -z "$folder" ]; then continue; fi
    if good "$folder"; then
        echo "$folder"
        exit 0
    fi
    old=${found:-$old}
done

if [ "$check_only" = yes ]; then
    say "missing: cargo and rustc of at least $needed${old:+ (there is $old)}"
    say "remedy: sh setup/rust.sh, or https://rustup.rs"
    exit 1
fi
say "cargo and rustc of at least $needed are needed${old:+; there is $old}"

rustup=$(command -v rustup || true)
if [ -z "$rustup" ] && [ -x "$rustup_bin/rustup" ]; then
    rustup=$rustup_bin/rustup
fi
if [ -n "$rustup" ]; then
    say "installing the stable toolchain with $rustup"
    if ! "$rustup" toolchain install stable --profile minimal -c rustfmt -c clippy >&2; then
        say "rustup failed; what it said stands above"
        exit 1
    fi
    cargo=$("$rustup" which --toolchain stable cargo) || cargo=
    folder=${cargo%/cargo}
else
    if ! command -v curl >/dev/null 2>&1; then
        say "curl is needed to install rustup: sh setup/packages.sh"
        exit 1
    fi
    say "installing rustup for this user from https://sh.rustup.rs"
    # whole before it is run: a broken download must not run in part
    script=$(mktemp)
    trap 'rm -f "$script"' EXIT
    trap 'exit 1' HUP INT TERM
    if ! curl --proto '=https' --tlsv1.2 -fsSL --retry 2 https://sh.rustup.rs -o "$script"; then
        say "https://sh.rustup.rs could not be fetched"
        exit 1
    fi
    # an older cargo of the distribution is no reason to refuse
    if ! RUSTUP_INIT_SKIP_PATH_CHECK=yes sh "$script" -y --no-modify-path --profile minimal \
        --default-toolchain stable -c rustfmt -c clippy >&2; then
        say "rustup's installer failed; what it said stands above"
        exit 1
    fi
    folder=$rustup_bin
fi

if [ -z "$folder" ] || ! good "$folder"; then
    say "installed, but still older than $needed or incomplete${found:+: $found}"
    exit 1
fi
echo "$folder"
