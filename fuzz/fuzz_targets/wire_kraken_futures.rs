#![no_main]
//! The decoder of `kraken-futures`.

mod judge;

libfuzzer_sys::fuzz_target!(|frame: &[u8]| judge::judge("kraken-futures", frame));
