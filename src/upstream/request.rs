//! One call as the request that carries it: target, headers, signature. It must not know what is answered.

use http::header::{ACCEPT, HOST, USER_AGENT};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::client::Outgoing;
use super::{Call, Caller, Method, Upstream};
use crate::config::{Problem, SimConfig};
use crate::error::{Code, Error};

/// More than any request has, so that the map never grows.
const MOST_HEADERS: usize = 20;

/// The headers that all requests have.
pub(super) fn fixed_headers(config: &SimConfig) -> Result<HeaderMap, Problem> {
    let mut key = HeaderValue::from_bytes(config.api_key.bytes()).map_err(|_| Problem {
        name: "apiKey (SIM_API_KEY)".to_owned(),
        message: "cannot be sent as a header".to_owned(),
    })?;
    key.set_sensitive(true);
    let authority = &config.base_url[url::Position::BeforeHost..url::Position::AfterPort];
    let mut fixed_headers = HeaderMap::new();
    fixed_headers.insert(
        HOST,
        HeaderValue::from_str(authority).map_err(|_| Problem {
            name: "baseUrl (SIM_BASE_URL)".to_owned(),
            message: "its host cannot be sent as a header".to_owned(),
        })?,
    );
    fixed_headers.insert(HeaderName::from_static("x-api-key"), key);
    fixed_headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    fixed_headers.insert(USER_AGENT, HeaderValue::from_static(concat!("sim-adapter/", env!("CARGO_PKG_VERSION"))));
    Ok(fixed_headers)
}

impl Upstream {
    pub(super) fn request(&self, caller: &Caller, call: &Call) -> Result<Outgoing, Error> {
        let mut headers = HeaderMap::with_capacity(MOST_HEADERS);
        headers.extend(self.fixed_headers.iter().map(|(name, value)| (name.clone(), value.clone())));
        let mut set = |name: &'static str, value: &str| -> Result<(), Error> {
            let value = HeaderValue::from_str(value).map_err(unsendable)?;
            headers.insert(HeaderName::from_static(name), value);
            Ok(())
        };
        set("x-request-id", &caller.request_id)?;
        set("x-sim-user", &caller.sim_user)?;
        if let Some(trace) = &caller.trace {
            set("traceparent", &trace.parent)?;
            if let Some(state) = &trace.state {
                set("tracestate", state)?;
            }
        }
        for (name, value) in &call.headers {
            set(name, value)?;
        }
        if call.body.is_some() {
            set("content-type", "application/json")?;
        } else if call.method != Method::Get {
            // RFC 9110 §8.6: without it some proxies answer 411.
            set("content-length", "0")?;
        }
        let method = match call.method {
            Method::Get => http::Method::GET,
            Method::Post => http::Method::POST,
            Method::Put => http::Method::PUT,
            Method::Patch => http::Method::PATCH,
            Method::Delete => http::Method::DELETE,
        };
        let mut request = Outgoing { method, target: self.target(call)?, headers, body: call.body.clone() };
        if let Some(signing) = &self.signing {
            signing.add(&mut request).map_err(unsendable)?;
        }
        Ok(request)
    }

    /// The request target: as the URL standard writes it, which nearly always it is already.
    fn target(&self, call: &Call) -> Result<PathAndQuery, Error> {
        let prefix = self.base.path().trim_end_matches('/');
        let query = call.query.as_deref();
        let target = if is_plain(&call.path, query) {
            let mut target = String::with_capacity(prefix.len() + call.path.len() + query.map_or(0, |q| q.len() + 1));
            target.push_str(prefix);
            target.push_str(&call.path);
            if let Some(query) = query {
                target.push('?');
                target.push_str(query);
            }
            target
        } else {
            let mut url = self.base.clone();
            url.set_path(&format!("{prefix}{}", call.path));
            url.set_query(query);
            url[url::Position::BeforePath..url::Position::AfterQuery].to_owned()
        };
        PathAndQuery::try_from(target).map_err(unsendable)
    }
}

/// Whether nothing of a path and query would be written in another way in a URL.
fn is_plain(path: &str, query: Option<&str>) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~!$&()*+,;=:@/".contains(&byte);
    let dots = path.split('/').any(|segment| matches!(segment, "." | ".."));
    !dots && path.bytes().all(plain) && query.is_none_or(|query| query.bytes().all(|byte| plain(byte) || byte == b'%'))
}

/// A header value that HTTP cannot carry: something of the request was not checked where it came in.
fn unsendable<E>(_: E) -> Error {
    Error::new(Code::InvalidRequest, "the request cannot be sent to Sim as it is")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What the URL standard makes of a path and query.
    fn standard(path: &str, query: Option<&str>) -> String {
        let mut url = url::Url::parse("http://sim").unwrap();
        url.set_path(path);
        url.set_query(query);
        url[url::Position::BeforePath..url::Position::AfterQuery].to_owned()
    }

    proptest! {
        #[test]
        fn what_is_plain_is_written_as_the_standard_writes_it(
            path in "(/[ -~]{0,6}){1,5}",
            query in prop::option::of("[ -~]{0,12}"),
        ) {
            let query = query.as_deref();
            if is_plain(&path, query) {
                let target = query.map_or_else(|| path.clone(), |query| format!("{path}?{query}"));
                prop_assert_eq!(target, standard(&path, query));
            }
        }
    }

    #[test]
    fn what_would_climb_or_end_a_part_is_not_plain() {
        for path in ["/api/../x", "/api/./x", "/api/%2e%2e/x", "/api/a?b", "/api/a#b", "/api/a b", "/api/\\x", "/api/'"]
        {
            assert!(!is_plain(path, None), "{path}");
        }
        assert!(!is_plain("/api", Some("a#b")) && !is_plain("/api", Some("a'b")) && !is_plain("/api", Some("a b")));
        assert!(is_plain("/api/v2/workflows/a.b:c~d/runs", Some("a=%20&b=1/2")));
    }
}
