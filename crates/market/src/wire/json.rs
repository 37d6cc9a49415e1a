//! A strict JSON scanner that copies nothing: a cursor over the bytes of one frame (RFC 8259).
//!
//! Invariant: a frame that is walked to [`Cursor::finish`] without an error is JSON, also in the parts that were skipped:
//! structure, literals, numbers, escapes, control characters and UTF-8 are all checked. Depth ([`DEPTH_MAX`]) and size
//! ([`FRAME_BYTES_MAX`]) have limits; nothing is allocated but for an error.
//!
//! Fields may come in any order, unknown ones are skipped. Of a name that occurs twice in one object the last value
//! counts, as in JavaScript and Python. Names and texts are compared as they stand in the frame: a name spelled with an
//! escape is an unknown name, since no venue escapes the ASCII names that a decoder asks for.
//!
//! It builds no tree, unescapes nothing, and accepts none of the usual extensions (comments, trailing commas, NaN).

mod straight;
mod value;

pub use value::digest;

use super::batch::Text;
use super::error::{WireError, WireErrorKind};
pub(crate) use straight::Straight;

/// Objects and arrays may lie this deep inside one another; venues' frames stay below ten.
pub const DEPTH_MAX: u32 = 64;
/// The largest frame: the full depth of the largest books takes a few megabytes.
pub const FRAME_BYTES_MAX: usize = 64 << 20;

const HIGH_BITS: u64 = 0x8080_8080_8080_8080;
const EACH: u64 = 0x0101_0101_0101_0101;

/// A place in a frame. It is `Copy`: a copy remembers a value to come back to.
///
/// ```
/// use starling_market::wire::json::Cursor;
/// let mut cursor = Cursor::new(br#"{"x": [1, null], "s": "BTC-USD", "p": "61837.63"}"#).unwrap();
/// let [price, symbol, stamp] = cursor.fields(["p", "s", "T"]).unwrap();
/// cursor.finish().unwrap();
/// assert_eq!(price.need().unwrap().price().unwrap().to_string(), "61837.63");
/// assert_eq!(symbol.need().unwrap().string().unwrap(), b"BTC-USD");
/// assert!(stamp.get().is_none());
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Cursor<'a> {
    frame: &'a [u8],
    at: usize,
    depth: u32,
}

/// What an object holds under one name, out of [`Cursor::fields`].
#[derive(Debug, Clone, Copy)]
pub struct Field<'a> {
    name: &'static str,
    // At the value, or, if there is none, at the start of the object.
    cursor: Cursor<'a>,
    present: bool,
}

impl<'a> Field<'a> {
    /// The value; `None` where the object has no such field or it is `null`.
    #[must_use]
    #[inline]
    pub fn get(self) -> Option<Cursor<'a>> {
        self.present.then_some(self.cursor)
    }

    /// The value, or an error that names the field.
    #[inline]
    pub fn need(self) -> Result<Cursor<'a>, WireError> {
        match self.present {
            true => Ok(self.cursor),
            false => Err(WireError::new(self.cursor.at, WireErrorKind::Missing(self.name))),
        }
    }

    /// True if there is a value other than `null`.
    #[must_use]
    #[inline]
    pub fn is_present(self) -> bool {
        self.present
    }
}

impl<'a> Cursor<'a> {
    /// At the start of a frame.
    #[inline]
    pub fn new(frame: &'a [u8]) -> Result<Self, WireError> {
        if frame.len() > FRAME_BYTES_MAX {
            return Err(WireError::new(0, WireErrorKind::FrameTooLong(frame.len())));
        }
        Ok(Self { frame, at: 0, depth: 0 })
    }

    /// The frame it is a place in.
    #[must_use]
    #[inline]
    pub fn frame(&self) -> &'a [u8] {
        self.frame
    }

    /// The byte it stands at.
    #[must_use]
    #[inline]
    pub fn offset(&self) -> usize {
        self.at
    }

    /// The first byte of the next value, which tells its kind (`{`, `[`, `"`, `t`, `f`, `n`, or a number's); `None` at the
    /// end. Space before it is passed.
    #[must_use]
    #[inline]
    pub fn peek(&mut self) -> Option<u8> {
        self.skip_space();
        self.frame.get(self.at).copied()
    }

    /// Walks the object that comes next: `field` is called with each name and the cursor before its value, which it must
    /// read or [`skip`](Self::skip).
    #[inline]
    pub fn object(
        &mut self,
        mut field: impl FnMut(&mut Self, &'a [u8]) -> Result<(), WireError>,
    ) -> Result<(), WireError> {
        self.open(b'{', "an object")?;
        if self.peek() == Some(b'}') {
            self.close();
            return Ok(());
        }
        loop {
            let name = self.string()?;
            match self.peek() {
                Some(b':') => self.at += 1,
                _ => return Err(self.expected("`:`")),
            }
            field(self, name)?;
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => break,
                _ => return Err(self.expected("`,` or `}`")),
            }
        }
        self.close();
        Ok(())
    }

    /// Walks the array that comes next: `item` is called with the cursor before each element, which it must read or
    /// [`skip`](Self::skip).
    #[inline]
    pub fn array(&mut self, mut item: impl FnMut(&mut Self) -> Result<(), WireError>) -> Result<(), WireError> {
        self.open(b'[', "an array")?;
        if self.peek() == Some(b']') {
            self.close();
            return Ok(());
        }
        loop {
            item(self)?;
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => break,
                _ => return Err(self.expected("`,` or `]`")),
            }
        }
        self.close();
        Ok(())
    }

    /// Walks the object that comes next and remembers where the values of these names are, in this order. The others, and
    /// the insides of these, are checked and skipped; a name that is absent, or `null`, is not an error yet.
    ///
    /// Names in the order in which the venue sends them are found at once; another order only takes longer.
    #[inline]
    pub fn fields<const N: usize>(&mut self, names: [&'static str; N]) -> Result<[Field<'a>; N], WireError> {
        self.skip_space();
        let start = *self;
        let mut found = names.map(|name| Field { name, cursor: start, present: false });
        let mut next = 0;
        self.object(|cursor, name| {
            let at = match names.get(next) {
                Some(guess) if guess.as_bytes() == name => Some(next),
                _ => names.iter().position(|known| known.as_bytes() == name),
            };
            if let Some(at) = at {
                next = at + 1;
                found[at].present = cursor.peek() != Some(b'n');
                found[at].cursor = *cursor;
            }
            cursor.skip()
        })?;
        Ok(found)
    }

    /// Walks the array that comes next and remembers where its first elements are; `names` are what errors call them. The
    /// others, and the insides of these, are checked and skipped; one that is absent, or `null`, is not an error yet.
    #[inline]
    pub fn items<const N: usize>(&mut self, names: [&'static str; N]) -> Result<[Field<'a>; N], WireError> {
        self.skip_space();
        let start = *self;
        let mut found = names.map(|name| Field { name, cursor: start, present: false });
        let mut next = 0;
        self.array(|cursor| {
            if let Some(item) = found.get_mut(next) {
                item.present = cursor.peek() != Some(b'n');
                item.cursor = *cursor;
                next += 1;
            }
            cursor.skip()
        })?;
        Ok(found)
    }

    /// Checks the value that comes next, whatever it is, and passes it.
    pub fn skip(&mut self) -> Result<(), WireError> {
        match self.peek() {
            Some(b'"') => self.string().map(|_| ()),
            Some(b'{') => self.object(|cursor, _| cursor.skip()),
            Some(b'[') => self.array(Self::skip),
            Some(b't') => self.literal(b"true"),
            Some(b'f') => self.literal(b"false"),
            Some(b'n') => self.literal(b"null"),
            _ => self.number().map(|_| ()),
        }
    }

    /// The string that comes next, as it stands between its quotes: checked, not unescaped.
    #[inline]
    pub fn string(&mut self) -> Result<&'a [u8], WireError> {
        if self.peek() != Some(b'"') {
            return Err(self.expected("a string"));
        }
        let start = self.at + 1;
        self.at = start;
        let mut ascii = true;
        loop {
            let Some(chunk) = self.frame.get(self.at..).and_then(|rest| rest.first_chunk::<8>()) else {
                return self.string_end(start, ascii);
            };
            let word = u64::from_le_bytes(*chunk);
            ascii &= word & HIGH_BITS == 0;
            let special = special(word);
            if special == 0 {
                self.at += 8;
                continue;
            }
            self.at += special.trailing_zeros() as usize / 8;
            if self.frame[self.at] != b'"' {
                return self.string_end(start, ascii);
            }
            let text = &self.frame[start..self.at];
            // Bytes after the quote may have been looked at: asking again is cheap, and right.
            if !ascii {
                self.utf8(start)?;
            }
            self.at += 1;
            return Ok(text);
        }
    }

    /// As [`string`](Self::string), told by its place in the frame.
    #[inline]
    pub fn text(&mut self) -> Result<Text, WireError> {
        let text = self.string()?;
        // Both fit: a frame has at most FRAME_BYTES_MAX bytes.
        Ok(Text { start: (self.at - 1 - text.len()) as u32, len: text.len() as u32 })
    }

    /// The number that comes next, unquoted, by the grammar of JSON; as it stands.
    pub fn number(&mut self) -> Result<&'a [u8], WireError> {
        self.skip_space();
        let start = self.at;
        self.at += usize::from(self.byte() == Some(b'-'));
        match self.byte() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits("a digit")?,
            _ if self.at == start => return Err(self.expected("a value")),
            _ => return Err(self.expected("a digit")),
        }
        if self.byte() == Some(b'.') {
            self.at += 1;
            self.digits("a digit after the point")?;
        }
        if matches!(self.byte(), Some(b'e' | b'E')) {
            self.at += 1;
            self.at += usize::from(matches!(self.byte(), Some(b'+' | b'-')));
            self.digits("a digit of the exponent")?;
        }
        Ok(&self.frame[start..self.at])
    }

    /// Passes space, and refuses anything after it: the end of the frame.
    #[inline]
    pub fn finish(mut self) -> Result<(), WireError> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.expected("the end of the frame")),
        }
    }

    /// The error that something else than `wanted` stands here.
    #[must_use]
    #[cold]
    pub fn expected(&self, wanted: &'static str) -> WireError {
        WireError::new(self.at, WireErrorKind::Expected { wanted, found: self.frame.get(self.at).copied() })
    }

    #[inline]
    fn byte(&self) -> Option<u8> {
        self.frame.get(self.at).copied()
    }

    #[inline]
    fn skip_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.byte() {
            self.at += 1;
        }
    }

    #[inline]
    fn open(&mut self, bracket: u8, wanted: &'static str) -> Result<(), WireError> {
        if self.peek() != Some(bracket) {
            return Err(self.expected(wanted));
        }
        if self.depth == DEPTH_MAX {
            return Err(WireError::new(self.at, WireErrorKind::TooDeep));
        }
        self.depth += 1;
        self.at += 1;
        Ok(())
    }

    #[inline]
    fn close(&mut self) {
        self.depth -= 1;
        self.at += 1;
    }

    fn literal(&mut self, literal: &'static [u8]) -> Result<(), WireError> {
        if self.frame[self.at..].starts_with(literal) {
            self.at += literal.len();
            return Ok(());
        }
        Err(self.expected("`true`, `false` or `null`"))
    }

    fn digits(&mut self, wanted: &'static str) -> Result<(), WireError> {
        let start = self.at;
        while self.byte().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == start { Err(self.expected(wanted)) } else { Ok(()) }
    }

    // The rest of a string byte by byte: what has escapes, and what ends within eight bytes of the frame's end.
    fn string_end(&mut self, start: usize, mut ascii: bool) -> Result<&'a [u8], WireError> {
        loop {
            match self.byte() {
                Some(b'"') => break,
                Some(b'\\') => self.escape()?,
                Some(byte @ 0..0x20) => return Err(WireError::new(self.at, WireErrorKind::ControlCharacter(byte))),
                Some(byte) => {
                    ascii &= byte.is_ascii();
                    self.at += 1;
                }
                None => return Err(self.expected("`\"`")),
            }
        }
        let text = &self.frame[start..self.at];
        if !ascii {
            self.utf8(start)?;
        }
        self.at += 1;
        Ok(text)
    }

    #[cold]
    fn utf8(&self, start: usize) -> Result<(), WireError> {
        match std::str::from_utf8(&self.frame[start..self.at]) {
            Ok(_) => Ok(()),
            Err(_) => Err(WireError::new(start, WireErrorKind::NotUtf8)),
        }
    }

    fn escape(&mut self) -> Result<(), WireError> {
        let refuse = WireError::new(self.at, WireErrorKind::Escape);
        match self.frame.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
            Some(b'u') => match self.code_unit(self.at) {
                Some(0xD800..=0xDBFF) => match self.code_unit(self.at + 6) {
                    Some(0xDC00..=0xDFFF) => self.at += 12,
                    _ => return Err(refuse),
                },
                None | Some(0xDC00..=0xDFFF) => return Err(refuse),
                Some(_) => self.at += 6,
            },
            _ => return Err(refuse),
        }
        Ok(())
    }

    // The value of a `\uXXXX` at this place.
    fn code_unit(&self, at: usize) -> Option<u32> {
        let hex = self.frame.get(at..at + 6)?.strip_prefix(b"\\u")?;
        hex.iter().try_fold(0, |value, digit| Some(value * 16 + char::from(*digit).to_digit(16)?))
    }
}

// The high bit of the first byte of `word` that is a quote, a backslash or a control character, and perhaps of bytes after
// it: a borrow runs upward only, so the lowest bit set is exact (Mycroft 1987).
#[inline(always)]
fn special(word: u64) -> u64 {
    let (quote, backslash) = (word ^ (EACH * b'"' as u64), word ^ (EACH * b'\\' as u64));
    let below = |bytes: u64, bound: u64| bytes.wrapping_sub(EACH * bound) & !bytes;
    (below(quote, 1) | below(backslash, 1) | below(word, 0x20)) & HIGH_BITS
}

#[cfg(test)]
mod tests;
