//! DBN files and fragments.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| starling_fuzz::dbn::judge(input));
