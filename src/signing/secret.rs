//! The signing secrets: keyed once, compared in constant time, never shown. Knows nothing of requests.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::error::SecretError;

/// The shortest secret that is accepted, in bytes: as long as the MAC.
pub const MIN_SECRET_BYTES: usize = 32;

/// What is authenticated with a secret to derive its `keyid`. No signature base looks like it: a base begins with `"`.
const KEYID_LABEL: &[u8] = b"sim-adapter keyid/1";

/// One secret, held only as the keyed state of HMAC-SHA256, which is wiped when dropped.
///
/// The HMAC key is the bytes of the secret as they stand. The `keyid` is base64url of the first 9 bytes of
/// `HMAC-SHA256(secret, "sim-adapter keyid/1")`: 12 characters that both sides derive alone, so that rotation needs no
/// further setting, and that tell no more about the secret than any signature does.
#[derive(Clone)]
pub struct Secret {
    keyed: Hmac<Sha256>,
    keyid: String,
}

impl Secret {
    /// Keys HMAC with `secret`, whatever its length: test vectors and foreign keys included. [`Secrets::new`] checks lengths.
    pub fn new(secret: &[u8]) -> Self {
        // HMAC takes keys of any length (RFC 2104), so that only the block-sized constructor is infallible by type.
        let mut block = zeroize::Zeroizing::new([0_u8; 64]);
        if secret.len() > block.len() {
            block[..32].copy_from_slice(&<Sha256 as sha2::Digest>::digest(secret));
        } else {
            block[..secret.len()].copy_from_slice(secret);
        }
        let keyed = <Hmac<Sha256> as KeyInit>::new((&*block).into());
        let derived = keyed.clone().chain_update(KEYID_LABEL).finalize().into_bytes();
        Self { keyed, keyid: URL_SAFE_NO_PAD.encode(&derived[..9]) }
    }

    /// The name of this secret on the wire.
    pub fn keyid(&self) -> &str {
        &self.keyid
    }

    pub(super) fn mac(&self, base: &[u8]) -> [u8; 32] {
        self.keyed.clone().chain_update(base).finalize().into_bytes().into()
    }

    /// Compares in constant time.
    pub(super) fn verifies(&self, base: &[u8], mac: &[u8; 32]) -> bool {
        self.keyed.clone().chain_update(base).verify(mac.into()).is_ok()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("***")
    }
}

/// Secrets, newest first: the first signs, all verify.
#[derive(Clone)]
pub struct Secrets {
    first: Secret,
    older: Vec<Secret>,
}

impl Secrets {
    /// Keys every secret of the list. The caller's copies are the caller's to wipe.
    pub fn new<S: AsRef<[u8]>>(secrets: &[S]) -> Result<Self, SecretError> {
        if let Some(index) = secrets.iter().position(|secret| secret.as_ref().len() < MIN_SECRET_BYTES) {
            return Err(SecretError::TooShort { index });
        }
        let (first, older) = secrets.split_first().ok_or(SecretError::Empty)?;
        Ok(Self {
            first: Secret::new(first.as_ref()),
            older: older.iter().map(|secret| Secret::new(secret.as_ref())).collect(),
        })
    }

    /// The secret that signs.
    pub fn newest(&self) -> &Secret {
        &self.first
    }

    /// The secret of that name. A `keyid` is public, so that the comparison needs no constant time.
    pub fn by_keyid(&self, keyid: &str) -> Option<&Secret> {
        std::iter::once(&self.first).chain(&self.older).find(|secret| secret.keyid == keyid)
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("***")
    }
}
