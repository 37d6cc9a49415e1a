#![no_main]
//! The decoder of `okx`.

mod judge;

libfuzzer_sys::fuzz_target!(|frame: &[u8]| judge::judge("okx", frame));
