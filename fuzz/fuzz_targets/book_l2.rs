//! Books by price.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| starling_fuzz::judge(env!("CARGO_BIN_NAME"), input));
