#![no_main]
//! The decoder of `kraken`.

mod judge;

libfuzzer_sys::fuzz_target!(|frame: &[u8]| judge::judge("kraken", frame));
