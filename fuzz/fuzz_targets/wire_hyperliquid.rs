//! The decoder of `hyperliquid`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| starling_fuzz::wire::hyperliquid(input));
