//! Comma-separated text, from chunks of bytes to rows of fields (RFC 4180), without reading a file.
//!
//! Invariant: rows come out in order, each with the number of the line it starts on; the scanner holds one chunk and
//! one unfinished row, and refuses a row over [`ROW_BYTES_MAX`], so its memory is bounded whatever the input is.
//!
//! It does not know headers, types or time: a field is bytes. A byte order mark is skipped, `\n` and `\r\n` both end a
//! row, empty lines are skipped. A quote in the middle of an unquoted field stands for itself, as spreadsheets read it.

use starling_core::fixed::eight_digits;

/// Bytes one row may take.
pub const ROW_BYTES_MAX: usize = 1 << 20;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Why bytes are not comma-separated text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CsvError {
    /// A row does not end.
    #[error("line {line} goes on for more than {ROW_BYTES_MAX} bytes; is the file text, and are its quotes closed?")]
    RowTooLong {
        /// Where the row starts.
        line: u64,
    },
    /// The text ends inside quotes.
    #[error("line {line}: a quote opens and never closes")]
    UnclosedQuote {
        /// Where the row starts.
        line: u64,
    },
    /// A closing quote is followed by neither delimiter nor line end.
    #[error("line {line}, field {field}: text follows the closing quote; double a quote that is meant literally")]
    TextAfterQuote {
        /// Where the row starts.
        line: u64,
        /// The field, counted from 1.
        field: usize,
    },
    /// A UTF-16 byte order mark.
    #[error("the text is UTF-16; convert it to UTF-8")]
    Utf16,
}

/// One row: fields as bytes, borrowed from the scanner.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    line: u64,
    bytes: &'a [u8],
    // Where each field ends; the next starts one byte further.
    ends: &'a [u32],
}

impl<'a> Row<'a> {
    /// The line the row starts on, counted from 1.
    #[must_use]
    #[inline]
    pub fn line(&self) -> u64 {
        self.line
    }
    /// How many fields it has.
    #[must_use]
    #[inline]
    pub fn len(&self) -> usize {
        self.ends.len()
    }
    /// True without fields, which no row that a scanner hands out is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }
    /// The field at `index`, counted from 0, quotes taken off.
    #[must_use]
    #[inline]
    pub fn field(&self, index: usize) -> Option<&'a [u8]> {
        let end = *self.ends.get(index)? as usize;
        let start = if index == 0 { 0 } else { self.ends[index - 1] as usize + 1 };
        self.bytes.get(start..end)
    }
    /// All fields in order.
    pub fn iter(&self) -> impl Iterator<Item = &'a [u8]> + '_ {
        (0..self.len()).filter_map(|i| self.field(i))
    }
}

/// Cuts chunks of bytes into rows.
///
/// ```
/// use starling_market::csv::Scanner;
/// let mut scanner = Scanner::new(b',');
/// scanner.push(b"a,\"b \"\"c\"\"\"\n1");
/// assert_eq!(scanner.next_row().unwrap().unwrap().field(1), Some(&b"b \"c\""[..]));
/// assert!(scanner.next_row().unwrap().is_none(), "the second row may go on");
/// scanner.push(b"0,2");
/// scanner.finish();
/// assert_eq!(scanner.next_row().unwrap().unwrap().field(0), Some(&b"10"[..]));
/// assert!(scanner.next_row().unwrap().is_none());
/// ```
#[derive(Debug)]
pub struct Scanner {
    delimiter: u8,
    buffer: Vec<u8>,
    at: usize,
    line: u64,
    opened: bool,
    finished: bool,
    ends: Vec<u32>,
    unquoted: Vec<u8>,
}

impl Scanner {
    /// For text delimited by `delimiter` (`,`, `;`, tab).
    #[must_use]
    pub fn new(delimiter: u8) -> Self {
        Self {
            delimiter,
            buffer: Vec::new(),
            at: 0,
            line: 1,
            opened: false,
            finished: false,
            ends: Vec::with_capacity(16),
            unquoted: Vec::new(),
        }
    }

    /// Hands over the next bytes. Take all rows out first: what is left over is copied.
    pub fn push(&mut self, chunk: &[u8]) {
        let rest = self.buffer.len() - self.at;
        self.buffer.copy_within(self.at.., 0);
        self.buffer.truncate(rest);
        self.at = 0;
        self.buffer.extend_from_slice(chunk);
    }

    /// Says that no bytes follow, so that a last row without a line end is one.
    pub fn finish(&mut self) {
        self.finished = true;
    }

    /// True once no more bytes are to come.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.finished
    }

    /// The line that the next row starts on, or would.
    #[must_use]
    pub fn line(&self) -> u64 {
        self.line
    }

    /// Bytes held: the last chunk and the row it cut.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.buffer.len() - self.at
    }

    /// The next row, or none before more bytes are pushed.
    #[inline]
    pub fn next_row(&mut self) -> Result<Option<Row<'_>>, CsvError> {
        if !self.opened && !self.open()? {
            return Ok(None);
        }
        loop {
            let rest = &self.buffer[self.at..];
            self.ends.clear();
            let (end, next) = match cut(rest, self.delimiter, &mut self.ends) {
                Cut::Line(newline) => (newline, newline + 1),
                Cut::Quote => return self.next_quoted(),
                Cut::Unfinished if rest.is_empty() => return Ok(None),
                Cut::Unfinished if rest.len() > ROW_BYTES_MAX => return Err(CsvError::RowTooLong { line: self.line }),
                Cut::Unfinished if !self.finished => return Ok(None),
                Cut::Unfinished => (rest.len(), rest.len()),
            };
            let end = if end > 0 && rest[end - 1] == b'\r' { end - 1 } else { end };
            let (from, line) = (self.at, self.line);
            self.at += next;
            self.line += 1;
            if end == 0 {
                continue;
            }
            self.ends.push(end as u32);
            return Ok(Some(Row { line, bytes: &self.buffer[from..from + end], ends: &self.ends }));
        }
    }

    // True once the start of the text is known.
    fn open(&mut self) -> Result<bool, CsvError> {
        let rest = &self.buffer[self.at..];
        if rest.len() < BYTE_ORDER_MARK.len() && !self.finished {
            return Ok(false);
        }
        if rest.starts_with(b"\xFF\xFE") || rest.starts_with(b"\xFE\xFF") {
            return Err(CsvError::Utf16);
        }
        if rest.starts_with(BYTE_ORDER_MARK) {
            self.at += BYTE_ORDER_MARK.len();
        }
        self.opened = true;
        Ok(true)
    }

    // The careful path: the row holds a quote somewhere. Fields are copied with their quotes off, one byte between two.
    #[cold]
    fn next_quoted(&mut self) -> Result<Option<Row<'_>>, CsvError> {
        let rest = &self.buffer[self.at..];
        self.ends.clear();
        self.unquoted.clear();
        let (mut i, mut lines) = (0, 0);
        let unfinished = |at_end: CsvError| {
            if rest.len() > ROW_BYTES_MAX {
                Err(CsvError::RowTooLong { line: self.line })
            } else if self.finished {
                Err(at_end)
            } else {
                Ok(None)
            }
        };
        loop {
            if rest.get(i) == Some(&b'"') {
                i += 1;
                loop {
                    match (rest.get(i), rest.get(i + 1)) {
                        (None, _) => return unfinished(CsvError::UnclosedQuote { line: self.line }),
                        (Some(b'"'), Some(b'"')) => {
                            self.unquoted.push(b'"');
                            i += 2;
                        }
                        (Some(b'"'), _) => {
                            i += 1;
                            break;
                        }
                        (Some(&b), _) => {
                            lines += u64::from(b == b'\n');
                            self.unquoted.push(b);
                            i += 1;
                        }
                    }
                }
            } else {
                while let Some(&b) = rest.get(i).filter(|b| **b != self.delimiter && **b != b'\n') {
                    self.unquoted.push(b);
                    i += 1;
                }
                if self.unquoted.last() == Some(&b'\r') && rest.get(i) != Some(&self.delimiter) {
                    self.unquoted.pop();
                }
            }
            if rest.get(i) == Some(&b'\r') && matches!(rest.get(i + 1), Some(b'\n') | None) {
                i += 1;
            }
            // A chunk may end between a closing quote and the next byte, which may double it.
            if i >= rest.len() && !self.finished {
                return unfinished(CsvError::UnclosedQuote { line: self.line });
            }
            self.ends.push(self.unquoted.len() as u32);
            match rest.get(i) {
                Some(&b) if b == self.delimiter => {
                    self.unquoted.push(b);
                    i += 1;
                }
                None | Some(b'\n') => break,
                Some(_) => return Err(CsvError::TextAfterQuote { line: self.line, field: self.ends.len() }),
            }
        }
        let line = self.line;
        self.line += lines + 1;
        self.at += (i + 1).min(rest.len());
        Ok(Some(Row { line, bytes: &self.unquoted, ends: &self.ends }))
    }
}

enum Cut {
    /// The line ends at this offset.
    Line(usize),
    /// A quote stands before the line's end.
    Quote,
    /// Neither within the bytes at hand.
    Unfinished,
}

const LOW: u64 = 0x7F7F_7F7F_7F7F_7F7F;

// The high bit of each byte of `word` that equals the byte `pattern` repeats (exact: no carry crosses a byte).
#[inline]
const fn equal_bytes(word: u64, pattern: u64) -> u64 {
    let x = word ^ pattern;
    !(((x & LOW) + LOW) | x | LOW)
}

// Eight bytes at a time: rows of market data are short fields, on which a search call for each costs more than it finds.
#[inline]
fn cut(bytes: &[u8], delimiter: u8, ends: &mut Vec<u32>) -> Cut {
    const fn repeat(byte: u8) -> u64 {
        byte as u64 * 0x0101_0101_0101_0101
    }
    let (delimiters, newlines, quotes) = (repeat(delimiter), repeat(b'\n'), repeat(b'"'));
    let (words, tail) = bytes.as_chunks::<8>();
    let mut base = 0;
    for word in words {
        let w = u64::from_le_bytes(*word);
        let mut special = equal_bytes(w, delimiters) | equal_bytes(w, newlines) | equal_bytes(w, quotes);
        while special != 0 {
            let k = (special.trailing_zeros() / 8) as usize;
            let byte = word[k & 7];
            if byte == delimiter {
                ends.push((base + k) as u32);
            } else if byte == b'\n' {
                return Cut::Line(base + k);
            } else {
                return Cut::Quote;
            }
            special &= special - 1;
        }
        base += 8;
        if base > ROW_BYTES_MAX {
            return Cut::Unfinished;
        }
    }
    for &byte in tail {
        if byte == delimiter {
            ends.push(base as u32);
        } else if byte == b'\n' {
            return Cut::Line(base);
        } else if byte == b'"' {
            return Cut::Quote;
        }
        base += 1;
    }
    Cut::Unfinished
}

/// A whole number (`-12`, `1600000020000000000`), or none if the text is anything else or does not fit.
#[must_use]
#[inline]
pub fn integer(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    if digits.is_empty() || digits.len() > 19 {
        return None;
    }
    let (words, tail) = digits.as_chunks::<8>();
    let mut value = 0u64;
    for word in words {
        value = value * 100_000_000 + eight_digits(u64::from_le_bytes(*word))?;
    }
    for &b in tail {
        let digit = b.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + u64::from(digit);
    }
    // Nineteen nines are below 2^64, so only the sign bit can be wrong.
    let value = i64::try_from(value).ok()?;
    Some(if negative { -value } else { value })
}

#[cfg(test)]
mod tests;
