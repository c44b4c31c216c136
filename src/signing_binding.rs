//! What the Express guard and the `guard` command need of `signing`: heads and bodies in, small values out. Beside the crate's
//! root the only file that knows napi exists.

use std::time::{SystemTime, UNIX_EPOCH};

use napi::bindgen_prelude::{Error, Result, Status};
use napi_derive::napi;
use zeroize::Zeroizing;

use crate::signing::{
    ContentDigest, Message, Refusal, ReplayEntry, ReplayMemory, RequestToSign, Scheme, Secrets, SignedHead, Signer,
    SimUser, Verifier, Window,
};

fn invalid(error: impl std::fmt::Display) -> Error {
    Error::new(Status::InvalidArg, error)
}

fn refused(refusal: Refusal) -> Error<Refusal> {
    Error::new(refusal, refusal)
}

/// Seconds since 1970. A clock before that refuses every signature, since all were then created in the future.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn key_ring(secrets: Vec<String>) -> Result<Secrets> {
    let secrets: Vec<_> = secrets.into_iter().map(Zeroizing::new).collect();
    Secrets::new(&secrets.iter().map(|secret| secret.as_bytes()).collect::<Vec<_>>()).map_err(invalid)
}

/// The head of a request as the server received it.
#[napi(object)]
pub struct ReceivedHead {
    pub method: String,
    /// Whether it came over TLS.
    pub secure: bool,
    /// Path and query of the request line.
    pub target: String,
    /// Names and values in turn, duplicates included.
    pub raw_headers: Vec<String>,
}

/// Checks the signatures of requests. A refusal is thrown with its reason as `code`.
#[napi]
pub struct SignatureVerifier(Verifier);

#[napi]
impl SignatureVerifier {
    #[napi(constructor)]
    pub fn new(secrets: Vec<String>, max_age_seconds: u32, skew_seconds: u32) -> Result<Self> {
        let window = Window { max_age: max_age_seconds.into(), skew: skew_seconds.into() };
        Ok(Self(Verifier::new(key_ring(secrets)?, window)))
    }

    /// Everything that the head alone can tell. The body and the replay entry are still to be checked.
    #[napi]
    pub fn check_head(&self, head: ReceivedHead) -> std::result::Result<SignatureTicket, Error<Refusal>> {
        let headers: Vec<_> =
            head.raw_headers.as_chunks::<2>().0.iter().map(|[name, value]| (name.as_str(), value.as_str())).collect();
        let message = Message {
            method: &head.method,
            scheme: if head.secure { Scheme::Https } else { Scheme::Http },
            target: &head.target,
            headers: &headers,
        };
        self.0.check_head(&message, now()).map(SignatureTicket).map_err(refused)
    }
}

/// A head whose signature is good.
#[napi]
pub struct SignatureTicket(SignedHead);

#[napi]
impl SignatureTicket {
    /// Compares the body, as received, with the signed digest.
    #[napi]
    pub fn check_body(&self, body: &[u8]) -> std::result::Result<(), Error<Refusal>> {
        self.0.check_body(body).map_err(refused)
    }

    #[napi(getter)]
    pub fn keyid(&self) -> String {
        self.0.keyid.clone()
    }

    /// The user's id; null for the adapter's own calls.
    #[napi(getter)]
    pub fn user(&self) -> Option<String> {
        match &self.0.user {
            SimUser::Person { user, .. } => Some(user.clone()),
            SimUser::Adapter => None,
        }
    }

    #[napi(getter)]
    pub fn tenant(&self) -> Option<String> {
        match &self.0.user {
            SimUser::Person { tenant, .. } => tenant.clone(),
            SimUser::Adapter => None,
        }
    }

    #[napi(getter)]
    pub fn replay_key(&self) -> String {
        self.0.replay_entry().key.to_owned()
    }

    /// Seconds since 1970.
    #[napi(getter)]
    pub fn replay_until(&self) -> f64 {
        self.0.replay_entry().until as f64
    }
}

/// The replay store of one process.
#[napi]
pub struct ReplayWindow(ReplayMemory);

#[napi]
impl ReplayWindow {
    #[napi(constructor)]
    pub fn new(capacity: u32) -> Self {
        Self(ReplayMemory::new(capacity as usize))
    }

    /// True the first time, false for a replay; throws with code `replay_store_full` when it cannot remember more.
    #[napi]
    pub fn claim(&self, key: String, until: f64) -> std::result::Result<bool, Error<Refusal>> {
        match self.0.claim_now(ReplayEntry { key: &key, until: until as u64 }, now()) {
            Ok(()) => Ok(true),
            Err(Refusal::Replayed) => Ok(false),
            Err(refusal) => Err(refused(refusal)),
        }
    }
}

/// A request to sign, as it will be sent.
#[napi(object)]
pub struct OutgoingRequest {
    pub method: String,
    pub authority: String,
    pub target: String,
    pub request_id: String,
    pub tenant: Option<String>,
    /// Absent for calls that are made for nobody.
    pub user: Option<String>,
    pub content_type: Option<String>,
    pub run_id: Option<String>,
    pub execution_id: Option<String>,
    pub execution_mode: Option<String>,
}

/// The values of the headers to add.
#[napi(object)]
pub struct SignedHeaderValues {
    pub x_sim_user: String,
    pub content_digest: String,
    pub signature_input: String,
    pub signature: String,
}

/// Signs one request with the first of the secrets, now.
#[napi]
pub fn sign_request(secrets: Vec<String>, request: OutgoingRequest, body: &[u8]) -> Result<SignedHeaderValues> {
    let x_sim_user = match &request.user {
        Some(user) => SimUser::to_header(request.tenant.as_deref(), user).map_err(invalid)?,
        None => SimUser::ADAPTER.to_owned(),
    };
    let to_sign = RequestToSign {
        method: &request.method,
        authority: &request.authority,
        target: &request.target,
        request_id: &request.request_id,
        sim_user: &x_sim_user,
        content_type: request.content_type.as_deref(),
        run_id: request.run_id.as_deref(),
        execution_id: request.execution_id.as_deref(),
        execution_mode: request.execution_mode.as_deref(),
        body: ContentDigest::of(body),
    };
    let signed = Signer::new(&key_ring(secrets)?).sign(&to_sign, now(), &mut Vec::new()).map_err(invalid)?;
    Ok(SignedHeaderValues {
        x_sim_user,
        content_digest: signed.content_digest,
        signature_input: signed.signature_input,
        signature: signed.signature,
    })
}
