//! The part of RFC 9651 structured fields that signatures need, accepted in canonical form only.
//!
//! Only canonical text is accepted, so that what was received is, byte for byte, what RFC 9421 would serialise anew for
//! the signature base. A general parser would accept more and would then have to write it again. Every function takes
//! any text and ends in a value or `None`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// More than any honest signature has; a bound on the work for a dishonest one.
const MAX_ITEMS: usize = 32;

/// A cursor over the text of one field.
pub(super) struct Cursor<'a> {
    rest: &'a str,
}

/// The value of a parameter: of the bare items, signatures use these two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BareItem<'a> {
    Integer(u64),
    String(&'a str),
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { rest: text }
    }

    pub(super) fn rest(&self) -> &'a str {
        self.rest
    }

    pub(super) fn take(&mut self, token: char) -> bool {
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn split(&mut self, length: usize) -> Option<&'a str> {
        let (head, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(head)
    }

    /// `key = ( lcalpha / "*" ) *( lcalpha / DIGIT / "_" / "-" / "." / "*" )`
    pub(super) fn key(&mut self) -> Option<&'a str> {
        let length = self
            .rest
            .bytes()
            .take_while(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'.' | b'*'))
            .count();
        matches!(self.rest.bytes().next(), Some(b'a'..=b'z' | b'*')).then_some(())?;
        self.split(length)
    }

    /// A string without escapes: none of the values that matter here needs one.
    pub(super) fn string(&mut self) -> Option<&'a str> {
        self.take('"').then_some(())?;
        let length =
            self.rest.bytes().take_while(|byte| matches!(byte, 0x20..=0x7e) && !matches!(byte, b'"' | b'\\')).count();
        let text = self.split(length)?;
        self.take('"').then_some(text)
    }

    /// A non-negative integer of at most 15 digits without leading zeros.
    fn integer(&mut self) -> Option<u64> {
        let length = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        let digits = self.split(length)?;
        if length > 15 || (length > 1 && digits.starts_with('0')) {
            return None;
        }
        digits.parse().ok()
    }

    pub(super) fn bare_item(&mut self) -> Option<BareItem<'a>> {
        match self.rest.bytes().next()? {
            b'"' => self.string().map(BareItem::String),
            b'0'..=b'9' => self.integer().map(BareItem::Integer),
            _ => None,
        }
    }

    /// `:base64:`, still encoded.
    fn byte_sequence(&mut self) -> Option<&'a str> {
        self.take(':').then_some(())?;
        let length = self.rest.find(':')?;
        let encoded = self.split(length)?;
        self.take(':').then_some(encoded)
    }

    /// Steps over the comma between two members; `None` where a comma has no member behind it.
    fn comma(&mut self) -> Option<()> {
        self.take(',').then_some(())?;
        self.rest = self.rest.trim_start_matches([' ', '\t']);
        (!self.rest.is_empty()).then_some(())
    }
}

/// A dictionary whose values are byte sequences without parameters, in order, still encoded. Never empty.
pub(super) fn byte_sequences(text: &str) -> Option<Vec<(&str, &str)>> {
    let mut cursor = Cursor::new(text);
    let mut members = Vec::with_capacity(1);
    loop {
        let key = cursor.key()?;
        cursor.take('=').then_some(())?;
        members.push((key, cursor.byte_sequence()?));
        if cursor.rest().is_empty() {
            return Some(members);
        }
        if members.len() == MAX_ITEMS {
            return None;
        }
        cursor.comma()?;
    }
}

/// An inner list of strings without parameters of their own: `("a" "b")`.
/// `Err(())` tells a well-formed list whose items do have parameters.
pub(super) fn inner_list<'a>(cursor: &mut Cursor<'a>) -> Option<Result<Vec<&'a str>, ()>> {
    cursor.take('(').then_some(())?;
    let mut items = Vec::with_capacity(12);
    if cursor.take(')') {
        return Some(Ok(items));
    }
    loop {
        if items.len() == MAX_ITEMS {
            return None;
        }
        items.push(cursor.string()?);
        if cursor.take(')') {
            return Some(Ok(items));
        }
        if cursor.rest().starts_with(';') {
            return Some(Err(()));
        }
        cursor.take(' ').then_some(())?;
    }
}

/// Standard base64 of exactly 32 bytes, padded, with zero trailing bits.
pub(super) fn decode_32(encoded: &str) -> Option<[u8; 32]> {
    // 44 characters decode to at most 33 bytes; the decoder's own estimate asks for as much room.
    let mut bytes = [0_u8; 33];
    if encoded.len() != 44 {
        return None;
    }
    match STANDARD.decode_slice(encoded, &mut bytes) {
        Ok(32) => bytes.first_chunk().copied(),
        _ => None,
    }
}
