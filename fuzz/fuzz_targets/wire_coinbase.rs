#![no_main]
//! The decoder of `coinbase`.

mod judge;

libfuzzer_sys::fuzz_target!(|frame: &[u8]| judge::judge("coinbase", frame));
