//! Decimal numbers as text.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| starling_fuzz::fixed::judge(input));
