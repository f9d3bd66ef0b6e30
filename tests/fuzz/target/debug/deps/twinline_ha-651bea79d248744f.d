/work/main/tests/fuzz/target/debug/deps/twinline_ha-651bea79d248744f.d: /work/main/engine/ha/src/lib.rs /work/main/engine/ha/src/action.rs /work/main/engine/ha/src/bandwidth.rs /work/main/engine/ha/src/claim.rs /work/main/engine/ha/src/events.rs /work/main/engine/ha/src/faults.rs /work/main/engine/ha/src/flaps.rs /work/main/engine/ha/src/link_pairs.rs /work/main/engine/ha/src/macs.rs /work/main/engine/ha/src/message.rs /work/main/engine/ha/src/node/mod.rs /work/main/engine/ha/src/node/alarms.rs /work/main/engine/ha/src/node/fitness.rs /work/main/engine/ha/src/node/handover.rs /work/main/engine/ha/src/node/hearing.rs /work/main/engine/ha/src/node/operator.rs /work/main/engine/ha/src/node/paths.rs /work/main/engine/ha/src/node/roles.rs /work/main/engine/ha/src/node/sending.rs /work/main/engine/ha/src/node/view.rs /work/main/engine/ha/src/observation.rs /work/main/engine/ha/src/peer.rs /work/main/engine/ha/src/peer/track.rs /work/main/engine/ha/src/settings.rs /work/main/engine/ha/src/state.rs /work/main/engine/ha/src/time.rs

/work/main/tests/fuzz/target/debug/deps/libtwinline_ha-651bea79d248744f.rlib: /work/main/engine/ha/src/lib.rs /work/main/engine/ha/src/action.rs /work/main/engine/ha/src/bandwidth.rs /work/main/engine/ha/src/claim.rs /work/main/engine/ha/src/events.rs /work/main/engine/ha/src/faults.rs /work/main/engine/ha/src/flaps.rs /work/main/engine/ha/src/link_pairs.rs /work/main/engine/ha/src/macs.rs /work/main/engine/ha/src/message.rs /work/main/engine/ha/src/node/mod.rs /work/main/engine/ha/src/node/alarms.rs /work/main/engine/ha/src/node/fitness.rs /work/main/engine/ha/src/node/handover.rs /work/main/engine/ha/src/node/hearing.rs /work/main/engine/ha/src/node/operator.rs /work/main/engine/ha/src/node/paths.rs /work/main/engine/ha/src/node/roles.rs /work/main/engine/ha/src/node/sending.rs /work/main/engine/ha/src/node/view.rs /work/main/engine/ha/src/observation.rs /work/main/engine/ha/src/peer.rs /work/main/engine/ha/src/peer/track.rs /work/main/engine/ha/src/settings.rs /work/main/engine/ha/src/state.rs /work/main/engine/ha/src/time.rs

/work/main/tests/fuzz/target/debug/deps/libtwinline_ha-651bea79d248744f.rmeta: /work/main/engine/ha/src/lib.rs /work/main/engine/ha/src/action.rs /work/main/engine/ha/src/bandwidth.rs /work/main/engine/ha/src/claim.rs /work/main/engine/ha/src/events.rs /work/main/engine/ha/src/faults.rs /work/main/engine/ha/src/flaps.rs /work/main/engine/ha/src/link_pairs.rs /work/main/engine/ha/src/macs.rs /work/main/engine/ha/src/message.rs /work/main/engine/ha/src/node/mod.rs /work/main/engine/ha/src/node/alarms.rs /work/main/engine/ha/src/node/fitness.rs /work/main/engine/ha/src/node/handover.rs /work/main/engine/ha/src/node/hearing.rs /work/main/engine/ha/src/node/operator.rs /work/main/engine/ha/src/node/paths.rs /work/main/engine/ha/src/node/roles.rs /work/main/engine/ha/src/node/sending.rs /work/main/engine/ha/src/node/view.rs /work/main/engine/ha/src/observation.rs /work/main/engine/ha/src/peer.rs /work/main/engine/ha/src/peer/track.rs /work/main/engine/ha/src/settings.rs /work/main/engine/ha/src/state.rs /work/main/engine/ha/src/time.rs

/work/main/engine/ha/src/lib.rs:
/work/main/engine/ha/src/action.rs:
/work/main/engine/ha/src/bandwidth.rs:
/work/main/engine/ha/src/claim.rs:
/work/main/engine/ha/src/events.rs:
/work/main/engine/ha/src/faults.rs:
/work/main/engine/ha/src/flaps.rs:
/work/main/engine/ha/src/link_pairs.rs:
/work/main/engine/ha/src/macs.rs:
/work/main/engine/ha/src/message.rs:
/work/main/engine/ha/src/node/mod.rs:
/work/main/engine/ha/src/node/alarms.rs:
/work/main/engine/ha/src/node/fitness.rs:
/work/main/engine/ha/src/node/handover.rs:
/work/main/engine/ha/src/node/hearing.rs:
/work/main/engine/ha/src/node/operator.rs:
/work/main/engine/ha/src/node/paths.rs:
/work/main/engine/ha/src/node/roles.rs:
/work/main/engine/ha/src/node/sending.rs:
/work/main/engine/ha/src/node/view.rs:
/work/main/engine/ha/src/observation.rs:
/work/main/engine/ha/src/peer.rs:
/work/main/engine/ha/src/peer/track.rs:
/work/main/engine/ha/src/settings.rs:
/work/main/engine/ha/src/state.rs:
/work/main/engine/ha/src/time.rs:
