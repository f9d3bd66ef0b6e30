/work/main/tests/fuzz/target/debug/deps/fuzz_seeds-b5d6a580fbddc72d.d: src/bin/seeds.rs

/work/main/tests/fuzz/target/debug/deps/libfuzz_seeds-b5d6a580fbddc72d.rmeta: src/bin/seeds.rs

src/bin/seeds.rs:
