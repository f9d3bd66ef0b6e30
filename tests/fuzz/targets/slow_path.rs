//! libFuzzer's entry for [`twinline_fuzz::slow_path`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| twinline_fuzz::slow_path::judge(data));
