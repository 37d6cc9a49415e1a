//! The CSV scanner: however the text is cut into pieces, its rows and faults are the same; and where it holds no quote,
//! they are those of a plain split. The first byte is the length of the pieces, and its two highest bits the delimiter.

use starling_market::csv::{CsvError, Scanner, integer};

/// Rows one behind the other: each its line, its fields' lengths and bytes.
#[derive(Debug, Default, PartialEq, Eq)]
struct Rows {
    lines: Vec<u64>,
    fields: Vec<usize>,
    lens: Vec<usize>,
    bytes: Vec<u8>,
}

impl Rows {
    fn push<'a>(&mut self, line: u64, fields: impl Iterator<Item = &'a [u8]>) {
        self.lines.push(line);
        let before = self.lens.len();
        for field in fields {
            self.lens.push(field.len());
            self.bytes.extend(field);
        }
        self.fields.push(self.lens.len() - before);
    }
}

fn scanned<'a>(delimiter: u8, mut pieces: impl Iterator<Item = &'a [u8]>) -> (Rows, Result<(), CsvError>) {
    let mut scanner = Scanner::new(delimiter);
    let mut rows = Rows::default();
    loop {
        match pieces.next() {
            Some(piece) => scanner.push(piece),
            None => scanner.finish(),
        }
        loop {
            match scanner.next_row() {
                Ok(Some(row)) => {
                    assert_eq!(row.iter().count(), row.len());
                    row.iter().for_each(judge_integer);
                    rows.push(row.line(), row.iter());
                }
                Ok(None) => break,
                Err(fault) => return (rows, Err(fault)),
            }
        }
        if scanner.is_finished() {
            return (rows, Ok(()));
        }
    }
}

fn split(delimiter: u8, text: &[u8]) -> Rows {
    let text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text);
    let mut rows = Rows::default();
    for (line, text) in text.split(|byte| *byte == b'\n').enumerate() {
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        if !text.is_empty() {
            rows.push(line as u64 + 1, text.split(|byte| *byte == delimiter));
        }
    }
    rows
}

// A sign and nineteen digits at most, and not the one number whose negative is none.
fn judge_integer(field: &[u8]) {
    let digits = field.strip_prefix(b"-").unwrap_or(field);
    let plain = (1..=19).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    let parsed = std::str::from_utf8(field).ok().and_then(|text| text.parse().ok());
    assert_eq!(integer(field), parsed.filter(|value| plain && *value != i64::MIN));
}

pub fn judge(input: &[u8]) {
    let Some((first, text)) = input.split_first() else { return };
    let delimiter = [b',', b';', b'\t', b'|'][usize::from(first >> 6)];
    let whole = scanned(delimiter, std::iter::once(text));
    // A row is looked at again with each piece of it, so a long text is cut into fewer.
    let piece = usize::from(first & 63).max(text.len() / 24) + 1;
    assert_eq!(scanned(delimiter, text.chunks(piece)), whole);
    let utf16 = text.starts_with(b"\xFF\xFE") || text.starts_with(b"\xFE\xFF");
    if utf16 {
        assert_eq!(whole, (Rows::default(), Err(CsvError::Utf16)));
    } else if !text.contains(&b'"') {
        assert_eq!(whole, (split(delimiter, text), Ok(())));
    }
}
