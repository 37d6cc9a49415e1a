//! The CSV scanner.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| starling_fuzz::csv::judge(input));
