/work/main/tests/fuzz/target/debug/deps/twinline_fuzz-c4b7ea7365f4f5bb.d: src/lib.rs src/frames.rs src/node.rs src/script.rs src/seal.rs src/sessions.rs src/wire.rs

/work/main/tests/fuzz/target/debug/deps/libtwinline_fuzz-c4b7ea7365f4f5bb.rmeta: src/lib.rs src/frames.rs src/node.rs src/script.rs src/seal.rs src/sessions.rs src/wire.rs

src/lib.rs:
src/frames.rs:
src/node.rs:
src/script.rs:
src/seal.rs:
src/sessions.rs:
src/wire.rs:
