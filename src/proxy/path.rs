//! A client's path for Sim -> the one form in which it is matched and sent, or a refusal.
//! It must not know which paths are allowed.
//!
//! Nothing is decoded, resolved or repaired: two readers that repair differently are how a path gets past an
//! allow-list. What Sim's routes need is letters, digits and `. _ : ~ -`, so all the rest is refused, each kind of
//! attempt with its own reason.

use std::fmt;

use thiserror::Error;

/// The longest path, in bytes: the longest allowed pattern with a run handle and a flow id has about 700.
pub const MAX_PATH_LENGTH: usize = 1024;

/// Why a path is refused. The text is the reason for logs and `details.reason`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PathError {
    #[error("empty")]
    Empty,
    #[error("too_long")]
    TooLong,
    /// NUL, tab, CR, LF and the other control characters.
    #[error("control_character")]
    Control,
    /// Full-width dots and slashes, overlong UTF-8 read as Latin-1, look-alikes.
    #[error("non_ascii")]
    NonAscii,
    #[error("backslash")]
    Backslash,
    /// A query goes into the field `query`.
    #[error("query_in_path")]
    Query,
    #[error("fragment")]
    Fragment,
    /// `;name=value`, which some servers strip before they route.
    #[error("path_parameter")]
    Parameter,
    /// `@`: what stands before it would be credentials.
    #[error("userinfo")]
    Userinfo,
    /// `%2e`.
    #[error("encoded_dot")]
    EncodedDot,
    /// `%2f`.
    #[error("encoded_slash")]
    EncodedSlash,
    /// `%5c`.
    #[error("encoded_backslash")]
    EncodedBackslash,
    /// `%25`: a percent sign for a second decoder.
    #[error("double_encoding")]
    DoubleEncoding,
    /// Any other percent sign: no id of Sim needs one.
    #[error("percent_encoding")]
    PercentEncoding,
    #[error("character")]
    Character,
    /// `https://…`
    #[error("absolute_url")]
    AbsoluteUrl,
    /// `//host`
    #[error("network_path")]
    NetworkPath,
    /// It does not begin with a slash.
    #[error("relative")]
    Relative,
    /// Two slashes in a row, or one at the end.
    #[error("empty_segment")]
    EmptySegment,
    #[error("dot_segment")]
    DotSegment,
}

/// A path exactly as it will be sent: `/` and segments of `[A-Za-z0-9._:~-]`, none empty, none a dot segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CanonicalPath(Box<str>);

impl CanonicalPath {
    /// # Errors
    /// The first reason against `raw`.
    pub fn parse(raw: &str) -> Result<Self, PathError> {
        if raw.is_empty() {
            return Err(PathError::Empty);
        }
        if raw.len() > MAX_PATH_LENGTH {
            return Err(PathError::TooLong);
        }
        if let Some(at) = raw.bytes().position(|byte| !PLAIN[usize::from(byte)]) {
            return Err(reason(raw.as_bytes()[at], &raw.as_bytes()[at + 1..]));
        }
        let Some(rest) = raw.strip_prefix('/') else {
            return Err(if raw.contains("://") { PathError::AbsoluteUrl } else { PathError::Relative });
        };
        if rest.starts_with('/') {
            return Err(PathError::NetworkPath);
        }
        for segment in rest.split('/') {
            match segment {
                "" => return Err(PathError::EmptySegment),
                "." | ".." => return Err(PathError::DotSegment),
                _ => {}
            }
        }
        Ok(Self(raw.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands between the slashes.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.0.split('/').skip(1)
    }
}

impl fmt::Display for CanonicalPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What stands in a path: each byte is looked up, on the way of every call.
const PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = 0u8;
    while byte < 128 {
        plain[byte as usize] = byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'.' | b'_' | b':' | b'~' | b'-');
        byte += 1;
    }
    plain
};

/// Why a byte does not stand in a path.
fn reason(byte: u8, after: &[u8]) -> PathError {
    match byte {
        b'%' => encoded(after),
        b'\\' => PathError::Backslash,
        b'?' => PathError::Query,
        b'#' => PathError::Fragment,
        b';' => PathError::Parameter,
        b'@' => PathError::Userinfo,
        _ if byte.is_ascii_control() => PathError::Control,
        _ if !byte.is_ascii() => PathError::NonAscii,
        _ => PathError::Character,
    }
}

fn encoded(after: &[u8]) -> PathError {
    match after {
        [b'2', b'e' | b'E', ..] => PathError::EncodedDot,
        [b'2', b'f' | b'F', ..] => PathError::EncodedSlash,
        [b'5', b'c' | b'C', ..] => PathError::EncodedBackslash,
        [b'2', b'5', ..] => PathError::DoubleEncoding,
        _ => PathError::PercentEncoding,
    }
}
