//! Bytes as lower-case hexadecimal text: what ids are made of, on the way of every request, where `format!` would take ten times
//! as long.

/// Adds two digits for each byte.
pub(crate) fn push(text: &mut String, bytes: &[u8]) {
    const DIGITS: [u8; 16] = *b"0123456789abcdef";
    text.reserve(2 * bytes.len());
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
}

pub(crate) fn text(bytes: &[u8]) -> String {
    let mut text = String::new();
    push(&mut text, bytes);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_two_digits() {
        let mut hex = "x-".to_owned();
        push(&mut hex, &[0, 1, 0x0a, 0xa0, 0xff]);
        assert_eq!(hex, "x-00010aa0ff");
        assert_eq!(text(&u128::MAX.to_be_bytes()), "f".repeat(32));
    }
}
