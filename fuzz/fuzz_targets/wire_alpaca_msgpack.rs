#![no_main]
//! The decoder of `alpaca-msgpack`.

mod judge;

libfuzzer_sys::fuzz_target!(|frame: &[u8]| judge::judge("alpaca-msgpack", frame));
