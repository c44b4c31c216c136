//! A request as the host packs it: a text for the head, so that it crosses the border once, whatever is in it.
//! `express/inbox.js` packs it.

use std::time::Duration;

use bytes::Bytes;

use crate::arrival::{Asker, Request};

/// Reads `head`: a line for each field that is there, a letter and the field's value. The host sees to it that no value
/// holds a line feed. `None`: it is not of that form.
pub(crate) fn read(head: &[u8], body: Bytes) -> Option<Request<'_>> {
    let head = std::str::from_utf8(head).ok()?;
    let (mut method, mut url, mut mount) = (None, None, None);
    let (mut host, mut user, mut tenant, mut role, mut plan) = (false, None, None, None, None);
    let mut request = Request { body, ..Request::default() };
    for line in head.split_terminator('\n') {
        let (letter, value) = line.split_at_checked(1)?;
        match letter {
            "M" => method = Some(value),
            "U" => url = Some(value),
            "B" => mount = Some(value),
            "h" => host = true,
            "u" => user = Some(value),
            "t" => tenant = Some(value),
            "r" => role = Some(value),
            "p" => plan = Some(value),
            "a" => request.ip = Some(value),
            "A" => request.authorization.push(value),
            "i" => request.request_id = Some(value),
            "k" => request.idempotency_key = Some(value),
            "P" => request.prefer = Some(value),
            "T" => request.traceparent = Some(value),
            "S" => request.tracestate = Some(value),
            "e" => request.last_event_id = Some(value),
            "w" => request.timeout = value.parse().ok().map(Duration::from_millis),
            "l" => request.too_large = true,
            _ => return None,
        }
    }
    (request.method, request.url, request.mount) = (method?, url?, mount?);
    request.asker = match user {
        Some(id) => Asker::User { id, tenant, role, plan },
        None if host => Asker::Host,
        None => Asker::Nobody,
    };
    Some(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_and_empty_are_not_the_same() {
        let head = b"MPOST\nU/flows/a/run\nB/api/sim\nuu1\nt\na::1\nkkey\nw250\nABearer a\nABearer b\n";
        let request = read(head, Bytes::new()).unwrap();
        assert_eq!((request.method, request.url, request.mount), ("POST", "/flows/a/run", "/api/sim"));
        assert_eq!(request.asker, Asker::User { id: "u1", tenant: Some(""), role: None, plan: None });
        assert_eq!((request.ip, request.request_id, request.idempotency_key), (Some("::1"), None, Some("key")));
        assert_eq!(request.timeout, Some(Duration::from_millis(250)));
        assert!(!request.too_large);
        assert_eq!(request.authorization, ["Bearer a", "Bearer b"]);
    }

    #[test]
    fn who_asks_is_the_host_only_where_it_says_so() {
        let asker = |who: &str| match read(format!("MGET\nU/\nB\n{who}l\n").as_bytes(), Bytes::new()).unwrap() {
            Request { asker: Asker::User { id, .. }, too_large: true, .. } => format!("user {id}"),
            Request { asker, .. } => format!("{asker:?}"),
        };
        assert_eq!(asker(""), "Nobody");
        assert_eq!(asker("h\n"), "Host");
        assert_eq!(asker("h\nuu\n"), "user u", "a user is never the host");
        assert_eq!(asker("tt\nradmin\n"), "Nobody", "a role is nobody without its user");
    }

    #[test]
    fn what_is_cut_off_or_unknown_is_no_request() {
        for head in [
            &b""[..],
            b"MGET\nU/health\n",
            b"MGET\nU/\nB\n\n",
            b"MGET\nU/\nB\nx\n",
            b"MGET\nU/\xff\nB\n",
            "ä".as_bytes(),
        ] {
            assert!(read(head, Bytes::new()).is_none(), "{head:?}");
        }
    }
}
