/work/main/tests/fuzz/target/debug/deps/twinline_wire-8387dcb96eda85f9.d: /work/main/engine/wire/src/lib.rs /work/main/engine/wire/src/announce.rs /work/main/engine/wire/src/bytes.rs /work/main/engine/wire/src/checksum.rs /work/main/engine/wire/src/error.rs /work/main/engine/wire/src/ethernet.rs /work/main/engine/wire/src/heartbeat/mod.rs /work/main/engine/wire/src/heartbeat/auth.rs /work/main/engine/wire/src/heartbeat/body.rs /work/main/engine/wire/src/heartbeat/drops.rs /work/main/engine/wire/src/heartbeat/frame.rs /work/main/engine/wire/src/heartbeat/mac_chunk.rs /work/main/engine/wire/src/heartbeat/stack.rs /work/main/engine/wire/src/in_band.rs /work/main/engine/wire/src/ipv4.rs /work/main/engine/wire/src/mac.rs /work/main/engine/wire/src/side.rs /work/main/engine/wire/src/udp.rs

/work/main/tests/fuzz/target/debug/deps/libtwinline_wire-8387dcb96eda85f9.rlib: /work/main/engine/wire/src/lib.rs /work/main/engine/wire/src/announce.rs /work/main/engine/wire/src/bytes.rs /work/main/engine/wire/src/checksum.rs /work/main/engine/wire/src/error.rs /work/main/engine/wire/src/ethernet.rs /work/main/engine/wire/src/heartbeat/mod.rs /work/main/engine/wire/src/heartbeat/auth.rs /work/main/engine/wire/src/heartbeat/body.rs /work/main/engine/wire/src/heartbeat/drops.rs /work/main/engine/wire/src/heartbeat/frame.rs /work/main/engine/wire/src/heartbeat/mac_chunk.rs /work/main/engine/wire/src/heartbeat/stack.rs /work/main/engine/wire/src/in_band.rs /work/main/engine/wire/src/ipv4.rs /work/main/engine/wire/src/mac.rs /work/main/engine/wire/src/side.rs /work/main/engine/wire/src/udp.rs

/work/main/tests/fuzz/target/debug/deps/libtwinline_wire-8387dcb96eda85f9.rmeta: /work/main/engine/wire/src/lib.rs /work/main/engine/wire/src/announce.rs /work/main/engine/wire/src/bytes.rs /work/main/engine/wire/src/checksum.rs /work/main/engine/wire/src/error.rs /work/main/engine/wire/src/ethernet.rs /work/main/engine/wire/src/heartbeat/mod.rs /work/main/engine/wire/src/heartbeat/auth.rs /work/main/engine/wire/src/heartbeat/body.rs /work/main/engine/wire/src/heartbeat/drops.rs /work/main/engine/wire/src/heartbeat/frame.rs /work/main/engine/wire/src/heartbeat/mac_chunk.rs /work/main/engine/wire/src/heartbeat/stack.rs /work/main/engine/wire/src/in_band.rs /work/main/engine/wire/src/ipv4.rs /work/main/engine/wire/src/mac.rs /work/main/engine/wire/src/side.rs /work/main/engine/wire/src/udp.rs

/work/main/engine/wire/src/lib.rs:
/work/main/engine/wire/src/announce.rs:
/work/main/engine/wire/src/bytes.rs:
/work/main/engine/wire/src/checksum.rs:
/work/main/engine/wire/src/error.rs:
/work/main/engine/wire/src/ethernet.rs:
/work/main/engine/wire/src/heartbeat/mod.rs:
/work/main/engine/wire/src/heartbeat/auth.rs:
/work/main/engine/wire/src/heartbeat/body.rs:
/work/main/engine/wire/src/heartbeat/drops.rs:
/work/main/engine/wire/src/heartbeat/frame.rs:
/work/main/engine/wire/src/heartbeat/mac_chunk.rs:
/work/main/engine/wire/src/heartbeat/stack.rs:
/work/main/engine/wire/src/in_band.rs:
/work/main/engine/wire/src/ipv4.rs:
/work/main/engine/wire/src/mac.rs:
/work/main/engine/wire/src/side.rs:
/work/main/engine/wire/src/udp.rs:
