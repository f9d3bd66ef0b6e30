//! libFuzzer's entry for [`twinline_fuzz::frames`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| twinline_fuzz::frames::judge(data));
