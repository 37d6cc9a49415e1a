#![no_main]
//! The decoder of `binance-usdm`.

mod judge;

libfuzzer_sys::fuzz_target!(|frame: &[u8]| judge::judge("binance-usdm", frame));
