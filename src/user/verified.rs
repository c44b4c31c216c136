//! Remembers tokens that were verified, so that a user's next request need not have the same one verified again.
//! It keeps their digests, not the tokens, and none that was refused. It must not know what makes a token good.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sha2::{Digest, Sha256};

use super::token::{Claims, TokenError, Verifier};

/// Tokens remembered at the most: twice this many. Each takes about a kilobyte.
const GENERATION: usize = 8 * 1024;

type Known = HashMap<[u8; 32], Arc<Claims>>;

/// A verifier with a memory.
pub struct Verified {
    verifier: Verifier,
    known: Mutex<Generations>,
}

/// What comes is kept in `young`; when that is full, it takes the place of `old`.
#[derive(Default)]
struct Generations {
    young: Known,
    old: Known,
}

impl Verified {
    pub fn new(verifier: Verifier) -> Self {
        Self { verifier, known: Mutex::default() }
    }

    /// As [`Verifier::verify`]. `now` is in seconds since 1970.
    ///
    /// # Errors
    /// The first reason against the token.
    pub fn verify(&self, token: &str, now: u64) -> Result<Arc<Claims>, TokenError> {
        let digest: [u8; 32] = Sha256::digest(token).into();
        // From the second of its end on the verifier decides, which knows the leeway.
        if let Some(claims) = self.lock().get(&digest).filter(|claims| now < claims.expires) {
            return Ok(Arc::clone(claims));
        }
        // Others do not wait for this; one with the same token verifies it, too.
        let claims = Arc::new(self.verifier.verify(token)?);
        self.lock().insert(digest, Arc::clone(&claims));
        Ok(claims)
    }

    fn lock(&self) -> MutexGuard<'_, Generations> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Generations {
    fn get(&self, digest: &[u8; 32]) -> Option<&Arc<Claims>> {
        self.young.get(digest).or_else(|| self.old.get(digest))
    }

    fn insert(&mut self, digest: [u8; 32], claims: Arc<Claims>) {
        if self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(digest, claims);
    }
}

#[cfg(test)]
mod tests {
    use std::time::{SystemTime, UNIX_EPOCH};

    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use hmac::{Hmac, KeyInit, Mac};
    use serde_json::json;

    use super::*;

    const SECRET: &[u8] = b"a secret of the host's, long enough";

    fn now() -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
    }

    fn verified() -> Verified {
        Verified::new(Verifier::new(&[SECRET], 0).unwrap())
    }

    fn token(secret: &[u8], id: &str, expires: u64) -> String {
        let claims = json!({ "id": id, "exp": expires }).to_string();
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let message = format!("{}.{}", part(r#"{"alg":"HS256","typ":"JWT"}"#), part(&claims));
        let mac = Hmac::<Sha256>::new_from_slice(secret).unwrap().chain_update(&message).finalize();
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(mac.into_bytes()))
    }

    #[test]
    fn a_token_is_verified_once() {
        let verified = verified();
        let token = token(SECRET, "u", now() + 60);
        let first = verified.verify(&token, now()).unwrap();
        assert!(Arc::ptr_eq(&first, &verified.verify(&token, now()).unwrap()));
    }

    #[test]
    fn what_is_remembered_ends_with_the_token() {
        let verified = verified();
        let expires = now() + 60;
        let token = token(SECRET, "u", expires);
        let first = verified.verify(&token, now()).unwrap();
        assert_eq!(first.expires, expires);
        let again = verified.verify(&token, expires).unwrap();
        assert!(!Arc::ptr_eq(&first, &again), "asked the verifier, whose clock says it is still good");
        assert_eq!(verified.verify(&self::token(SECRET, "u", now() - 1), now()), Err(TokenError::Expired));
    }

    #[test]
    fn a_changed_or_forged_token_is_no_known_one() {
        let verified = verified();
        let good = token(SECRET, "u", now() + 60);
        verified.verify(&good, now()).unwrap();
        for _ in 0..2 {
            let forged = token(b"another secret, long enough as well", "u", now() + 60);
            assert_eq!(verified.verify(&forged, now()), Err(TokenError::Signature));
        }
        assert!(verified.verify(&format!("{good}A"), now()).is_err());
        assert!(verified.verify(&good[..good.len() - 1], now()).is_err());
    }

    #[test]
    fn memory_is_bounded() {
        let verified = verified();
        {
            let claims = verified.verify(&token(SECRET, "u", now() + 60), now()).unwrap();
            let mut known = verified.known.lock().unwrap();
            for n in 0..GENERATION as u64 {
                let mut digest = [0; 32];
                digest[..8].copy_from_slice(&n.to_le_bytes());
                known.young.insert(digest, Arc::clone(&claims));
            }
        }
        verified.verify(&token(SECRET, "v", now() + 60), now()).unwrap();
        let known = verified.known.lock().unwrap();
        assert_eq!((known.young.len(), known.old.len()), (1, GENERATION + 1));
    }
}
