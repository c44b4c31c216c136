//! The keys behind run handles and run ids, and the ids derived with them.
//! It must not know where the secrets were configured, nor what a handle looks like.
//!
//! Root secrets are listed newest first. HKDF-SHA256 (RFC 5869) makes an own key for each purpose, so that none of
//! them, were it lost, opens another. A MAC is computed from a keyed state prepared once: a run costs no key schedule.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use thiserror::Error;
use zeroize::Zeroizing;

use super::id::{FlowId, SimRunId};
use super::owner::{Owner, feed_prefixed};
use crate::hex;

/// The shortest root secret, in bytes.
pub const MIN_SECRET_LENGTH: usize = 32;

const HANDLE_LABEL: &[u8] = b"handle/1";
const RUN_ID_LABEL: &[u8] = b"run-id/1";
const WATCH_LABEL: &[u8] = b"watch/1";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum KeyError {
    /// The position in the list, from 0.
    #[error("secret number {} has fewer than 32 bytes", .0 + 1)]
    TooShort(usize),
    #[error("the operating system gave no random bytes")]
    NoRandomness,
}

/// A secret: wiped when dropped, `***` in Debug.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(Zeroizing::new(bytes.into()))
    }

    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// The root secrets: at least one.
#[derive(Debug)]
pub struct RootKeys {
    /// Newest first; empty unless secrets are being changed.
    newer: Vec<Secret>,
    /// The one that every instance still knows while a newer one is being added.
    oldest: Secret,
    random: bool,
}

impl RootKeys {
    /// `newest_first` as configured. With none at all the root is random: handles then hold within this process only,
    /// and [`Self::is_random`] says so.
    ///
    /// # Errors
    /// A secret shorter than [`MIN_SECRET_LENGTH`]; no random bytes to be had.
    pub fn new(mut newest_first: Vec<Secret>) -> Result<Self, KeyError> {
        if let Some(position) = newest_first.iter().position(|secret| secret.bytes().len() < MIN_SECRET_LENGTH) {
            return Err(KeyError::TooShort(position));
        }
        let (oldest, random) = match newest_first.pop() {
            Some(secret) => (secret, false),
            None => (Secret::new(random_bytes::<MIN_SECRET_LENGTH>()?), true),
        };
        Ok(Self { newer: newest_first, oldest, random })
    }

    /// No secret was configured: another process, or this one after a restart, has other keys.
    pub fn is_random(&self) -> bool {
        self.random
    }

    /// The keys of run handles: the newer ones, newest first, and the oldest.
    pub(super) fn handle_keys(&self) -> (Vec<MacKey>, MacKey) {
        let derive = |secret| MacKey::derive(secret, HANDLE_LABEL);
        (self.newer.iter().map(derive).collect(), derive(&self.oldest))
    }

    /// The key of what is shared of watched runs: of the oldest secret, so that instances agree while a newer one is being
    /// added.
    pub(super) fn watch_key(&self) -> MacKey {
        MacKey::derive(&self.oldest, WATCH_LABEL)
    }
}

fn random_bytes<const N: usize>() -> Result<[u8; N], KeyError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| KeyError::NoRandomness)?;
    Ok(bytes)
}

/// A key for one purpose, kept as the prepared HMAC-SHA256 state, and a short public name of it.
pub(super) struct MacKey {
    state: Hmac<Sha256>,
    name: [u8; 4],
}

impl MacKey {
    fn derive(secret: &Secret, label: &[u8]) -> Self {
        let mut okm = Zeroizing::new([0; 36]);
        let (key, name) = okm.split_at_mut(32);
        let hkdf = Hkdf::<Sha256>::new(None, secret.bytes());
        // HKDF refuses more than 255 blocks, HMAC no length at all: neither can happen with these sizes.
        hkdf.expand_multi_info(&[label, b" key"], key).expect("32 bytes are fewer than 255 blocks");
        hkdf.expand_multi_info(&[label, b" name"], name).expect("4 bytes are fewer than 255 blocks");
        Self {
            state: Hmac::new_from_slice(key).expect("HMAC takes a key of any length"),
            name: [name[0], name[1], name[2], name[3]],
        }
    }

    /// A fresh MAC under this key.
    pub(super) fn mac(&self) -> Hmac<Sha256> {
        self.state.clone()
    }

    /// Tells this key from others with the same purpose; gives nothing away about it.
    pub(super) fn name(&self) -> [u8; 4] {
        self.name
    }
}

impl fmt::Debug for MacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Derives the run id that Sim is asked to claim, so that one idempotency key means one run, on any instance.
///
/// Only the oldest secret is used: instances then agree while a newer one is being added.
pub struct RunIds {
    key: MacKey,
    /// Makes the automatic keys of this process its own.
    seed: [u8; 16],
    count: AtomicU64,
}

impl RunIds {
    /// # Errors
    /// No random bytes to be had.
    pub fn new(roots: &RootKeys) -> Result<Self, KeyError> {
        Ok(Self { key: MacKey::derive(&roots.oldest, RUN_ID_LABEL), seed: random_bytes()?, count: AtomicU64::new(0) })
    }

    /// The run id for this owner, flow and idempotency key: 128 bits of a MAC over `run/1` and the three, each with its
    /// length before it, as `sa1-` and 32 hex digits. Valid as `X-Run-Id` and `X-Execution-Id`.
    pub fn derive(&self, owner: &Owner, flow: &FlowId, idempotency_key: &str) -> SimRunId {
        let mut mac = self.key.mac();
        feed_prefixed(&mut mac, b"run/1");
        owner.feed(&mut mac);
        feed_prefixed(&mut mac, flow.as_str().as_bytes());
        feed_prefixed(&mut mac, idempotency_key.as_bytes());
        SimRunId::derived(&truncated(mac))
    }

    /// A key for a call that brought none: no other call, of any process, gets the same.
    pub fn fresh_key(&self) -> String {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let mut key = hex::text(&self.seed);
        hex::push(&mut key, &count.to_be_bytes());
        key
    }
}

impl fmt::Debug for RunIds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// The first 128 bits of a MAC.
pub(super) fn truncated(mac: Hmac<Sha256>) -> [u8; 16] {
    let full = full(mac);
    std::array::from_fn(|i| full[i])
}

/// All of a MAC.
pub(super) fn full(mac: Hmac<Sha256>) -> [u8; 32] {
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roots(secrets: &[u8]) -> RootKeys {
        RootKeys::new(secrets.iter().map(|byte| Secret::new([*byte; 32])).collect()).unwrap()
    }

    fn run_ids(secrets: &[u8]) -> RunIds {
        RunIds::new(&roots(secrets)).unwrap()
    }

    fn flow() -> FlowId {
        FlowId::parse("wf-1").unwrap()
    }

    fn ann() -> Owner {
        Owner::new(Some("t"), Some("ann"))
    }

    #[test]
    fn a_short_secret_is_refused_with_its_position() {
        let secrets = vec![Secret::new([1; 32]), Secret::new([2; 31])];
        assert_eq!(RootKeys::new(secrets).unwrap_err(), KeyError::TooShort(1));
    }

    #[test]
    fn without_a_secret_every_process_has_other_keys() {
        let (one, other) = (RootKeys::new(vec![]).unwrap(), RootKeys::new(vec![]).unwrap());
        assert!(one.is_random() && !roots(&[1]).is_random());
        let derive = |roots: &RootKeys| RunIds::new(roots).unwrap().derive(&ann(), &flow(), "k");
        assert_ne!(derive(&one), derive(&other));
        assert_eq!(derive(&one), derive(&one));
    }

    #[test]
    fn no_debug_output_shows_a_secret() {
        let roots = RootKeys::new(vec![Secret::new(*b"a-very-secret-root-of-32-bytes!!")]).unwrap();
        let seen = format!("{roots:?} {:?} {:?}", RunIds::new(&roots).unwrap(), roots.handle_keys());
        assert!(seen.contains("***") && !seen.contains("very") && !seen.contains("97, 45"), "{seen}");
    }

    #[test]
    fn a_dropped_key_is_wiped() {
        fn wiped<T: zeroize::ZeroizeOnDrop>() {}
        wiped::<Zeroizing<Vec<u8>>>();
        // What an HMAC state is made of: two of these.
        wiped::<<Sha256 as hmac::digest::block_api::CoreProxy>::Core>();
    }

    #[test]
    fn the_same_key_is_the_same_run_on_every_instance() {
        assert_eq!(run_ids(&[1]).derive(&ann(), &flow(), "k"), run_ids(&[1]).derive(&ann(), &flow(), "k"));
    }

    #[test]
    fn adding_a_secret_on_one_of_two_instances_keeps_run_ids_equal() {
        assert_eq!(run_ids(&[1]).derive(&ann(), &flow(), "k"), run_ids(&[2, 1]).derive(&ann(), &flow(), "k"));
    }

    #[test]
    fn a_run_id_differs_with_tenant_user_flow_key_and_secret() {
        let ids = run_ids(&[1]);
        let derive = |tenant: Option<&str>, user: Option<&str>, flow: &str, key: &str| {
            ids.derive(&Owner::new(tenant, user), &FlowId::parse(flow).unwrap(), key).to_string()
        };
        let all = [
            derive(Some("t"), Some("u"), "f", "k"),
            derive(Some("t2"), Some("u"), "f", "k"),
            derive(None, Some("u"), "f", "k"),
            derive(Some(""), Some("u"), "f", "k"),
            derive(Some("t"), Some("u2"), "f", "k"),
            derive(Some("t"), None, "f", "k"),
            derive(Some("t"), Some(""), "f", "k"),
            derive(Some("tu"), Some(""), "f", "k"),
            derive(Some("t\u{1}u"), Some("v"), "f", "k"),
            derive(Some("t"), Some("u\u{1}v"), "f", "k"),
            derive(Some("t"), Some("uf"), "k", "k"),
            derive(Some("t"), Some("u"), "fk", ""),
            derive(Some("t"), Some("u"), "f2", "k"),
            derive(Some("t"), Some("u"), "f", "k2"),
            run_ids(&[2]).derive(&Owner::new(Some("t"), Some("u")), &FlowId::parse("f").unwrap(), "k").to_string(),
        ];
        let distinct: std::collections::HashSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
        assert!(all.iter().all(|id| SimRunId::parse(id).is_ok() && id.len() == 36));
    }

    #[test]
    fn a_fresh_key_comes_once() {
        let (one, other) = (run_ids(&[1]), run_ids(&[1]));
        let keys: std::collections::HashSet<_> = (0..1000).flat_map(|_| [one.fresh_key(), other.fresh_key()]).collect();
        assert_eq!(keys.len(), 2000);
    }
}
