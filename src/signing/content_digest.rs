//! RFC 9530 `Content-Digest` with SHA-256, over the bytes that travel. Knows nothing of signatures.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::error::Refusal;
use super::fields;

/// The SHA-256 of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContentDigest([u8; 32]);

impl ContentDigest {
    /// Hashes `body`. No body is zero bytes.
    pub fn of(body: &[u8]) -> Self {
        Self(Sha256::digest(body).into())
    }

    /// Takes a hash that was made elsewhere, for bodies that are hashed on another thread or while they stream.
    pub fn from_sha256(hash: [u8; 32]) -> Self {
        Self(hash)
    }

    /// The header's value: `sha-256=:…:`.
    pub fn to_header(self) -> String {
        let mut header = String::with_capacity(54);
        header.push_str("sha-256=:");
        STANDARD.encode_string(self.0, &mut header);
        header.push(':');
        header
    }

    /// Reads the one `sha-256` member of the header; members of other algorithms are passed over, as RFC 9530 allows.
    pub fn parse(header: &str) -> Result<Self, Refusal> {
        let members = fields::byte_sequences(header).ok_or(Refusal::MalformedDigest)?;
        let mut ours = members.iter().filter(|(key, _)| *key == "sha-256");
        match (ours.next(), ours.next()) {
            (Some((_, encoded)), None) => fields::decode_32(encoded).map(Self).ok_or(Refusal::MalformedDigest),
            _ => Err(Refusal::MalformedDigest),
        }
    }
}
