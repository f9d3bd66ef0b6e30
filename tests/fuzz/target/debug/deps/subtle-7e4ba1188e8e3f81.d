/work/main/tests/fuzz/target/debug/deps/subtle-7e4ba1188e8e3f81.d: /root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/subtle-2.6.1/src/lib.rs

/work/main/tests/fuzz/target/debug/deps/libsubtle-7e4ba1188e8e3f81.rmeta: /root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/subtle-2.6.1/src/lib.rs

/root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/subtle-2.6.1/src/lib.rs:
