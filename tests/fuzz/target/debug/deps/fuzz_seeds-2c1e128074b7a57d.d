/work/main/tests/fuzz/target/debug/deps/fuzz_seeds-2c1e128074b7a57d.d: src/bin/seeds.rs

/work/main/tests/fuzz/target/debug/deps/fuzz_seeds-2c1e128074b7a57d: src/bin/seeds.rs

src/bin/seeds.rs:
