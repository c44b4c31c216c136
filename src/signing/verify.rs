//! Accepts or refuses a signed request: what must be covered, by which secret, when, and only once.
//!
//! In two steps, so that an unsigned body is never buffered: the head (signature, times), then the body (digest, replay).

use super::components::{OPTIONAL_HEADERS, REQUIRED_COMPONENTS};
use super::content_digest::ContentDigest;
use super::error::Refusal;
use super::message::Message;
use super::received::ReceivedSignature;
use super::replay::{ReplayEntry, ReplayStore};
use super::secret::Secrets;
use super::sim_user::SimUser;

/// The longest nonce that is kept.
const MAX_NONCE: usize = 128;

/// When a signature is accepted. Both in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// How long after its creation, whatever its own `expires` says.
    pub max_age: u64,
    /// How far the signer's clock may be off.
    pub skew: u64,
}

impl Default for Window {
    fn default() -> Self {
        Self { max_age: 60, skew: 30 }
    }
}

/// Verifies requests that were signed with one of the secrets.
#[derive(Debug, Clone)]
pub struct Verifier {
    secrets: Secrets,
    window: Window,
}

/// A head whose signature is good. The body is still to be compared, and the nonce still to be claimed.
#[must_use = "the body and the nonce are still to be checked"]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedHead {
    pub user: SimUser,
    pub keyid: String,
    digest: ContentDigest,
    replay_key: String,
    replay_until: u64,
}

impl Verifier {
    pub fn new(secrets: Secrets, window: Window) -> Self {
        Self { secrets, window }
    }

    /// Verifies all of a request. `now` is in seconds since 1970.
    pub async fn verify(
        &self,
        message: &Message<'_>,
        body: &[u8],
        now: u64,
        replays: &impl ReplayStore,
    ) -> Result<SignedHead, Refusal> {
        let head = self.check_head(message, now)?;
        head.check_body(body)?;
        replays.claim(head.replay_entry(), now).await?;
        Ok(head)
    }

    /// The first step: everything that the head alone can tell.
    pub fn check_head(&self, message: &Message<'_>, now: u64) -> Result<SignedHead, Refusal> {
        let signature = ReceivedSignature::parse(message)?;
        check_coverage(&signature, message)?;
        let parameters = &signature.parameters;
        let keyid = parameters.keyid.ok_or(Refusal::KeyidMissing)?;
        let nonce =
            parameters.nonce.filter(|nonce| (1..=MAX_NONCE).contains(&nonce.len())).ok_or(Refusal::NonceMissing)?;
        let created = parameters.created.ok_or(Refusal::CreatedMissing)?;
        let expires = parameters.expires.ok_or(Refusal::ExpiresMissing)?;
        self.check_times(created, expires, now)?;
        let secret = self.secrets.by_keyid(keyid).ok_or(Refusal::UnknownKey)?;
        signature.verify(message, secret)?;
        Ok(SignedHead {
            user: SimUser::parse(&message.component("x-sim-user")?)?,
            keyid: keyid.to_owned(),
            digest: ContentDigest::parse(&message.component("content-digest")?)?,
            replay_key: format!("{keyid}:{nonce}"),
            replay_until: expires.saturating_add(self.window.skew),
        })
    }

    fn check_times(&self, created: u64, expires: u64, now: u64) -> Result<(), Refusal> {
        let Window { max_age, skew } = self.window;
        if expires < created {
            Err(Refusal::InvalidLifetime)
        } else if created > now.saturating_add(skew) {
            Err(Refusal::NotYetValid)
        } else if now > expires.saturating_add(skew) {
            Err(Refusal::Expired)
        } else if now > created.saturating_add(max_age).saturating_add(skew) {
            Err(Refusal::TooOld)
        } else {
            Ok(())
        }
    }
}

impl SignedHead {
    /// The second step: the body as received.
    pub fn check_body(&self, body: &[u8]) -> Result<(), Refusal> {
        if ContentDigest::of(body) == self.digest { Ok(()) } else { Err(Refusal::DigestMismatch) }
    }

    /// What is to be claimed in a replay store, last of all.
    pub fn replay_entry(&self) -> ReplayEntry<'_> {
        ReplayEntry { key: &self.replay_key, until: self.replay_until }
    }
}

/// The demanded set is covered, nothing of the optional set is present but not covered.
fn check_coverage(signature: &ReceivedSignature<'_>, message: &Message<'_>) -> Result<(), Refusal> {
    let covered = |name: &str| signature.components.contains(&name);
    if !REQUIRED_COMPONENTS.into_iter().all(covered) {
        return Err(Refusal::ComponentMissing);
    }
    for name in OPTIONAL_HEADERS {
        if message.header(name)?.is_some() && !covered(name) {
            return Err(Refusal::UnsignedHeader);
        }
    }
    Ok(())
}
