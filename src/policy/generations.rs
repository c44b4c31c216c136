//! A concurrent map that forgets what nobody touched for a period, without ever sweeping. Knows neither rates nor runs.
//!
//! Each shard holds two maps. A new key goes into the young one; a key found in the old one moves over. When a period has
//! passed, and a new key comes, the old map is dropped whole and the young one becomes the old one. So a key lives at
//! least one period after its last use, the caller never pays for more than one shard, and there is no timer.

use std::collections::HashMap;
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::clock::Clock;
use super::key::{Key, KeyHasher};

/// Many small maps: the growth of one, which copies it, is then the longest pause a caller can meet.
const SHARDS: usize = 1_024;

/// The bound on memory when keys arrive faster than they age: 1,024 × 2 × 4,096 keys. Past it the oldest go early.
const KEYS_PER_GENERATION: usize = 4_096;

type Map<V> = HashMap<Key, V, KeyHasher>;

pub(crate) struct Generations<V> {
    shards: Vec<Mutex<Shard<V>>>,
    period_ns: u64,
    clock: Clock,
}

struct Shard<V> {
    young: Map<V>,
    old: Map<V>,
    turned_ns: u64,
}

impl<V: Default> Generations<V> {
    pub(crate) fn new(period_ns: u64, clock: Clock) -> Generations<V> {
        let turned_ns = clock.monotonic();
        let shard = || Mutex::new(Shard { young: Map::default(), old: Map::default(), turned_ns });
        Generations { shards: (0..SHARDS).map(|_| shard()).collect(), period_ns, clock }
    }

    /// Works on the key's value, a default one if there is none, under the shard's lock.
    pub(crate) fn with<R>(&self, key: Key, work: impl FnOnce(&mut V) -> R) -> R {
        let mut shard = self.lock(key);
        if let Some(value) = shard.young.get_mut(&key) {
            return work(value);
        }
        let now = self.clock.monotonic();
        if now.saturating_sub(shard.turned_ns) >= self.period_ns || shard.young.len() >= KEYS_PER_GENERATION {
            shard.old = mem::take(&mut shard.young);
            shard.turned_ns = now;
        }
        let value = shard.old.remove(&key).unwrap_or_default();
        work(shard.young.entry(key).or_insert(value))
    }

    /// Works on the key's value if there is one.
    pub(crate) fn with_existing(&self, key: Key, work: impl FnOnce(&mut V)) {
        let mut shard = self.lock(key);
        let Shard { young, old, .. } = &mut *shard;
        if let Some(value) = young.get_mut(&key).or_else(|| old.get_mut(&key)) {
            work(value);
        }
    }

    /// Keys held now.
    pub(crate) fn len(&self) -> usize {
        let size = |shard: &Mutex<Shard<V>>| {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard.young.len() + shard.old.len()
        };
        self.shards.iter().map(size).sum()
    }

    fn lock(&self, key: Key) -> MutexGuard<'_, Shard<V>> {
        self.shards[key.shard() % SHARDS].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::clock::FrozenClock;
    use super::super::key::Keys;
    use super::*;

    const PERIOD: Duration = Duration::from_secs(60);

    fn store(time: &FrozenClock) -> Generations<u32> {
        Generations::new(PERIOD.as_nanos() as u64, time.clock())
    }

    #[test]
    fn a_value_lives_at_least_one_period_after_its_last_use() {
        let (time, keys) = (FrozenClock::at(0), Keys::new());
        let map = store(&time);
        for step in 0..200u32 {
            let kept = map.with(keys.key("kept"), |value| mem::replace(value, step + 1));
            assert_eq!(kept, step, "lost after {step} steps of just under a period");
            for other in 0..64 {
                map.with(keys.key((step, other)), |_| ());
            }
            time.advance(PERIOD - Duration::from_nanos(1));
        }
    }

    #[test]
    fn idle_keys_go_when_others_come() {
        let (time, keys) = (FrozenClock::at(0), Keys::new());
        let map = store(&time);
        for user in 0..100_000u32 {
            map.with(keys.key(user), |value| *value = 1);
        }
        assert_eq!(map.len(), 100_000);
        for round in 0..2 {
            time.advance(PERIOD);
            for user in 0..30_000u32 {
                map.with(keys.key((round, user)), |value| *value = 1);
            }
        }
        assert_eq!(map.len(), 60_000, "the idle 100,000 are gone");
        assert_eq!(map.with(keys.key(7u32), |value| *value), 0);
    }

    #[test]
    fn memory_is_bounded_when_keys_come_faster_than_they_age() {
        let time = FrozenClock::at(0);
        let map = store(&time);
        for name in 0..3 * KEYS_PER_GENERATION as u64 {
            map.with(Key::of_halves([name, 7]), |_| ());
        }
        assert_eq!(map.len(), 2 * KEYS_PER_GENERATION);
    }
}
