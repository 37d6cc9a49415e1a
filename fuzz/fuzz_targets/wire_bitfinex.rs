#![no_main]
//! The decoder of `bitfinex`, over the lines of one connection.

mod judge;

libfuzzer_sys::fuzz_target!(|frame: &[u8]| judge::judge_connection("bitfinex", frame));
