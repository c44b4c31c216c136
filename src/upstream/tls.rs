//! What certificates of Sim are trusted.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::config::{Problem, SimConfig};

/// The setting whose certificates go beside the built-in ones.
const CA_FILE: &str = "caFile (SIM_CA_FILE)";

/// Mozilla's roots, and those of `SIM_CA_FILE` or `NODE_EXTRA_CA_CERTS` beside them: as Node itself does it.
pub(super) fn tls(config: &SimConfig) -> Result<rustls::ClientConfig, Problem> {
    let mut roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(file) = &config.ca_file {
        let certificates = CertificateDer::pem_file_iter(file)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| wrong(format!("cannot be read: {error}")))?;
        for certificate in certificates {
            roots
                .add(certificate)
                .map_err(|error| wrong(format!("holds a certificate that cannot be used: {error}")))?;
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong(format!("TLS cannot be set up: {error}")))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

fn wrong(message: String) -> Problem {
    Problem { name: CA_FILE.to_owned(), message }
}
