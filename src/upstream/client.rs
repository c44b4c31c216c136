//! The one HTTP client: pool, TLS roots, outgoing proxy. It must not know Sim's API.

use std::sync::Arc;
use std::time::Duration;

use reqwest::redirect::Policy;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::config::{Problem, SimConfig};

/// Node closes an idle connection after 5 s; a pooled one must be given up before that, or a call may meet the close.
const POOL_IDLE: Duration = Duration::from_secs(4);
/// Idle connections kept for Sim's one host.
const POOL_SIZE: usize = 256;

/// Builds the client, or says which part of the configuration it cannot use.
pub(super) fn build(config: &SimConfig) -> Result<reqwest::Client, Problem> {
    let mut builder = reqwest::Client::builder()
        .tls_backend_preconfigured(tls(config)?)
        .http1_only()
        .no_proxy()
        // A redirect would carry the key to another place.
        .redirect(Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .tcp_nodelay(true)
        .connect_timeout(config.connect_timeout)
        .pool_idle_timeout(POOL_IDLE)
        .pool_max_idle_per_host(POOL_SIZE);
    let exceptions = config.proxy.no_proxy.as_deref().unwrap_or_default();
    // reqwest takes `*` for every name, but not for every address.
    let everything = exceptions.split(',').any(|exception| exception.trim() == "*");
    if let Some(url) = config.proxy.url.as_ref().filter(|_| !everything) {
        let exceptions = reqwest::NoProxy::from_string(exceptions);
        let proxy = reqwest::Proxy::all(url.as_str()).map_err(|_| wrong("PROXY", "cannot be used"))?;
        builder = builder.proxy(proxy.no_proxy(exceptions));
    }
    builder.build().map_err(|error| wrong("baseUrl (SIM_BASE_URL)", format!("no HTTP client can be built: {error}")))
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
