//! Sim behind an outgoing proxy: `PROXY`, `HTTPS_PROXY`, `HTTP_PROXY`. It must not know Sim's API.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use reqwest::redirect::Policy;
use url::Url;

use super::client::{Outgoing, POOL_IDLE, POOL_SIZE};
use crate::config::{Problem, SimConfig};

/// The present client. Another takes its place after an answer that cannot have been Sim's own: reqwest closes a client's
/// idle connections with it, and no single one. Calls under way end on the connection that they have.
pub(super) struct Proxied {
    present: ArcSwap<reqwest::Client>,
    parts: Parts,
}

/// What every client is made of, read and checked once.
struct Parts {
    tls: rustls::ClientConfig,
    proxy: reqwest::Proxy,
    base: Url,
    connect_timeout: Duration,
}

/// Where an answer came from.
#[derive(Clone)]
pub(super) struct Origin {
    client: Arc<Proxied>,
    used: Arc<reqwest::Client>,
}

impl Proxied {
    /// Builds the client, or says which part of the configuration it cannot use.
    pub(super) fn new(config: &SimConfig, proxy: &Url, tls: rustls::ClientConfig) -> Result<Self, Problem> {
        let wrong = |message| Problem { name: "PROXY".to_owned(), message };
        let exceptions = config.proxy.no_proxy.as_deref().unwrap_or_default();
        let proxy = reqwest::Proxy::all(proxy.as_str()).map_err(|_| wrong("cannot be used".to_owned()))?;
        let proxy = proxy.no_proxy(reqwest::NoProxy::from_string(exceptions));
        let parts = Parts { tls, proxy, base: config.base_url.clone(), connect_timeout: config.connect_timeout };
        let first = parts.build().map_err(|error| wrong(format!("no HTTP client can be built: {error}")))?;
        Ok(Self { present: ArcSwap::from_pointee(first), parts })
    }

    pub(super) async fn send(self: &Arc<Self>, request: Outgoing) -> reqwest::Result<(reqwest::Response, Origin)> {
        let mut url = self.parts.base.clone();
        url.set_path(request.target.path());
        url.set_query(request.target.query());
        let mut asked = reqwest::Request::new(request.method, url);
        *asked.headers_mut() = request.headers;
        *asked.body_mut() = request.body.map(reqwest::Body::from);
        let used = self.present.load_full();
        let response = used.execute(asked).await?;
        Ok((response, Origin { client: Arc::clone(self), used }))
    }
}

impl Origin {
    /// Sends nothing more over the connection that the answer came over. Of many bad answers only the first one of each
    /// client counts.
    pub(super) fn give_up(&self) {
        let Proxied { present, parts } = &*self.client;
        if !Arc::ptr_eq(&present.load(), &self.used) {
            return;
        }
        // It could be built once, of the same parts.
        if let Ok(next) = parts.build() {
            present.compare_and_swap(&self.used, Arc::new(next));
        }
    }
}

impl Parts {
    fn build(&self) -> reqwest::Result<reqwest::Client> {
        reqwest::Client::builder()
            .tls_backend_preconfigured(self.tls.clone())
            .http1_only()
            .no_proxy()
            // A redirect would carry the key to another place.
            .redirect(Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .tcp_nodelay(true)
            .connect_timeout(self.connect_timeout)
            .pool_idle_timeout(POOL_IDLE)
            .pool_max_idle_per_host(POOL_SIZE)
            .proxy(self.proxy.clone())
            .build()
    }
}
