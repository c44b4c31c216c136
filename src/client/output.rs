//! Writes answers as HTTP/1.1. It knows nothing of where they go.

use std::io::Write;
use std::time::{Duration, SystemTime};

use http::StatusCode;

use crate::answer::Answer;

/// What a head says of the connection and of the body behind it.
#[derive(Clone, Copy)]
pub(super) struct Manner {
    /// The connection ends with this answer.
    pub(super) last: bool,
    /// How long it is kept open with nothing asked. Zero: for ever.
    pub(super) keep_alive: Duration,
}

/// A whole answer.
pub(super) fn answer(into: &mut Vec<u8>, answer: &Answer, manner: Manner) {
    begin(into, answer, manner);
    let length = answer.body.len();
    let _ = write!(
        into,
        "content-type: application/json; charset=utf-8\r\ncache-control: no-store\r\ncontent-length: {length}\r\n\r\n"
    );
    into.extend_from_slice(&answer.body);
}

/// The head of an answer whose body follows. Whether that goes out in chunks (RFC 9112, 7.1): the head does not say how long
/// it is.
pub(super) fn head(into: &mut Vec<u8>, head: &Answer, manner: Manner) -> bool {
    begin(into, head, manner);
    let chunked = !head.headers.iter().any(|(name, _)| *name == "content-length");
    into.extend_from_slice(if chunked { b"transfer-encoding: chunked\r\n\r\n" } else { b"\r\n" });
    chunked
}

/// `bytes` as a chunk.
pub(super) fn chunk(into: &mut Vec<u8>, bytes: &[u8]) {
    let _ = write!(into, "{:x}\r\n", bytes.len());
    into.extend_from_slice(bytes);
    into.extend_from_slice(b"\r\n");
}

/// What is behind the last chunk.
pub(super) const END: &[u8] = b"0\r\n\r\n";

fn begin(into: &mut Vec<u8>, answer: &Answer, Manner { last, keep_alive }: Manner) {
    let status = answer.status;
    let reason = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or_default();
    // Nothing can fail: it is memory.
    let _ = write!(into, "HTTP/1.1 {status} {reason}\r\n");
    for (name, value) in &answer.headers {
        let _ = write!(into, "{name}: {value}\r\n");
    }
    let _ = write!(into, "date: {}\r\n", httpdate::fmt_http_date(SystemTime::now()));
    if last {
        into.extend_from_slice(b"connection: close\r\n");
        return;
    }
    into.extend_from_slice(b"connection: keep-alive\r\n");
    if !keep_alive.is_zero() {
        let _ = write!(into, "keep-alive: timeout={}\r\n", keep_alive.as_secs());
    }
}
