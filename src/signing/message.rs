//! A request as it was received, and the values of its components. Knows no secret and no policy.

use std::borrow::Cow;

use super::base::is_line;
use super::error::Refusal;
use super::sign::{lower_case, split_target};

/// How the request came in: it decides which port an authority leaves out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    Http,
    Https,
}

/// The head of a received request, before any framework rewrote it.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    pub method: &'a str,
    pub scheme: Scheme,
    /// The target of the request line: a path and an optional query.
    pub target: &'a str,
    /// Every header line as received, in order, duplicates included. Names in any case.
    pub headers: &'a [(&'a str, &'a str)],
}

impl<'a> Message<'a> {
    /// The value of a header that may occur once, without the blanks around it.
    pub fn header(&self, name: &str) -> Result<Option<&'a str>, Refusal> {
        let mut found = self.headers.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
        let Some((_, value)) = found.next() else {
            return Ok(None);
        };
        if found.next().is_some() {
            return Err(Refusal::DuplicateHeader);
        }
        let value = value.trim_matches([' ', '\t']);
        if is_line(value) { Ok(Some(value)) } else { Err(Refusal::MalformedHeader) }
    }

    /// The value of a covered component (RFC 9421 sections 2.1 and 2.2).
    pub fn component(&self, name: &str) -> Result<Cow<'a, str>, Refusal> {
        match name {
            "@method" => Ok(Cow::Borrowed(self.method)),
            "@authority" => {
                let host = self.header("host")?.ok_or(Refusal::HeaderMissing)?;
                let default_port = match self.scheme {
                    Scheme::Http => ":80",
                    Scheme::Https => ":443",
                };
                Ok(lower_case(host.strip_suffix(default_port).unwrap_or(host)))
            }
            "@path" => Ok(Cow::Borrowed(self.split()?.0)),
            "@query" => Ok(Cow::Borrowed(self.split()?.1)),
            _ if is_header_name(name) => self.header(name)?.map(Cow::Borrowed).ok_or(Refusal::HeaderMissing),
            _ => Err(Refusal::UnknownComponent),
        }
    }

    fn split(&self) -> Result<(&'a str, &'a str), Refusal> {
        split_target(self.target).ok_or(Refusal::MalformedTarget)
    }
}

/// A field name in the lower case that RFC 9421 demands of component names. It never begins with `@`.
fn is_header_name(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|byte| {
            byte.is_ascii_lowercase()
                || byte.is_ascii_digit()
                || matches!(
                    byte,
                    b'!' | b'#'
                        | b'$'
                        | b'%'
                        | b'&'
                        | b'\''
                        | b'*'
                        | b'+'
                        | b'-'
                        | b'.'
                        | b'^'
                        | b'_'
                        | b'`'
                        | b'|'
                        | b'~'
                )
        })
}
