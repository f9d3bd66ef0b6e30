/work/main/tests/fuzz/target/debug/deps/twinline_fuzz-b92d0d98d55c762a.d: src/lib.rs src/frames.rs src/node.rs src/script.rs src/seal.rs src/sessions.rs src/wire.rs

/work/main/tests/fuzz/target/debug/deps/libtwinline_fuzz-b92d0d98d55c762a.rlib: src/lib.rs src/frames.rs src/node.rs src/script.rs src/seal.rs src/sessions.rs src/wire.rs

/work/main/tests/fuzz/target/debug/deps/libtwinline_fuzz-b92d0d98d55c762a.rmeta: src/lib.rs src/frames.rs src/node.rs src/script.rs src/seal.rs src/sessions.rs src/wire.rs

src/lib.rs:
src/frames.rs:
src/node.rs:
src/script.rs:
src/seal.rs:
src/sessions.rs:
src/wire.rs:
