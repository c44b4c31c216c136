//! The head of a request as the host packs it: one text for all fields, so that it crosses the border once.
//! `express/inbox.js` packs it.

use std::time::Duration;

use bytes::Bytes;

use crate::arrival::{Asker, Request};

/// Reads `head`: a line for each field in a fixed order, empty when the field is absent, else `=` and its value. The host
/// sees to it that no value holds a line feed. `None`: it is not of that form.
pub(crate) fn read(head: &str, body: Bytes) -> Option<Request<'_>> {
    let mut lines = head.split('\n');
    let mut field = || lines.next().map(|line| line.strip_prefix('='));
    let (method, url, mount) = (field()??, field()??, field()??);
    let host = field()?.is_some();
    let (user, tenant, role, plan) = (field()?, field()?, field()?, field()?);
    Some(Request {
        method,
        url,
        mount,
        asker: match user {
            Some(id) => Asker::User { id, tenant, role, plan },
            None if host => Asker::Host,
            None => Asker::Nobody,
        },
        ip: field()?,
        request_id: field()?,
        idempotency_key: field()?,
        prefer: field()?,
        traceparent: field()?,
        tracestate: field()?,
        last_event_id: field()?,
        timeout: field()?.and_then(|ms| ms.parse().ok()).map(Duration::from_millis),
        too_large: field()?.is_some(),
        // Whatever is left: each `Authorization` header that came.
        authorization: lines.filter_map(|line| line.strip_prefix('=')).collect(),
        body,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_and_empty_are_not_the_same() {
        let head = "=POST\n=/flows/a/run\n=/api/sim\n\n=u1\n=\n\n\n=::1\n\n=key\n\n\n\n\n=250\n\n=Bearer a\n=Bearer b";
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
        let head = |host: &str, user: &str| format!("=GET\n=/\n=\n{host}\n{user}\n\n\n\n\n\n\n\n\n\n\n\n=1");
        assert_eq!(read(&head("", ""), Bytes::new()).unwrap().asker, Asker::Nobody);
        assert_eq!(read(&head("=1", ""), Bytes::new()).unwrap().asker, Asker::Host);
        let request = head("=1", "=u");
        let request = read(&request, Bytes::new()).unwrap();
        assert!(matches!(request.asker, Asker::User { id: "u", .. }), "a user is never the host");
        assert!(request.too_large);
    }

    #[test]
    fn what_is_cut_off_is_no_request() {
        assert!(read("", Bytes::new()).is_none());
        assert!(read("=GET\n=/health", Bytes::new()).is_none());
    }
}
