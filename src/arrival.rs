//! A request as it came to the host, and what of it outlives the call that brought it: route, terms, body.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;

use crate::core::Core;
use crate::error::{Code, Error, FieldError, invalid};
use crate::hex;
use crate::route::Route;
use crate::run::Key;
use crate::upstream::Trace;

/// Who the host says is asking.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Asker<'a> {
    /// The host itself, through the functions of the package.
    Host,
    /// A user whom the host has signed in.
    User { id: &'a str, tenant: Option<&'a str>, role: Option<&'a str>, plan: Option<&'a str> },
    #[default]
    Nobody,
}

/// A request as it came to the host. Not `Debug`: it holds tokens.
#[derive(Default)]
pub struct Request<'a> {
    pub method: &'a str,
    /// Path below the mount point, and query.
    pub url: &'a str,
    pub mount: &'a str,
    pub asker: Asker<'a>,
    /// Express's `req.ip`.
    pub ip: Option<&'a str>,
    /// Each `Authorization` header, when tokens are verified here.
    pub authorization: Vec<&'a str>,
    pub request_id: Option<&'a str>,
    pub idempotency_key: Option<&'a str>,
    pub prefer: Option<&'a str>,
    pub traceparent: Option<&'a str>,
    pub tracestate: Option<&'a str>,
    pub last_event_id: Option<&'a str>,
    /// The whole call's limit, when the caller set one.
    pub timeout: Option<Duration>,
    pub body: Bytes,
    /// The host did not read the body, because it is too large.
    pub too_large: bool,
}

/// What a request's headers ask for beyond its route.
#[derive(Debug, Default)]
pub struct Terms {
    pub idempotency_key: Option<Key>,
    /// `Prefer: wait`.
    pub wait: Option<Duration>,
    /// What the client of an event stream has seen.
    pub last_event_id: Option<String>,
}

/// What is kept of a request.
pub struct Arrival {
    pub call: u32,
    pub route: Route,
    pub terms: Terms,
    pub request_id: String,
    pub mount: String,
    pub trace: Option<Trace>,
    pub timeout: Option<Duration>,
    pub body: Bytes,
}

impl Arrival {
    pub fn read(call: u32, request: &Request<'_>, request_id: &str, core: &Core) -> Result<Self, Error> {
        let wait = request.prefer.and_then(preferred_wait).map(|wait| wait.min(core.config.sync_timeout));
        Ok(Self {
            call,
            route: Route::parse(request.method, request.url)?,
            terms: Terms {
                idempotency_key: key(request.idempotency_key, core)?,
                wait,
                last_event_id: request.last_event_id.map(str::to_owned),
            },
            request_id: request_id.to_owned(),
            mount: request.mount.to_owned(),
            trace: trace(request),
            timeout: request.timeout,
            body: request.body.clone(),
        })
    }
}

fn key(header: Option<&str>, core: &Core) -> Result<Option<Key>, Error> {
    let Some(header) = header else { return Ok(None) };
    let key = Key::parse(header)
        .ok_or_else(|| invalid(&[FieldError::new("Idempotency-Key", "must be 1 to 255 visible ASCII characters")]))?;
    if core.keys_are_random {
        let message = "an Idempotency-Key needs SIM_HANDLE_SECRET or SIM_SIGNING_SECRET on this server";
        return Err(Error::new(Code::NotConfigured, message));
    }
    Ok(Some(key))
}

/// `Prefer: wait=<seconds>` (RFC 7240 §4.3), among other preferences.
fn preferred_wait(header: &str) -> Option<Duration> {
    let mut preferences = header.split([',', ';']).map(str::trim);
    preferences.find_map(|preference| {
        let (name, value) = preference.split_once('=')?;
        let wait = name.trim().eq_ignore_ascii_case("wait").then(|| value.trim().trim_matches('"').parse().ok())?;
        wait.map(Duration::from_secs)
    })
}

/// What is passed on of a trace. A state without its parent, or of another form than W3C's, is left out.
fn trace(request: &Request<'_>) -> Option<Trace> {
    let parent = request.traceparent.filter(|text| is_traceparent(text))?.to_owned();
    let state = request.tracestate.filter(|text| is_tracestate(text)).map(str::to_owned);
    Some(Trace { parent, state })
}

/// `tracestate`: visible ASCII and spaces, of the 512 characters that W3C Trace Context §3.3.1.5 asks to pass on.
fn is_tracestate(text: &str) -> bool {
    (1..=512).contains(&text.len()) && text.bytes().all(|b| matches!(b, b' '..=b'~'))
}

/// `traceparent` of W3C Trace Context: 55 characters of lower-case hex and dashes, or a longer future form.
fn is_traceparent(text: &str) -> bool {
    text.len() >= 55 && text.len() <= 128 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f' | b'-'))
}

/// Gives every request an id: the caller's, if it can be passed on, else a new one.
#[derive(Debug)]
pub struct RequestIds {
    /// Makes the ids of this process its own.
    seed: [u8; 6],
    count: AtomicU64,
}

impl Default for RequestIds {
    fn default() -> Self {
        Self::new()
    }
}

impl RequestIds {
    pub fn new() -> Self {
        let mut seed = [0; 6];
        // Without randomness ids are only less unique.
        let _ = getrandom::fill(&mut seed);
        Self { seed, count: AtomicU64::new(0) }
    }

    pub fn take(&self, given: Option<&str>) -> String {
        let safe = |id: &&str| {
            (1..=128).contains(&id.len())
                && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b':' | b'-'))
        };
        match given.filter(safe) {
            Some(id) => id.to_owned(),
            None => {
                let [_, _, count @ ..] = self.count.fetch_add(1, Ordering::Relaxed).to_be_bytes();
                let mut id = hex::text(&self.seed);
                hex::push(&mut id, &count);
                id
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_found_among_preferences() {
        assert_eq!(preferred_wait("respond-async, wait=10"), Some(Duration::from_secs(10)));
        assert_eq!(preferred_wait("WAIT = \"3\""), Some(Duration::from_secs(3)));
        for none in ["", "wait", "wait=soon", "await=3", "wait=-1"] {
            assert_eq!(preferred_wait(none), None, "{none}");
        }
    }

    #[test]
    fn a_request_id_that_could_not_be_passed_on_is_replaced() {
        let ids = RequestIds::new();
        assert_eq!(ids.take(Some("req-1")), "req-1");
        for bad in ["", "a b", "a\r\nx: y", &"x".repeat(129)] {
            assert_ne!(ids.take(Some(bad)), bad);
        }
        assert_ne!(ids.take(None), ids.take(None));
    }
}
