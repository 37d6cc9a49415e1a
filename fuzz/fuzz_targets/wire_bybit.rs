#![no_main]
//! The decoder of `bybit`.

mod judge;

libfuzzer_sys::fuzz_target!(|frame: &[u8]| judge::judge("bybit", frame));
