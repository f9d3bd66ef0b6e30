/work/main/tests/fuzz/target/debug/deps/corpus-0b7b9701b02aff99.d: tests/corpus.rs

/work/main/tests/fuzz/target/debug/deps/libcorpus-0b7b9701b02aff99.rmeta: tests/corpus.rs

tests/corpus.rs:

# env-dep:CARGO_MANIFEST_DIR=/work/main/tests/fuzz
