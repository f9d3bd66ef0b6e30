#!/bin/sh
# Tests packages.sh, qemu.sh, promtool.sh, interop.sh and rust.sh with fake tools on PATH: nothing is installed, nothing is fetched.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
failures=0
count=0

# fake NAME: a command from stdin
fake() {
    { echo '#!/bin/sh'; cat; } >"$work/bin/$1"
    chmod +x "$work/bin/$1"
}

# A PATH with nothing but harmless tools and the fakes.
fresh() {
    rm -rf "${work:?}/bin" "$work/log" "$work/installed" "${work:?}/home"
    mkdir -p "$work/bin" "$work/home"
    : >"$work/log"
    for tool in sh sed head cut dirname mktemp rm cat grep chmod mkdir cp sleep; do
        ln -s "$(command -v "$tool")" "$work/bin/$tool"
    done
}

# run SCRIPT ARGS...: sets code, out, err
run() {
    script=$1
    shift
    code=0
    env -i PATH="$work/bin" HOME="$work/home" WORK="$work" TWINLINE_RETRY_DELAY_S=0 \
        TWINLINE_MANIFEST="$work/Cargo.toml" sh "$here/$script" "$@" \
        >"$work/out" 2>"$work/err" || code=$?
    out=$(cat "$work/out")
    err=$(cat "$work/err")
}

# expect WHAT CONDITION...
expect() {
    what=$1
    shift
    count=$((count + 1))
    if ! "$@"; then
        failures=$((failures + 1))
        echo "FAILED: $what"
        echo "  code $code; stdout: $out; stderr: $err; log: $(cat "$work/log")"
    fi
}

code_is() { [ "$code" = "$1" ]; }
silent() { [ -z "$out" ] && [ -z "$err" ]; }
says() { grep -qF -- "$1" "$work/err"; }
says_not() { ! grep -qF -- "$1" "$work/err"; }
logged() { [ "$(grep -cF -- "$1" "$work/log" || true)" = "$2" ]; }
out_is() { [ "$out" = "$1" ]; }

# --- packages.sh

# dpkg-query: what is in $WORK/installed is installed; NAME:removed has left its settings
debian() {
    fresh
    fake dpkg-query <<'F'
for name in "$@"; do :; done
if grep -qx "$name" "$WORK/installed"; then printf installed; exit 0; fi
if grep -qx "$name:removed" "$WORK/installed"; then printf config-files; exit 0; fi
echo "no packages found matching $name" >&2
exit 1
F
    fake apt-get <<'F'
echo "apt-get $*" >>"$WORK/log"
case " $* " in
    *" update "*)
        left=$(cat "$WORK/update-fails")
        if [ "$left" -gt 0 ]; then echo $((left - 1)) >"$WORK/update-fails"; exit 100; fi
        ;;
    *" install "*)
        if [ -e "$WORK/install-fails" ]; then exit 100; fi
        seen=no
        for word in "$@"; do
            if [ $seen = yes ]; then echo "$word" >>"$WORK/installed"; fi
            if [ "$word" = install ]; then seen=yes; fi
        done
        ;;
esac
F
    fake id <<'F'
cat "$WORK/uid"
F
    echo 0 >"$work/uid"
    echo 0 >"$work/update-fails"
    rm -f "$work/install-fails"
    sh "$here/packages.sh" --list >"$work/installed"
}

without() {
    grep -vx "$1" "$work/installed" >"$work/fewer"
    cp "$work/fewer" "$work/installed"
}

debian
run packages.sh --check
expect "--check: all there: exit 0" code_is 0
expect "--check: all there: silent" silent
run packages.sh
expect "install: all there: exit 0" code_is 0
expect "install: all there: silent" silent
expect "install: all there: apt-get is not called" logged apt-get 0

debian
without libdpdk-dev
without tcpdump
echo tcpdump:removed >>"$work/installed"
run packages.sh --check
expect "--check: exit 1" code_is 1
expect "--check: names the first" says "missing: libdpdk-dev"
expect "--check: names a removed one" says "missing: tcpdump"
expect "--check: names no other" says_not "missing: curl"
expect "--check: says the remedy" says "apt-get install libdpdk-dev tcpdump"
expect "--check: calls no apt-get" logged apt-get 0

run packages.sh
expect "install: exit 0" code_is 0
expect "install: updates once" logged " update" 1
expect "install: exactly what is missing" logged "install libdpdk-dev tcpdump" 1
run packages.sh
expect "install again: silent" silent
expect "install again: no apt-get" logged apt-get 2

debian
without curl
echo 1 >"$work/update-fails"
run packages.sh
expect "update fails once: exit 0" code_is 0
expect "update fails once: two tries" logged " update" 2
expect "update fails once: installed" logged "install curl" 1

debian
without curl
echo 9 >"$work/update-fails"
run packages.sh
expect "update fails always: two tries only" logged " update" 2
expect "update fails always: still installs from the lists" code_is 0

debian
without curl
: >"$work/install-fails"
run packages.sh
expect "install fails: exit 1" code_is 1
expect "install fails: says so" says "apt-get install failed"

debian
without curl
echo 1000 >"$work/uid"
run packages.sh
expect "not root: exit 1" code_is 1
expect "not root: says what to do" says "not root; run as root: apt-get install curl"
expect "not root: calls no apt-get" logged apt-get 0
run packages.sh --check
expect "not root: --check works" says "missing: curl"

fresh
run packages.sh --check
expect "no Debian: exit 1" code_is 1
expect "no Debian: says so" says "this is no Debian"
debian
without curl
rm "$work/bin/apt-get"
run packages.sh
expect "no apt-get: says so" says "apt-get was not found; install by hand: curl"
run packages.sh --wrong
expect "wrong option: exit 2" code_is 2

# --- qemu.sh

fresh
run qemu.sh --check
expect "qemu.sh --check: exit 1" code_is 1
expect "qemu.sh --check: names what is missing" says "missing: qemu-system-x86 busybox-static"
fake id <<'F'
echo 1000
F
run qemu.sh
expect "qemu.sh: not root: says so" says "run as root on Debian"
run qemu.sh --wrong
expect "qemu.sh: wrong option: exit 2" code_is 2

# --- promtool.sh

fresh
run promtool.sh --wrong
expect "promtool.sh: wrong option: exit 2" code_is 2
fake promtool </dev/null
run promtool.sh
expect "promtool.sh: there: exit 0" code_is 0
expect "promtool.sh: there: silent" silent

# fetched into a build folder of its own
fresh
run_promtool() {
    code=0
    env -i PATH="$work/bin" HOME="$work/home" WORK="$work" CARGO_TARGET_DIR="$work/home/target" \
        sh "$here/promtool.sh" "$@" >"$work/out" 2>"$work/err" || code=$?
    out=$(cat "$work/out")
    err=$(cat "$work/err")
}
run_promtool --check
expect "promtool.sh --check: exit 1" code_is 1
expect "promtool.sh --check: says so" says "missing: promtool"
fake id <<'F'
echo 1000
F
run_promtool
expect "promtool.sh: not root: says so" says "run as root on Debian"
fake id <<'F'
echo 0
F
fake apt-get <<'F'
echo "apt-get $*" >>"$WORK/log"
case " $* " in *" download "*) : >prometheus.deb ;; esac
F
fake dpkg-deb <<'F'
mkdir -p "$3/usr/bin"
echo fetched >"$3/usr/bin/promtool"
chmod +x "$3/usr/bin/promtool"
F
ln -s "$(command -v mv)" "$work/bin/mv"
run_promtool
expect "promtool.sh: exit 0" code_is 0
expect "promtool.sh: one package, not installed" logged "download prometheus" 1
expect "promtool.sh: installs nothing" logged " install" 0
expect "promtool.sh: it is where the test looks" test -x "$work/home/target/promtool/promtool"
run_promtool
expect "promtool.sh again: silent" silent

# --- interop.sh

debian
for package in keepalived frr tshark arping ndisc6 iputils-ping iperf3; do echo "$package"; done >>"$work/installed"
run interop.sh
expect "interop.sh: all there: silent" silent
expect "interop.sh: all there: exit 0" code_is 0
without frr
run interop.sh --check
expect "interop.sh --check: exit 1" code_is 1
expect "interop.sh --check: names what is missing" says "missing: frr"
expect "interop.sh --check: calls no apt-get" logged apt-get 0
fake systemctl <<'F'
echo "systemctl $*" >>"$WORK/log"
F
run interop.sh
expect "interop.sh: exit 0" code_is 0
expect "interop.sh: exactly what is missing" logged "install frr" 1
expect "interop.sh: FRR's service stays off" logged "systemctl disable --now frr" 1
run interop.sh
expect "interop.sh again: leaves the service alone" logged systemctl 1
run interop.sh --wrong
expect "interop.sh: wrong option: exit 2" code_is 2

# --- rust.sh

manifest() {
    printf '[workspace.package]\nversion = "9.9.9"\nrust-version = "%s"\n' "$1" >"$work/Cargo.toml"
}

# toolchain FOLDER VERSION
toolchain() {
    mkdir -p "$1"
    for tool in cargo rustc; do
        printf '#!/bin/sh\necho "%s %s (abc 2026-01-01)"\n' "$tool" "$2" >"$1/$tool"
        chmod +x "$1/$tool"
    done
}

manifest 1.88
for version in 1.88.0 1.88.1 1.95.0 1.100.0 2.0.0 1.90.0-nightly; do
    fresh
    toolchain "$work/bin" "$version"
    run rust.sh
    expect "$version is new enough for 1.88" code_is 0
    expect "$version: prints its folder" out_is "$work/bin"
done
for version in 1.87.9 1.63.0 1.9.0 0.99.0 1.88a; do
    fresh
    toolchain "$work/bin" "$version"
    run rust.sh --check
    expect "$version is too old for 1.88" code_is 1
    expect "$version: says what there is" says "cargo $version in $work/bin"
done
manifest 1.88.3
fresh
toolchain "$work/bin" 1.88.2
run rust.sh --check
expect "1.88.2 is too old for 1.88.3" code_is 1
manifest 1.88

fresh
toolchain "$work/home/.cargo/bin" 1.90.0
run rust.sh
expect "cargo in ~/.cargo/bin, not on PATH" out_is "$work/home/.cargo/bin"

fresh
toolchain "$work/bin" 1.90.0
rm "$work/bin/rustc"
run rust.sh --check
expect "cargo without rustc is not enough" code_is 1

fresh
run rust.sh --check
expect "nothing there: exit 1" code_is 1
expect "nothing there: says so" says "missing: cargo and rustc of at least 1.88"

# an old cargo and rustup: the stable toolchain, whose folder is printed
fresh
toolchain "$work/bin" 1.63.0
fake rustup <<'F'
echo "rustup $*" >>"$WORK/log"
case $1 in
    toolchain) echo "noise on stdout" ;;
    which) echo "$WORK/stable/cargo" ;;
esac
F
toolchain "$work/stable" 1.95.0
run rust.sh
expect "rustup: exit 0" code_is 0
expect "rustup: the toolchain's folder and nothing else" out_is "$work/stable"
expect "rustup: installs stable" logged "toolchain install stable" 1
toolchain "$work/stable" 1.80.0
run rust.sh
expect "rustup gives an old one: exit 1" code_is 1
expect "rustup gives an old one: says so" says "still older than 1.88"
run rust.sh --check
expect "--check calls no rustup" logged "toolchain install" 2

# neither: the official installer, fetched whole and run with our options
fresh
toolchain "$work/bin" 1.63.0
toolchain "$work/fresh" 1.95.0
fake curl <<'F'
echo "curl $*" >>"$WORK/log"
while [ "$1" != -o ]; do shift; done
cat >"$2" <<'G'
echo "init $* skip=$RUSTUP_INIT_SKIP_PATH_CHECK" >>"$WORK/log"
mkdir -p "$HOME/.cargo/bin"
cp "$WORK/fresh/cargo" "$WORK/fresh/rustc" "$HOME/.cargo/bin/"
G
F
run rust.sh
expect "rustup-init: exit 0" code_is 0
expect "rustup-init: prints ~/.cargo/bin" out_is "$work/home/.cargo/bin"
expect "rustup-init: over https only" logged "--proto =https" 1
expect "rustup-init: leaves profiles alone" logged "--no-modify-path" 1
expect "rustup-init: beside the distribution's cargo" logged "skip=yes" 1
fake curl <<'F'
exit 22
F
rm -rf "$work/home/.cargo"
run rust.sh
expect "no network: exit 1" code_is 1
expect "no network: says so" says "could not be fetched"
rm "$work/bin/curl"
run rust.sh
expect "no curl: says what to do" says "curl is needed"

manifest ''
fresh
run rust.sh
expect "no rust-version: says so" says "names no rust-version"

if [ "$failures" -gt 0 ]; then
    echo "setup/test.sh: $failures of $count failed"
    exit 1
fi
echo "setup/test.sh: $count checks passed"
