//! RFC 9421 HTTP Message Signatures (`hmac-sha256` only) and RFC 9530 content digests, to sign and to verify.
//!
//! `Signer` puts three headers on a request to Sim; `Verifier` is the other side, for a fork that stands in front of Sim.
//! Nothing here knows of configuration, of HTTP clients or servers, or of napi: times, bytes and strings come in.

mod base;
mod components;
mod content_digest;
mod error;
mod fields;
mod message;
mod received;
mod replay;
mod secret;
mod sign;
mod sim_user;
mod verify;

#[cfg(test)]
mod tests;

pub use base::{Component, Parameters, write_base};
pub use components::{OPTIONAL_HEADERS, REQUIRED_COMPONENTS};
pub use content_digest::ContentDigest;
pub use error::{Refusal, SecretError, SignError};
pub use message::{Message, Scheme};
pub use received::ReceivedSignature;
pub use replay::{ReplayEntry, ReplayMemory, ReplayStore};
pub use secret::{MIN_SECRET_BYTES, Secret, Secrets};
pub use sign::{RequestToSign, SignatureHeaders, Signer, sign_components};
pub use sim_user::SimUser;
pub use verify::{SignedHead, Verifier, Window};
