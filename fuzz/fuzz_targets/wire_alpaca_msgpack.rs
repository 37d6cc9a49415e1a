//! The decoder of `alpaca-msgpack`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| starling_fuzz::wire::alpaca_msgpack(input));
