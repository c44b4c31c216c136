//! Reads the head of a request, if it is a plain one of ours. Whatever is unusual is the host's to read, and to refuse: its
//! HTTP server knows all of HTTP, this only what nearly every client sends.

use std::mem::MaybeUninit;

use memchr::{memchr_iter, memmem};

use super::Terms;
use crate::arrival::Request;

/// The longest head that is read here, in bytes.
const LONGEST: usize = 8 * 1024;
/// The largest body, in bytes: nothing larger is kept of somebody who may be nobody.
const LARGEST: usize = 16 * 1024;
const FIELDS: usize = 64;

/// What a client has begun to say.
#[expect(clippy::large_enum_variant, reason = "nearly all are plain")]
pub(super) enum Reading<'a> {
    /// Not all of the head is there.
    Partial,
    Plain(Head<'a>),
    /// It is the host's.
    Other,
}

pub(super) struct Head<'a> {
    /// Without its body.
    pub(super) request: Request<'a>,
    /// In bytes.
    pub(super) length: usize,
    /// In bytes.
    pub(super) body_length: usize,
    /// The client asks for nothing more on this connection.
    pub(super) last: bool,
}

/// Reads the beginning of `unread` as a request for one of our routes.
pub(super) fn read<'a>(unread: &'a [u8], terms: &'a Terms) -> Reading<'a> {
    let Some(end) = memmem::find(unread, b"\r\n\r\n") else {
        let may_become_one =
            is_strict(unread) && unread.len() <= LONGEST && unread.iter().take(1).all(u8::is_ascii_uppercase);
        return if may_become_one { Reading::Partial } else { Reading::Other };
    };
    plain(&unread[..end + 4], terms).map_or(Reading::Other, Reading::Plain)
}

/// A line feed alone ends a line for some and not for others.
fn is_strict(head: &[u8]) -> bool {
    memchr_iter(b'\n', head).all(|at| at > 0 && head[at - 1] == b'\r')
}

fn plain<'a>(head: &'a [u8], terms: &'a Terms) -> Option<Head<'a>> {
    if head.len() > LONGEST || !is_strict(head) {
        return None;
    }
    let mut fields = [const { MaybeUninit::uninit() }; FIELDS];
    let mut parsed = httparse::Request::new(&mut []);
    parsed.parse_with_uninit_headers(head, &mut fields).ok().filter(httparse::Status::is_complete)?;
    if parsed.version != Some(1) {
        return None;
    }
    let target = parsed.path.filter(|target| target.is_ascii())?;
    let url =
        target.strip_prefix(terms.mount.as_str()).filter(|rest| rest.is_empty() || rest.starts_with(['/', '?']))?;
    let (mount, ip) = (terms.mount.as_str(), terms.ip.as_deref());
    let request = Request { method: parsed.method?, url, mount, ip, ..Request::default() };
    let mut found = Head { request, length: head.len(), body_length: 0, last: false };
    let (mut hosts, mut body_length, mut connection) = (0, None, None);
    for field in &*parsed.headers {
        let request = &mut found.request;
        let place = match Name::of(field.name) {
            Name::Unimportant
                if terms.ip_header.as_deref().is_some_and(|name| name.eq_ignore_ascii_case(field.name)) =>
            {
                &mut request.ip
            }
            Name::Unimportant => continue,
            Name::Unusual => return None,
            Name::Host => {
                hosts += 1;
                continue;
            }
            Name::Authorization => {
                request.authorization.push(text(field.value)?);
                continue;
            }
            Name::ContentLength => &mut body_length,
            Name::Connection => &mut connection,
            Name::RequestId => &mut request.request_id,
            Name::IdempotencyKey => &mut request.idempotency_key,
            Name::Prefer => &mut request.prefer,
            Name::Traceparent => &mut request.traceparent,
            Name::Tracestate => &mut request.tracestate,
            Name::LastEventId => &mut request.last_event_id,
        };
        // What several of one name mean is not the same everywhere.
        if place.replace(text(field.value)?).is_some() {
            return None;
        }
    }
    found.last = match connection {
        None => false,
        Some(value) if value.eq_ignore_ascii_case("keep-alive") => false,
        Some(value) if value.eq_ignore_ascii_case("close") => true,
        Some(_) => return None,
    };
    found.body_length = match body_length {
        None => 0,
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok()?,
        Some(_) => return None,
    };
    let usual = match found.request.method {
        "GET" => found.body_length == 0,
        "POST" => found.body_length <= LARGEST,
        _ => false,
    };
    (usual && hosts == 1).then_some(found)
}

/// A value as everybody reads it.
fn text(value: &[u8]) -> Option<&str> {
    std::str::from_utf8(value).ok().filter(|text| text.is_ascii() && !text.contains('\t')).map(str::trim_ascii)
}

enum Name {
    Host,
    Authorization,
    ContentLength,
    Connection,
    RequestId,
    IdempotencyKey,
    Prefer,
    Traceparent,
    Tracestate,
    LastEventId,
    /// Changes how the request is read.
    Unusual,
    Unimportant,
}

impl Name {
    fn of(name: &str) -> Self {
        const NAMES: [(&str, Name); 15] = [
            ("host", Name::Host),
            ("authorization", Name::Authorization),
            ("content-length", Name::ContentLength),
            ("connection", Name::Connection),
            ("x-request-id", Name::RequestId),
            ("idempotency-key", Name::IdempotencyKey),
            ("prefer", Name::Prefer),
            ("traceparent", Name::Traceparent),
            ("tracestate", Name::Tracestate),
            ("last-event-id", Name::LastEventId),
            ("transfer-encoding", Name::Unusual),
            ("trailer", Name::Unusual),
            ("upgrade", Name::Unusual),
            ("expect", Name::Unusual),
            ("proxy-connection", Name::Unusual),
        ];
        let found = NAMES.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map_or(Name::Unimportant, |(_, found)| found)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn terms() -> Terms {
        let (ip, ip_header) = (None, Some("x-real-ip".to_owned()));
        Terms { mount: "/api/sim".to_owned(), ip, ip_header, keep_alive: Duration::ZERO }
    }

    fn outcome(unread: &str) -> &'static str {
        match read(unread.as_bytes(), &terms()) {
            Reading::Partial => "partial",
            Reading::Plain(_) => "plain",
            Reading::Other => "other",
        }
    }

    const PLAIN: &str = "POST /api/sim/flows/a/run?x=1 HTTP/1.1\r\nHost: sim\r\nContent-Length: 2\r\nAuthorization: Bearer a\r\n\
        X-Request-Id:  id \r\nX-Real-IP: ::1\r\nAccept: */*\r\n\r\n";

    #[test]
    fn a_plain_request_is_read_whole() {
        let (terms, unread) = (terms(), format!("{PLAIN}{{}}GET"));
        let Reading::Plain(head) = read(unread.as_bytes(), &terms) else { panic!("it is plain") };
        let request = &head.request;
        assert_eq!((request.method, request.url, request.mount), ("POST", "/flows/a/run?x=1", "/api/sim"));
        assert_eq!((request.request_id, request.ip, request.prefer), (Some("id"), Some("::1"), None));
        assert_eq!(request.authorization, ["Bearer a"]);
        assert_eq!((head.length, head.body_length, head.last), (PLAIN.len(), 2, false));
    }

    #[test]
    fn a_part_of_one_may_become_one() {
        for end in 1..PLAIN.len() {
            assert_eq!(outcome(&PLAIN[..end]), "partial", "{end}");
        }
        assert_eq!(outcome(""), "partial");
    }

    #[test]
    fn what_cannot_become_one_is_not_waited_for() {
        let long = format!("GET /{}", "x".repeat(LONGEST));
        for other in ["\r\n", "\u{16}\u{3}", "{", "GET /api/sim HTTP/1.1\nHost: sim\r\n", &long] {
            assert_eq!(outcome(other), "other", "{other:.30}");
        }
    }

    #[test]
    fn only_what_everybody_reads_alike_is_plain() {
        let with = |field: &str| outcome(&PLAIN.replacen("Accept: */*", field, 1));
        for plain in ["Connection: close", "connection: Keep-Alive", "Cookie: a=b; c=d", "X: \u{e4}", "Prefer:"] {
            assert_eq!(with(plain), "plain", "{plain}");
        }
        for other in [
            "Transfer-Encoding: chunked",
            "Transfer-Encoding : chunked",
            "Content-Length: 2",
            "Content-Length:",
            "Expect: 100-continue",
            "Upgrade: websocket",
            "Connection: close, x",
            "Connection: upgrade",
            "Proxy-Connection: close",
            "Host: other",
            "X-Request-Id: two",
            "X-Real-IP: ::2",
            "Prefer: \u{e4}",
            "Prefer: a\tb",
            "A: b\r\n c",
            "A b: c",
            "A: b\0",
        ] {
            assert_eq!(with(other), "other", "{other:?}");
        }
        for (part, other) in
            [("2\r\n", "+2\r\n"), ("2\r\n", "20000\r\n"), ("/1.1", "/1.0"), ("POST", "PUT"), ("Host", "Hast")]
        {
            assert_eq!(outcome(&PLAIN.replacen(part, other, 1)), "other", "{other}");
        }
    }

    #[test]
    fn below_the_mount_point_is_below_it() {
        for (target, expected) in [
            ("/api/sim", "plain"),
            ("/api/sim/", "plain"),
            ("/api/sim?x", "plain"),
            ("/api/simulate", "other"),
            ("/API/sim", "other"),
            ("//api/sim", "other"),
            ("http://sim/api/sim", "other"),
            ("*", "other"),
        ] {
            assert_eq!(outcome(&format!("GET {target} HTTP/1.1\r\nHost: sim\r\n\r\n")), expected, "{target}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_end_it(bytes: Vec<u8>, at in 0..PLAIN.len(), with: u8) {
            let _ = read(&bytes, &terms());
            let mut changed = PLAIN.as_bytes().to_vec();
            changed[at] = with;
            if let Reading::Plain(head) = read(&changed, &terms()) {
                prop_assert!(head.length <= changed.len() && head.body_length <= LARGEST);
            }
        }
    }
}
