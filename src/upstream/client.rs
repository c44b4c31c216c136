//! One request to Sim's host and what comes back, straight or through an outgoing proxy. It must not know Sim's API.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, StatusCode, Uri};
use http_body_util::BodyExt;
use hyper_util::client::proxy::matcher::Matcher;
use url::Url;

use super::direct::{Ahead, Direct, Lease};
use super::proxied::{self, Proxied};
use super::tls::tls;
use crate::config::{Problem, SimConfig};

/// Node closes an idle connection after 5 s; a pooled one must be given up before that, or a call may meet the close.
pub(super) const POOL_IDLE: Duration = Duration::from_secs(4);
/// Idle connections kept for Sim's one host.
pub(super) const POOL_SIZE: usize = 256;

/// The way to Sim's host.
pub(super) enum Client {
    Direct(Arc<Direct>),
    Proxied(Arc<Proxied>),
}

/// A request as it is sent.
pub(super) struct Outgoing {
    pub(super) method: Method,
    pub(super) target: PathAndQuery,
    pub(super) headers: HeaderMap,
    pub(super) body: Option<Bytes>,
}

/// What was answered.
pub(super) struct Incoming {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Rest,
    pub(super) origin: Origin,
}

/// What of an answer is still to come. Dropping it before its end closes its connection.
pub(super) enum Rest {
    Direct(hyper::body::Incoming, Arc<Lease>),
    Proxied(reqwest::Response),
}

/// Where an answer came from.
#[derive(Clone)]
pub(super) enum Origin {
    Direct(Arc<Lease>),
    Proxied(proxied::Origin),
}

/// Why there is no answer, or not all of it. Nothing in it names the host.
#[derive(Debug)]
pub(super) enum Broken {
    /// No connection came about.
    Connect,
    /// One did, and not a byte of the request was sent.
    Unsent,
    Timeout,
    /// What came is no HTTP.
    Unreadable,
    /// It was cut.
    Cut,
}

impl Client {
    /// Builds the client, or says which part of the configuration it cannot use.
    pub(super) fn new(config: &SimConfig) -> Result<Self, Problem> {
        let tls = tls(config)?;
        let base = &config.base_url;
        let wrong = |_| Problem { name: "baseUrl (SIM_BASE_URL)".to_owned(), message: "cannot be used".to_owned() };
        let to: Uri = base[..url::Position::BeforePath].parse().map_err(wrong)?;
        Ok(match proxy_to(config, &to) {
            Some(proxy) => Self::Proxied(Arc::new(Proxied::new(config, proxy, tls)?)),
            None => Self::Direct(Arc::new(Direct::new(config, to, tls))),
        })
    }

    pub(super) async fn send(&self, request: Outgoing, ahead: Ahead) -> Result<Incoming, Broken> {
        match self {
            Self::Direct(direct) => {
                let (response, lease) = direct.send(request, ahead).await?;
                let (head, body) = response.into_parts();
                let origin = Origin::Direct(Arc::clone(&lease));
                Ok(Incoming { status: head.status, headers: head.headers, body: Rest::Direct(body, lease), origin })
            }
            Self::Proxied(proxied) => {
                let (mut response, origin) = proxied.send(request).await.map_err(|error| Broken::through(&error))?;
                let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
                Ok(Incoming { status, headers, body: Rest::Proxied(response), origin: Origin::Proxied(origin) })
            }
        }
    }
}

/// The outgoing proxy, if the way to Sim leads through it.
fn proxy_to<'a>(config: &'a SimConfig, to: &Uri) -> Option<&'a Url> {
    let proxy = config.proxy.url.as_ref()?;
    let exceptions = config.proxy.no_proxy.as_deref().unwrap_or_default();
    // The matcher takes `*` for every name, but not for every address.
    let everything = exceptions.split(',').any(|exception| exception.trim() == "*");
    let matcher = Matcher::builder().all(proxy.as_str()).no(exceptions).build();
    (!everything && matcher.intercept(to).is_some()).then_some(proxy)
}

impl Rest {
    /// The next bytes; `None` at the end.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, Broken> {
        match self {
            Self::Direct(body, lease) => loop {
                match body.frame().await {
                    // Trailers say nothing.
                    Some(Ok(frame)) => {
                        if let Ok(bytes) = frame.into_data() {
                            return Ok(Some(bytes));
                        }
                    }
                    Some(Err(error)) => return Err(Broken::of(&error)),
                    None => {
                        lease.ended();
                        return Ok(None);
                    }
                }
            },
            Self::Proxied(response) => response.chunk().await.map_err(|error| Broken::through(&error)),
        }
    }
}

impl Origin {
    /// Sends nothing more over the connection that the answer came over.
    pub(super) fn give_up(&self) {
        match self {
            Self::Direct(lease) => lease.give_up(),
            Self::Proxied(origin) => origin.give_up(),
        }
    }
}

impl Broken {
    pub(super) fn of(error: &hyper::Error) -> Self {
        if error.is_parse() { Self::Unreadable } else { Self::Cut }
    }

    fn through(error: &reqwest::Error) -> Self {
        if error.is_connect() {
            return Self::Connect;
        }
        if error.is_timeout() {
            return Self::Timeout;
        }
        source::<hyper::Error>(error).map_or(Self::Cut, Self::of)
    }
}

/// Looks for `T` among the causes of `error`.
fn source<'a, T: std::error::Error + 'static>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        next = error.source();
    }
    None
}
