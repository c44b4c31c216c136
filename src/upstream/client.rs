//! The one HTTP client: pool, TLS roots, outgoing proxy. It must not know Sim's API.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use reqwest::redirect::Policy;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::config::{Problem, SimConfig};

/// Node closes an idle connection after 5 s; a pooled one must be given up before that, or a call may meet the close.
const POOL_IDLE: Duration = Duration::from_secs(4);
/// Idle connections kept for Sim's one host.
const POOL_SIZE: usize = 256;

/// The present client. Another takes its place after an answer that cannot have been Sim's own: reqwest closes a client's
/// idle connections with it, and no single one. Calls under way end on the connection that they have.
pub(super) struct Client {
    present: ArcSwap<reqwest::Client>,
    parts: Parts,
}

/// What every client is made of, read and checked once.
struct Parts {
    tls: rustls::ClientConfig,
    proxy: Option<reqwest::Proxy>,
    connect_timeout: Duration,
}

/// Where an answer came from.
#[derive(Clone)]
pub(super) struct Origin {
    client: Arc<Client>,
    used: Arc<reqwest::Client>,
}

impl Client {
    /// Builds the client, or says which part of the configuration it cannot use.
    pub(super) fn new(config: &SimConfig) -> Result<Self, Problem> {
        let parts = Parts { tls: tls(config)?, proxy: proxy(config)?, connect_timeout: config.connect_timeout };
        let first = parts
            .build()
            .map_err(|error| wrong("baseUrl (SIM_BASE_URL)", format!("no HTTP client can be built: {error}")))?;
        Ok(Self { present: ArcSwap::from_pointee(first), parts })
    }

    pub(super) async fn execute(
        client: &Arc<Self>,
        request: reqwest::Request,
    ) -> (reqwest::Result<reqwest::Response>, Origin) {
        let used = client.present.load_full();
        let response = used.execute(request).await;
        (response, Origin { client: Arc::clone(client), used })
    }
}

impl Origin {
    /// Sends nothing more over the connection that the answer came over. Of many bad answers only the first one of each
    /// client counts.
    pub(super) fn give_up(&self) {
        let Client { present, parts } = &*self.client;
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
        let mut builder = reqwest::Client::builder()
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
            .pool_max_idle_per_host(POOL_SIZE);
        if let Some(proxy) = &self.proxy {
            builder = builder.proxy(proxy.clone());
        }
        builder.build()
    }
}

/// The way out, where there is one.
fn proxy(config: &SimConfig) -> Result<Option<reqwest::Proxy>, Problem> {
    let exceptions = config.proxy.no_proxy.as_deref().unwrap_or_default();
    // reqwest takes `*` for every name, but not for every address.
    let everything = exceptions.split(',').any(|exception| exception.trim() == "*");
    let Some(url) = config.proxy.url.as_ref().filter(|_| !everything) else { return Ok(None) };
    let proxy = reqwest::Proxy::all(url.as_str()).map_err(|_| wrong("PROXY", "cannot be used"))?;
    Ok(Some(proxy.no_proxy(reqwest::NoProxy::from_string(exceptions))))
}

/// The setting whose certificates go beside the built-in ones.
const CA_FILE: &str = "caFile (SIM_CA_FILE)";

fn wrong(name: &str, message: impl Into<String>) -> Problem {
    Problem { name: name.to_owned(), message: message.into() }
}

/// Mozilla's roots, and those of `SIM_CA_FILE` or `NODE_EXTRA_CA_CERTS` beside them: as Node itself does it.
fn tls(config: &SimConfig) -> Result<rustls::ClientConfig, Problem> {
    let mut roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(file) = &config.ca_file {
        let certificates = CertificateDer::pem_file_iter(file)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| wrong(CA_FILE, format!("cannot be read: {error}")))?;
        for certificate in certificates {
            roots
                .add(certificate)
                .map_err(|error| wrong(CA_FILE, format!("holds a certificate that cannot be used: {error}")))?;
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong(CA_FILE, format!("TLS cannot be set up: {error}")))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
