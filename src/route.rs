//! Method and path -> [`Route`], its ids checked. It knows the paths of the HTTP contract, nothing of their bodies.

use std::borrow::Cow;

use crate::error::{Error, FieldError, invalid};
use crate::metrics::Op;
use crate::run::FlowId;

/// One route of `simRouter()`, with what its path and query say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    Health,
    Config,
    ListFlows(Page),
    CreateFlow,
    GetFlow(FlowId),
    RunFlow(FlowId),
    /// The handle is opaque here; whoever asks decides whether it opens.
    RunStatus(String),
    RunEvents(String),
    CancelRun(String),
    ResumeRun(String),
    Proxy,
}

/// Which part of a list is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    pub cursor: Option<String>,
    /// 1 to 100.
    pub limit: usize,
}

const DEFAULT_LIMIT: usize = 50;

impl Route {
    /// What it is counted as, as long as its body is not read.
    pub fn op(&self) -> Op {
        match self {
            Route::Health => Op::Health,
            Route::Config => Op::Config,
            Route::ListFlows(_) => Op::FlowsList,
            Route::CreateFlow => Op::FlowsCreate,
            Route::GetFlow(_) => Op::FlowsGet,
            Route::RunFlow(_) => Op::FlowsRun,
            Route::RunStatus(_) => Op::RunsStatus,
            Route::RunEvents(_) => Op::RunsEvents,
            Route::CancelRun(_) => Op::RunsCancel,
            Route::ResumeRun(_) => Op::RunsResume,
            Route::Proxy => Op::Proxy,
        }
    }

    /// `url` is what follows the mount point: path, then perhaps `?query`.
    pub fn parse(method: &str, url: &str) -> Result<Self, Error> {
        // RFC 9110 §9.3.2: a HEAD is a GET of which the host leaves the body out.
        let head = method == "HEAD";
        let method = if head { "GET" } else { method };
        let (path, query) = url.split_once('?').unwrap_or((url, ""));
        let path = path.strip_prefix('/').unwrap_or(path);
        let path = path.strip_suffix('/').unwrap_or(path);
        let mut parts = [""; 4];
        let mut count = 0;
        for part in path.split('/') {
            if count == parts.len() {
                return Err(no_route());
            }
            parts[count] = part;
            count += 1;
        }
        match (method, &parts[..count]) {
            ("GET", ["health"]) => Ok(Route::Health),
            ("GET", ["config"]) => Ok(Route::Config),
            ("GET", ["flows"]) => page(query).map(Route::ListFlows),
            ("POST", ["flows", "create"]) => Ok(Route::CreateFlow),
            ("GET", ["flows", id]) => flow_id(id).map(Route::GetFlow),
            ("POST", ["flows", id, "run"]) => flow_id(id).map(Route::RunFlow),
            ("GET", ["runs", handle, "status"]) => Ok(Route::RunStatus((*handle).to_owned())),
            // Nobody would read what a HEAD of a stream keeps open.
            ("GET", ["runs", handle, "events"]) if !head => Ok(Route::RunEvents((*handle).to_owned())),
            ("POST", ["runs", handle, "cancel"]) => Ok(Route::CancelRun((*handle).to_owned())),
            ("POST", ["runs", handle, "resume"]) => Ok(Route::ResumeRun((*handle).to_owned())),
            ("POST", ["proxy"]) => Ok(Route::Proxy),
            _ => Err(no_route()),
        }
    }
}

fn no_route() -> Error {
    Error::not_found("there is no such route")
}

fn flow_id(segment: &str) -> Result<FlowId, Error> {
    decode(segment).and_then(|id| FlowId::parse(&id).ok()).ok_or_else(|| {
        invalid(&[FieldError::new("flowId", "must be 1 to 128 of A-Z a-z 0-9 . _ : - and neither . nor ..")])
    })
}

/// Percent-decodes a path segment or query value: `encodeURIComponent` writes `:` as `%3A`.
fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(Cow::Borrowed(text));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        if byte != b'%' {
            bytes.push(byte);
            rest = after;
            continue;
        }
        let hex = after.get(..2)?;
        let (high, low) = ((hex[0] as char).to_digit(16)?, (hex[1] as char).to_digit(16)?);
        bytes.push((high * 16 + low) as u8);
        rest = &after[2..];
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

fn page(query: &str) -> Result<Page, Error> {
    let mut page = Page { cursor: None, limit: DEFAULT_LIMIT };
    let mut errors = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        match (name, decode(value)) {
            ("cursor", Some(value)) if !value.is_empty() => page.cursor = Some(value.into_owned()),
            ("limit", Some(value)) => match value.parse() {
                Ok(limit) if (1..=100).contains(&limit) => page.limit = limit,
                _ => errors.push(FieldError::new("limit", "must be a whole number from 1 to 100")),
            },
            ("cursor", _) => errors.push(FieldError::new("cursor", "must be a cursor from an earlier answer")),
            _ => errors.push(FieldError::new(name, "is unknown")),
        }
    }
    if errors.is_empty() { Ok(page) } else { Err(invalid(&errors)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;

    #[test]
    fn each_route_of_the_contract_is_found_by_its_method() {
        let id = FlowId::parse("a:b").unwrap();
        let cases = [
            ("GET", "/health", Route::Health),
            ("GET", "/health/", Route::Health),
            ("GET", "/config", Route::Config),
            ("GET", "/flows", Route::ListFlows(Page { cursor: None, limit: 50 })),
            ("GET", "/flows?limit=7&cursor=x%3D", Route::ListFlows(Page { cursor: Some("x=".into()), limit: 7 })),
            ("POST", "/flows/create", Route::CreateFlow),
            ("GET", "/flows/a%3Ab", Route::GetFlow(id.clone())),
            ("POST", "/flows/a:b/run?x", Route::RunFlow(id)),
            ("GET", "/runs/h/status", Route::RunStatus("h".into())),
            ("GET", "/runs/h/events", Route::RunEvents("h".into())),
            ("POST", "/runs/h/cancel", Route::CancelRun("h".into())),
            ("POST", "/runs/h/resume", Route::ResumeRun("h".into())),
            ("POST", "/proxy", Route::Proxy),
        ];
        for (method, url, route) in cases {
            assert_eq!(Route::parse(method, url).unwrap(), route, "{method} {url}");
        }
    }

    #[test]
    fn what_is_no_route_is_not_found() {
        for (method, url) in [
            ("DELETE", "/flows/a"),
            ("HEAD", "/runs/h/events"),
            ("GET", "/flows/a/run"),
            ("GET", "/"),
            ("GET", "/a/b/c/d/e"),
            ("POST", "/health"),
        ] {
            assert_eq!(Route::parse(method, url).unwrap_err().code, Code::NotFound, "{method} {url}");
        }
    }

    #[test]
    fn a_flow_id_outside_its_alphabet_is_refused() {
        for id in ["..", ".", "%2e%2e", "a%2fb", "a%00", "ü", "%zz", "a%", "a b", &"x".repeat(129)] {
            let error = Route::parse("POST", &format!("/flows/{id}/run")).unwrap_err();
            assert_eq!(error.code, Code::InvalidRequest, "{id}");
        }
    }

    #[test]
    fn every_wrong_query_field_is_named() {
        let error = Route::parse("GET", "/flows?limit=0&cursor=&stray=1").unwrap_err();
        assert_eq!(error.details.unwrap()["fields"].as_array().unwrap().len(), 3);
    }
}
