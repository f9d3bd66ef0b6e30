# Twinline. Two commands do everything on a fresh Debian 12 machine, as root:
#
#   make run     installs what is missing, builds, and plays the lab's scenes on real traffic
#   make test    runs all tests
#
# More: make run LAB=stay (keeps the lab up), make run LAB=l3 (routers with virtual addresses;
# LAB="l3 stay"), make lab (scenes without a terminal, exit code), make lab LAB=l3,
# make sim SEEDS=n or SEED=n (the simulation), make sim-faults, make fuzz SECONDS=n, make
# bench-forward (against dpdk-testpmd), make bench-failover (against keepalived), make bench-l3
# (against DPDK's l3fwd, and as routers against keepalived), make bench-l3-failover (the latter
# alone), make man (man pages and completions, to target/man and target/completions), make lint,
# make clean-lab (after a power cut).

# Our own shell, so that PATH holds the cargo that setup/rust.sh found or installed.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

LAB ?=
LAB_OPTIONS ?=
LAB_WORDS = $(if $(filter l3,$(LAB)),--l3)

.PHONY: run lab test lint fmt setup clean-lab build sim sim-ci sim-faults fuzz bench-forward bench-failover \
  bench-l3 bench-l3-failover man

setup:
	@sh setup/packages.sh
	@sh setup/rust.sh > /dev/null

build: setup
	@PATH="$$(sh setup/rust.sh):$$PATH"; cargo build --release -p twinline -p twinline-tests -p hugepages-setup

run: build
	@sh setup/lab.sh target/release $(LAB_WORDS) $(if $(filter stay,$(LAB)),--stay) $(LAB_OPTIONS)

lab: build
	@sh setup/lab.sh target/release $(LAB_WORDS) $(LAB_OPTIONS) < /dev/null

test: setup
	@sh setup/test.sh
	@# The layer 3 tests fail, and say so, without the routers that they run beside ours.
	@sh setup/interop.sh || true
	@# 45 MB; without them, the test that needs them says that it is skipped.
	@sh setup/qemu.sh || true
	@# 40 MB; without it, metrics and alert rules are not checked by Prometheus' own tool.
	@sh setup/promtool.sh || true
	@PATH="$$(sh setup/rust.sh):$$PATH"; cargo build -p twinline -p hugepages-setup; \
	  export PROPTEST_RNG_SEED="$$(sh setup/seed.sh)"; \
	  TWINLINE_BIN="$$PWD/target/debug/twinline" sh setup/hugepages.sh target/debug \
	  cargo test --workspace --exclude twinline-simulation --exclude twinline-model
	@# Apart: their deliberate faults must not get into the engine that the others test.
	@PATH="$$(sh setup/rust.sh):$$PATH"; cargo test -p twinline-simulation; \
	  cargo test --profile sim -p twinline-model
	@$(MAKE) --no-print-directory sim-ci
	@PATH="$$(sh setup/rust.sh):$$PATH"; SEED="$$(sh setup/seed.sh)" sh setup/fuzz.sh 60

lint: setup
	@PATH="$$(sh setup/rust.sh):$$PATH"; cargo fmt --all --check; \
	  cargo clippy --workspace --all-targets -- -D warnings; \
	  cargo clippy --manifest-path tests/fuzz/Cargo.toml --locked --target-dir target/fuzz/lint -- \
	    -D warnings

# From the definitions of the commands.
man: setup
	@PATH="$$(sh setup/rust.sh):$$PATH"; cargo build -p twinline; \
	  target/debug/twinline generate man target/man; \
	  target/debug/twinline generate completions target/completions
	@echo "man -l target/man/twinline.8; . target/completions/twinline.bash"

fmt:
	@PATH="$$(sh setup/rust.sh):$$PATH"; cargo fmt --all

clean-lab:
	@target/release/lab clean

bench-forward: setup
	@PATH="$$(sh setup/rust.sh):$$PATH"; \
	  cargo build --release -p twinline-bench --bin bench-forward -p hugepages-setup; \
	  cargo build --release -p twinline-bench --bin bench-forward --features shared --target-dir target/shared; \
	  sh setup/hugepages.sh target/release target/release/bench-forward \
	    --shared-binary target/shared/release/bench-forward

# Part 1: forwarding against DPDK's l3fwd, the key "forwarding" of target/bench/l3.json.
bench-l3: setup
	@sh setup/l3fwd.sh target/l3fwd
	@PATH="$$(sh setup/rust.sh):$$PATH"; \
	  cargo build --release -p twinline-bench --bin bench-l3 -p hugepages-setup --bin hugepages-setup; \
	  sh setup/hugepages.sh target/release target/release/bench-l3 --l3fwd target/l3fwd/l3fwd

bench-failover: setup
	@PATH="$$(sh setup/rust.sh):$$PATH"; \
	  cargo build --release -p twinline -p twinline-bench-failover -p hugepages-setup; \
	  sh setup/hugepages.sh target/release target/release/bench-failover \
	    --engine target/release/twinline

# As routers with virtual addresses; the forwarding rate is a part of bench-l3 as well. Both write
# their part of target/bench/l3.json.
bench-l3-failover: setup
	@PATH="$$(sh setup/rust.sh):$$PATH"; \
	  cargo build --release -p twinline -p twinline-bench-failover -p hugepages-setup; \
	  sh setup/hugepages.sh target/release target/release/bench-failover --l3 \
	    --only killed,unplugged,busy --engine target/release/twinline

bench-l3: bench-l3-failover

SEEDS ?= 1000
SEED ?=
sim: setup
	@PATH="$$(sh setup/rust.sh):$$PATH"; \
	  cargo run --profile sim -p twinline-simulation --bin sim -- \
	    $(if $(SEED),--seed $(SEED),--seeds $(SEEDS))

# What `make test` plays: 20,000 fixed seeds, and 2,000 that no other state of the tree had before
# (setup/seed.sh). A failing seed is printed with the command that replays it.
sim-ci: setup
	@PATH="$$(sh setup/rust.sh):$$PATH"; \
	  cargo build --profile sim -p twinline-simulation --bin sim; \
	  target/sim/sim --seeds 20000; \
	  from="$$(sh setup/seed.sh)000"; echo "this tree's own seeds, from $$from"; \
	  target/sim/sim --seeds 2000 --from "$$from"

# Each deliberate fault in the decisions is switched on in turn, and has to be caught.
sim-faults: setup
	@PATH="$$(sh setup/rust.sh):$$PATH"; \
	  cargo run --profile sim -p twinline-simulation --features faults --bin sim \
	    --target-dir target/sim-faults -- --faults --seeds 200

SECONDS ?= 60
fuzz: setup
	@PATH="$$(sh setup/rust.sh):$$PATH"; sh setup/fuzz.sh $(SECONDS)
