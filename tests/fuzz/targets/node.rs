//! libFuzzer's entry for [`twinline_fuzz::node`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| twinline_fuzz::node::judge(data));
