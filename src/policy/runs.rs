//! Runs per day and runs at the same time, in this process's memory. Knows neither plans nor Redis.

use std::collections::{HashMap, HashSet};
use std::mem;
use std::time::Duration;

use super::clock::{Clock, DAY_MS, to_midnight};
use super::generations::Generations;
use super::key::{Key, KeyHasher};
use super::rate::RateVerdict;
use super::verdict::{RunLimits, Verdict};

pub(crate) struct Runs {
    users: Generations<UserRuns>,
    clock: Clock,
}

/// Run ids are kept through the day after theirs, so that a replay across midnight is still known as one.
#[derive(Default)]
struct UserRuns {
    day: u64,
    today: HashSet<Key, KeyHasher>,
    yesterday: HashSet<Key, KeyHasher>,
    /// Run → when its lease ends, on the monotonic clock, in milliseconds.
    leases: HashMap<Key, u64, KeyHasher>,
}

impl Runs {
    /// `longest_lease`: the longest of all plans.
    pub(crate) fn new(longest_lease: Duration, clock: Clock) -> Runs {
        let memory = longest_lease.max(Duration::from_millis(2 * DAY_MS));
        let period_ns = u64::try_from(memory.as_nanos()).unwrap_or(u64::MAX);
        Runs { users: Generations::new(period_ns, clock.clone()), clock }
    }

    /// Day, slots, then `rate`; only if all three admit is anything taken.
    pub(crate) fn claim(
        &self,
        user: Key,
        run: Key,
        limits: RunLimits,
        rate: impl FnOnce() -> Option<RateVerdict>,
    ) -> Verdict {
        let (unix_ms, now_ms) = (self.clock.unix_ms(), self.now_ms());
        self.users.with(user, |runs| {
            runs.turn_to(unix_ms / DAY_MS);
            runs.leases.retain(|_, end| *end > now_ms);
            let replay = runs.knows(run);
            if !replay {
                if limits.per_day.is_some_and(|most| runs.today.len() >= most as usize) {
                    return Verdict::PerDay { wait: to_midnight(unix_ms) };
                }
                if limits.slots.is_some_and(|slots| runs.leases.len() >= slots.count as usize) {
                    let first_end = runs.leases.values().min().copied().unwrap_or(now_ms);
                    return Verdict::Slots { wait: Duration::from_millis(first_end - now_ms) };
                }
            }
            let verdict = Verdict::of_rate(rate(), replay);
            if verdict.is_new_run() {
                if limits.per_day.is_some() {
                    runs.today.insert(run);
                }
                if let Some(slots) = limits.slots {
                    let lease_ms = u64::try_from(slots.lease.as_millis()).unwrap_or(u64::MAX);
                    runs.leases.insert(run, now_ms.saturating_add(lease_ms));
                }
            }
            verdict
        })
    }

    /// Frees the run's slot. The day's count stays.
    pub(crate) fn release(&self, user: Key, run: Key) {
        self.users.with_existing(user, |runs| {
            runs.leases.remove(&run);
        });
    }

    /// Gives back all that the run took: it never started.
    pub(crate) fn refund(&self, user: Key, run: Key) {
        self.users.with_existing(user, |runs| {
            runs.leases.remove(&run);
            runs.today.remove(&run);
            runs.yesterday.remove(&run);
        });
    }

    fn now_ms(&self) -> u64 {
        self.clock.monotonic() / 1_000_000
    }
}

impl UserRuns {
    /// A wall clock that steps back over midnight finds the day unchanged: nobody's quota starts anew twice.
    fn turn_to(&mut self, day: u64) {
        if day > self.day {
            let ended = mem::take(&mut self.today);
            self.yesterday = if day == self.day + 1 { ended } else { HashSet::default() };
            self.day = day;
        }
    }

    fn knows(&self, run: Key) -> bool {
        self.today.contains(&run) || self.yesterday.contains(&run) || self.leases.contains_key(&run)
    }
}

impl Verdict {
    fn is_new_run(&self) -> bool {
        matches!(self, Verdict::Admitted { replay: false, .. })
    }
}
