#![no_main]
//! The decoder of `bybit-2021`.

mod judge;

libfuzzer_sys::fuzz_target!(|frame: &[u8]| judge::judge("bybit-2021", frame));
