/work/main/tests/fuzz/target/debug/deps/fuzz_seeds-1f43cf68b14ab15b.d: src/bin/seeds.rs

/work/main/tests/fuzz/target/debug/deps/libfuzz_seeds-1f43cf68b14ab15b.rmeta: src/bin/seeds.rs

src/bin/seeds.rs:
