//! Signs the requests that go to Sim. On the path of every request: one reused buffer, the HMAC key keyed once.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use super::base::{Component, Parameters, write_base};
use super::components::ALGORITHM;
use super::content_digest::ContentDigest;
use super::error::SignError;
use super::secret::{Secret, Secrets};

/// How long a signature is good, in seconds.
const LIFETIME: u64 = 60;

/// The label of the signature in its two headers.
const LABEL: &str = "sim";

/// The request as it will be sent: the very bytes of each value.
#[derive(Debug, Clone, Copy)]
pub struct RequestToSign<'a> {
    /// As sent, upper case for the registered methods.
    pub method: &'a str,
    /// Host and port as in the `Host` header; without the scheme's default port.
    pub authority: &'a str,
    /// Path and, behind a `?`, the query, as in the request line.
    pub target: &'a str,
    pub request_id: &'a str,
    /// What [`super::SimUser::to_header`] made.
    pub sim_user: &'a str,
    pub content_type: Option<&'a str>,
    pub run_id: Option<&'a str>,
    pub execution_id: Option<&'a str>,
    pub execution_mode: Option<&'a str>,
    pub body: ContentDigest,
}

/// The values of the three headers to add.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureHeaders {
    pub content_digest: String,
    pub signature_input: String,
    pub signature: String,
}

/// Signs with the newest secret.
#[derive(Debug, Clone)]
pub struct Signer {
    secret: Secret,
}

impl Signer {
    pub fn new(secrets: &Secrets) -> Self {
        Self { secret: secrets.newest().clone() }
    }

    /// Signs one attempt: a retry is signed anew, with its own nonce. `now` is in seconds since 1970; `buffer` is room
    /// to work in, worth keeping from call to call.
    pub fn sign(
        &self,
        request: &RequestToSign<'_>,
        now: u64,
        buffer: &mut Vec<u8>,
    ) -> Result<SignatureHeaders, SignError> {
        let content_digest = request.body.to_header();
        let authority = lower_case(request.authority);
        let (path, query) = split_target(request.target).ok_or(SignError::InvalidValue("@path"))?;
        let mut components = [Component { name: "", value: "" }; 11];
        let mut count = 0;
        let values = [
            ("@method", Some(request.method)),
            ("@authority", Some(&*authority)),
            ("@path", Some(path)),
            ("@query", Some(query)),
            ("content-digest", Some(&*content_digest)),
            ("x-request-id", Some(request.request_id)),
            ("x-sim-user", Some(request.sim_user)),
            ("content-type", request.content_type),
            ("x-run-id", request.run_id),
            ("x-execution-id", request.execution_id),
            ("x-execution-mode", request.execution_mode),
        ];
        for (slot, (name, value)) in
            components.iter_mut().zip(values.into_iter().filter_map(|(name, value)| Some((name, value?))))
        {
            if value.is_empty() {
                return Err(SignError::InvalidValue(name));
            }
            *slot = Component { name, value };
            count += 1;
        }
        let mut random = [0_u8; 16];
        getrandom::fill(&mut random).map_err(|_| SignError::NoRandomness)?;
        let mut nonce = [0_u8; 22];
        URL_SAFE_NO_PAD.encode_slice(random, &mut nonce).map_err(|_| SignError::NoRandomness)?;
        let parameters = Parameters {
            created: Some(now),
            expires: Some(now.saturating_add(LIFETIME)),
            nonce: Some(std::str::from_utf8(&nonce).map_err(|_| SignError::NoRandomness)?),
            keyid: Some(self.secret.keyid()),
            alg: Some(ALGORITHM),
        };
        let (signature_input, signature) =
            sign_components(&self.secret, LABEL, &components[..count], &parameters, buffer)?;
        Ok(SignatureHeaders { content_digest, signature_input, signature })
    }
}

/// Signs any components with any parameters: RFC 9421 without this project's policy.
/// Returns the values of `Signature-Input` and `Signature`.
pub fn sign_components(
    secret: &Secret,
    label: &str,
    components: &[Component<'_>],
    parameters: &Parameters<'_>,
    buffer: &mut Vec<u8>,
) -> Result<(String, String), SignError> {
    let start = write_base(buffer, components, parameters)?;
    let params = std::str::from_utf8(&buffer[start..]).map_err(|_| SignError::InvalidValue("@signature-params"))?;
    let mut signature_input = String::with_capacity(label.len() + 1 + params.len());
    signature_input.push_str(label);
    signature_input.push('=');
    signature_input.push_str(params);
    let mut signature = String::with_capacity(label.len() + 47);
    signature.push_str(label);
    signature.push_str("=:");
    STANDARD.encode_string(secret.mac(buffer), &mut signature);
    signature.push(':');
    Ok((signature_input, signature))
}

/// Splits a request target into `@path` and `@query`: the query keeps its `?`, and is `?` where there is none.
pub(super) fn split_target(target: &str) -> Option<(&str, &str)> {
    if !target.starts_with('/') || target.bytes().any(|byte| !matches!(byte, 0x21..=0x7e) || byte == b'#') {
        return None;
    }
    match target.find('?') {
        Some(mark) => Some(target.split_at(mark)),
        None => Some((target, "?")),
    }
}

/// RFC 9421 section 2.2.3 wants `@authority` in lower case; it nearly always is.
pub(super) fn lower_case(authority: &str) -> Cow<'_, str> {
    if authority.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(authority.to_ascii_lowercase())
    } else {
        Cow::Borrowed(authority)
    }
}
