//! A client's `Idempotency-Key` (IETF draft-ietf-httpapi-idempotency-key-header), and a bounded memory of what was
//! asked under it. The memory only adds to what a claimed run id already guarantees; it may forget.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use super::SimRunId;

/// The longest key, in bytes.
const MAX_KEY: usize = 255;
/// How long a request is remembered.
const REMEMBERED: Duration = Duration::from_secs(24 * 3600);
/// How many are, at the most: about 10 MB.
const CAPACITY: usize = 65_536;

/// A key as the client sent it: visible ASCII, a Structured Fields string or bare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key(String);

impl Key {
    /// `None` when `header` is not a key.
    pub fn parse(header: &str) -> Option<Self> {
        let text = header.trim();
        let text = match text.strip_prefix('"') {
            // Quotes inside would need escapes; no client writes such a key.
            Some(rest) => rest.strip_suffix('"').filter(|inner| !inner.contains(['"', '\\']))?,
            None => text,
        };
        let valid = (1..=MAX_KEY).contains(&text.len()) && text.bytes().all(|b| (0x20..0x7f).contains(&b));
        valid.then(|| Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a request asked for, without keeping it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint([u8; 16]);

impl Fingerprint {
    pub fn of(body: &[u8]) -> Self {
        let full = Sha256::digest(body);
        Self(std::array::from_fn(|i| full[i]))
    }

    pub fn to_text(self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }
}

/// What the memory knows of a request that comes with a client's key.
#[derive(Debug, PartialEq, Eq)]
pub enum Seen {
    /// Nothing.
    New,
    /// The same request came before; `Some` is the run it started, where that is known.
    Before(Option<SimRunId>),
    /// The key came before with another request.
    OtherRequest,
}

struct Entry {
    fingerprint: Fingerprint,
    at: Instant,
    started: Option<SimRunId>,
}

#[derive(Default)]
struct Entries {
    by_id: HashMap<SimRunId, Entry>,
    oldest_first: VecDeque<SimRunId>,
}

/// Requests of this process, by the run id that their key stands for.
#[derive(Default)]
pub struct Memory(Mutex<Entries>);

impl Memory {
    /// Looks `id` up and remembers it.
    pub fn begin(&self, id: &SimRunId, fingerprint: Fingerprint, now: Instant) -> Seen {
        let mut entries = self.lock();
        if let Some(entry) = entries.by_id.get(id)
            && now.saturating_duration_since(entry.at) < REMEMBERED
        {
            return if entry.fingerprint == fingerprint {
                Seen::Before(entry.started.clone())
            } else {
                Seen::OtherRequest
            };
        }
        let fresh = entries.by_id.insert(id.clone(), Entry { fingerprint, at: now, started: None }).is_none();
        if fresh {
            entries.oldest_first.push_back(id.clone());
        }
        if entries.oldest_first.len() > CAPACITY
            && let Some(oldest) = entries.oldest_first.pop_front()
        {
            entries.by_id.remove(&oldest);
        }
        Seen::New
    }

    /// Remembers which run a request started, for generations that give runs their own ids.
    pub fn started(&self, id: &SimRunId, run: &SimRunId) {
        if let Some(entry) = self.lock().by_id.get_mut(id) {
            entry.started = Some(run.clone());
        }
    }

    /// Forgets a request that certainly started nothing, so that it may be mended and sent again under its key.
    pub fn forget(&self, id: &SimRunId) {
        // Its place in the queue stays: what is left there of it goes with the rest.
        self.lock().by_id.remove(id);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> SimRunId {
        SimRunId::parse(text).unwrap()
    }

    #[test]
    fn a_key_is_visible_ascii_quoted_or_bare() {
        assert_eq!(Key::parse("\"a b\""), Key::parse("a b"));
        for bad in ["", " ", "\"\"", "\"a", "a\u{7f}", "ä", &"x".repeat(256), "\"a\"b\""] {
            assert_eq!(Key::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn the_same_key_with_another_body_is_told_apart() {
        let (memory, now) = (Memory::default(), Instant::now());
        let (one, other) = (Fingerprint::of(b"1"), Fingerprint::of(b"2"));
        assert_eq!(memory.begin(&id("a"), one, now), Seen::New);
        assert_eq!(memory.begin(&id("a"), one, now), Seen::Before(None));
        assert_eq!(memory.begin(&id("a"), other, now), Seen::OtherRequest);
        memory.started(&id("a"), &id("run"));
        assert_eq!(memory.begin(&id("a"), one, now), Seen::Before(Some(id("run"))));
        assert_eq!(memory.begin(&id("a"), other, now + REMEMBERED), Seen::New);
        memory.forget(&id("a"));
        assert_eq!(memory.begin(&id("a"), one, now), Seen::New);
    }

    #[test]
    fn the_memory_is_bounded() {
        let (memory, now) = (Memory::default(), Instant::now());
        for number in 0..CAPACITY + 10 {
            memory.begin(&id(&format!("r{number}")), Fingerprint::of(b""), now);
        }
        let entries = memory.lock();
        assert_eq!((entries.by_id.len(), entries.oldest_first.len()), (CAPACITY, CAPACITY));
    }
}
