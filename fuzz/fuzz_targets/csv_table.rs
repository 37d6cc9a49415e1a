//! CSV as a `[[data]]` table of the configuration reads it.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| starling_fuzz::table::judge(input));
