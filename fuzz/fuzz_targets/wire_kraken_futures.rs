//! The decoder of `kraken-futures`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| starling_fuzz::wire::kraken_futures(input));
