//! Books by price.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| starling_fuzz::book_l2::judge(input));
