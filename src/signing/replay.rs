//! Remembers which requests were seen, until none of them could be accepted again. Knows nothing of signatures.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};
use std::future::{Future, ready};
use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};

use super::error::Refusal;

/// A request that was accepted: its name, and how long it could be replayed (seconds since 1970).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplayEntry<'a> {
    /// `keyid:nonce`, at most 141 printable characters.
    pub key: &'a str,
    pub until: u64,
}

/// Where entries are remembered. A store that cannot tell must refuse.
pub trait ReplayStore: Send + Sync {
    /// Remembers `entry` until its time has passed. `Replayed` when it is known already.
    fn claim(&self, entry: ReplayEntry<'_>, now: u64) -> impl Future<Output = Result<(), Refusal>> + Send;
}

type Fingerprint = [u8; 16];

/// The memory of one process, with room for a fixed number of entries. When all of them are live it refuses new ones:
/// forgetting one would allow its replay.
#[derive(Debug)]
pub struct ReplayMemory {
    capacity: usize,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    fingerprints: HashSet<Fingerprint>,
    by_time: BinaryHeap<Reverse<(u64, Fingerprint)>>,
}

impl ReplayMemory {
    /// Room for this many entries; memory is taken as they come, about 64 bytes each.
    pub fn new(capacity: usize) -> Self {
        Self { capacity, seen: Mutex::default() }
    }

    /// [`ReplayStore::claim`] without waiting.
    pub fn claim_now(&self, entry: ReplayEntry<'_>, now: u64) -> Result<(), Refusal> {
        // A fixed size per entry keeps the bound one of bytes, whatever the nonces are.
        let hash = Sha256::digest(entry.key);
        let fingerprint = *hash.first_chunk::<16>().ok_or(Refusal::ReplayStoreUnavailable)?;
        // Every change below leaves the two collections in step, so that a poisoned lock holds sound data.
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(Reverse((until, old))) = seen.by_time.peek().copied() {
            if until >= now {
                break;
            }
            seen.by_time.pop();
            seen.fingerprints.remove(&old);
        }
        if seen.fingerprints.contains(&fingerprint) {
            return Err(Refusal::Replayed);
        }
        if seen.fingerprints.len() >= self.capacity {
            return Err(Refusal::ReplayStoreFull);
        }
        seen.fingerprints.insert(fingerprint);
        seen.by_time.push(Reverse((entry.until, fingerprint)));
        Ok(())
    }
}

impl ReplayStore for ReplayMemory {
    fn claim(&self, entry: ReplayEntry<'_>, now: u64) -> impl Future<Output = Result<(), Refusal>> + Send {
        ready(self.claim_now(entry, now))
    }
}
