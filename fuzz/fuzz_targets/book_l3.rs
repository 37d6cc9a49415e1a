//! Books order by order.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| starling_fuzz::book_l3::judge(input));
