//! The decoder of `bitfinex`, over the lines of one connection.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| starling_fuzz::wire::bitfinex(input));
