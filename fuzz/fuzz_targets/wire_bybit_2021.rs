//! The decoder of `bybit-2021`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| starling_fuzz::wire::bybit_2021(input));
