/work/main/tests/fuzz/target/debug/deps/twinline_fuzz-2e40e29f64e4b4e4.d: src/lib.rs src/frames.rs src/node.rs src/script.rs src/seal.rs src/sessions.rs src/wire.rs

/work/main/tests/fuzz/target/debug/deps/libtwinline_fuzz-2e40e29f64e4b4e4.rmeta: src/lib.rs src/frames.rs src/node.rs src/script.rs src/seal.rs src/sessions.rs src/wire.rs

src/lib.rs:
src/frames.rs:
src/node.rs:
src/script.rs:
src/seal.rs:
src/sessions.rs:
src/wire.rs:
