/work/main/tests/fuzz/target/debug/deps/subtle-6cefd9c2ab8f12ae.d: /root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/subtle-2.6.1/src/lib.rs

/work/main/tests/fuzz/target/debug/deps/libsubtle-6cefd9c2ab8f12ae.rlib: /root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/subtle-2.6.1/src/lib.rs

/work/main/tests/fuzz/target/debug/deps/libsubtle-6cefd9c2ab8f12ae.rmeta: /root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/subtle-2.6.1/src/lib.rs

/root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/subtle-2.6.1/src/lib.rs:
