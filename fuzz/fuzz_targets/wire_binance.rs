//! The decoder of `binance-usdm`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| starling_fuzz::wire::binance(input));
