//! The CSV scanner: however the text is cut into pieces, the rows are the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use starling_market::csv::Scanner;

/// Its rows, and whether it ended without a fault.
fn rows(pieces: &[&[u8]]) -> (Vec<Vec<Vec<u8>>>, bool) {
    let mut scanner = Scanner::new(b',');
    let mut rows = Vec::new();
    let mut pieces = pieces.iter();
    loop {
        match pieces.next() {
            Some(piece) => scanner.push(piece),
            None => scanner.finish(),
        }
        loop {
            match scanner.next_row() {
                Ok(Some(row)) => rows.push(row.iter().map(<[u8]>::to_vec).collect()),
                Ok(None) => break,
                Err(_) => return (rows, false),
            }
        }
        if scanner.is_finished() {
            return (rows, true);
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((cut, text)) = data.split_first() else { return };
    let whole = rows(&[text]);
    let pieces: Vec<&[u8]> = text.chunks(usize::from(*cut).max(1)).collect();
    assert_eq!(rows(&pieces), whole);
});
