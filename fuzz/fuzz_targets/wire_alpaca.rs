#![no_main]
//! The decoder of `alpaca`.

mod judge;

libfuzzer_sys::fuzz_target!(|frame: &[u8]| judge::judge("alpaca", frame));
