#![no_main]
//! The decoder of `hyperliquid`.

mod judge;

libfuzzer_sys::fuzz_target!(|frame: &[u8]| judge::judge("hyperliquid", frame));
