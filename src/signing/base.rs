//! The signature base of RFC 9421 section 2.5: the exact text that is authenticated. Knows no secret and no policy.

use std::io::Write;

use super::error::SignError;

/// A component and its value, in the order in which it is to be covered. `name` is a header in lower case or derived (`@…`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Component<'a> {
    pub name: &'static str,
    pub value: &'a str,
}

/// Signature parameters, written in this order. Times are seconds since 1970.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Parameters<'a> {
    pub created: Option<u64>,
    pub expires: Option<u64>,
    pub nonce: Option<&'a str>,
    pub keyid: Option<&'a str>,
    pub alg: Option<&'a str>,
}

/// Writes the base into `buffer` (cleared first) and returns where in it the value of `@signature-params` begins:
/// from there to the end it is, letter for letter, the member's value in `Signature-Input`.
pub fn write_base(
    buffer: &mut Vec<u8>,
    components: &[Component<'_>],
    parameters: &Parameters<'_>,
) -> Result<usize, SignError> {
    buffer.clear();
    for component in components {
        if !is_line(component.value) {
            return Err(SignError::InvalidValue(component.name));
        }
        push_component(buffer, component.name, component.value);
    }
    let start = push_params_name(buffer);
    buffer.push(b'(');
    for (index, component) in components.iter().enumerate() {
        if index > 0 {
            buffer.push(b' ');
        }
        buffer.push(b'"');
        buffer.extend_from_slice(component.name.as_bytes());
        buffer.push(b'"');
    }
    buffer.push(b')');
    push_integer(buffer, "created", parameters.created);
    push_integer(buffer, "expires", parameters.expires);
    push_string(buffer, "nonce", parameters.nonce)?;
    push_string(buffer, "keyid", parameters.keyid)?;
    push_string(buffer, "alg", parameters.alg)?;
    Ok(start)
}

pub(super) fn push_component(buffer: &mut Vec<u8>, name: &str, value: &str) {
    buffer.push(b'"');
    buffer.extend_from_slice(name.as_bytes());
    buffer.extend_from_slice(b"\": ");
    buffer.extend_from_slice(value.as_bytes());
    buffer.push(b'\n');
}

/// Writes the name of the last line and returns where its value begins.
pub(super) fn push_params_name(buffer: &mut Vec<u8>) -> usize {
    buffer.extend_from_slice(b"\"@signature-params\": ");
    buffer.len()
}

/// Printable ASCII, blanks and tabs inside only: what is one line in the base and the same bytes in a header.
pub(super) fn is_line(value: &str) -> bool {
    let bytes = value.as_bytes();
    let blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    !blank(bytes.first()) && !blank(bytes.last()) && bytes.iter().all(|byte| matches!(byte, b'\t' | 0x20..=0x7e))
}

fn push_integer(buffer: &mut Vec<u8>, name: &str, value: Option<u64>) {
    if let Some(value) = value {
        // Writing to a Vec cannot fail.
        let _ = write!(buffer, ";{name}={value}");
    }
}

fn push_string(buffer: &mut Vec<u8>, name: &'static str, value: Option<&str>) -> Result<(), SignError> {
    let Some(value) = value else { return Ok(()) };
    if value.bytes().any(|byte| !matches!(byte, 0x20..=0x7e) || matches!(byte, b'"' | b'\\')) {
        return Err(SignError::InvalidValue(name));
    }
    buffer.push(b';');
    buffer.extend_from_slice(name.as_bytes());
    buffer.extend_from_slice(b"=\"");
    buffer.extend_from_slice(value.as_bytes());
    buffer.push(b'"');
    Ok(())
}
