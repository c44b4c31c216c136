//! Signs what is about to be sent, over the very values that will be: method, authority, target, headers, body.

use std::cell::RefCell;
use std::time::{SystemTime, UNIX_EPOCH};

use http::{HeaderName, HeaderValue};

use super::client::Outgoing;
use crate::config::Problem;
use crate::run::keys::Secret;
use crate::signing::{ContentDigest, RequestToSign, Secrets, SignError, Signer};

thread_local! {
    /// Room to work in, kept from call to call.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

pub(super) struct Signing(Signer);

impl Signing {
    /// `None` without a secret: nothing is signed then.
    pub(super) fn new(secrets: &[Secret]) -> Result<Option<Self>, Problem> {
        if secrets.is_empty() {
            return Ok(None);
        }
        let bytes: Vec<&[u8]> = secrets.iter().map(Secret::bytes).collect();
        let secrets = Secrets::new(&bytes).map_err(|error| Problem {
            name: "signingSecret (SIM_SIGNING_SECRET)".to_owned(),
            message: error.to_string(),
        })?;
        Ok(Some(Self(Signer::new(&secrets))))
    }

    /// Adds `content-digest`, `signature-input` and `signature`. The request is otherwise complete.
    pub(super) fn add(&self, request: &mut Outgoing) -> Result<(), SignError> {
        let header = |name: &str| request.headers.get(name).and_then(|value| value.to_str().ok());
        let to_sign = RequestToSign {
            method: request.method.as_str(),
            authority: header("host").unwrap_or_default(),
            target: request.target.as_str(),
            request_id: header("x-request-id").unwrap_or_default(),
            sim_user: header("x-sim-user").unwrap_or_default(),
            content_type: header("content-type"),
            run_id: header("x-run-id"),
            execution_id: header("x-execution-id"),
            execution_mode: header("x-execution-mode"),
            body: ContentDigest::of(request.body.as_deref().unwrap_or_default()),
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let signed = BUFFER.with_borrow_mut(|buffer| self.0.sign(&to_sign, now, buffer))?;
        let values = [
            ("content-digest", signed.content_digest),
            ("signature-input", signed.signature_input),
            ("signature", signed.signature),
        ];
        for (name, value) in values {
            let value = HeaderValue::try_from(value).map_err(|_| SignError::InvalidValue(name))?;
            request.headers.insert(HeaderName::from_static(name), value);
        }
        Ok(())
    }
}
