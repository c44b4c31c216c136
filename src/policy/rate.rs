//! The rate of one key: GCRA by `governor` over memory that forgets idle keys. Knows neither users nor plans.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::middleware::StateInformationMiddleware;
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::{Quota, RateLimiter};

use super::clock::Clock;
use super::generations::Generations;
use super::key::Key;

/// `max` requests at once, refilled evenly over `window`: over any one window at most 2 × `max` pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    max: NonZeroU32,
    minutes: u32,
}

impl Rate {
    /// The largest `max`: at one minute a request then refills in 600 µs, far above the microsecond it is rounded to.
    pub const LARGEST_MAX: u32 = 100_000;
    /// The longest window in minutes: a week.
    pub const LONGEST_WINDOW: u32 = 7 * 24 * 60;

    /// `None` unless `max` is 1 to [`Rate::LARGEST_MAX`] and `minutes` 1 to [`Rate::LONGEST_WINDOW`].
    pub fn new(max: u32, minutes: u32) -> Option<Rate> {
        let max = NonZeroU32::new(max).filter(|max| max.get() <= Rate::LARGEST_MAX)?;
        (1..=Rate::LONGEST_WINDOW).contains(&minutes).then_some(Rate { max, minutes })
    }

    pub fn max(&self) -> u32 {
        self.max.get()
    }

    pub fn window(&self) -> Duration {
        Duration::from_secs(60 * u64::from(self.minutes))
    }

    /// The time in which one request refills, rounded up to a microsecond so that a window never refills more than `max`.
    pub(crate) fn refill(&self) -> Duration {
        let window_us = 60_000_000 * u64::from(self.minutes);
        Duration::from_micros(window_us.div_ceil(u64::from(self.max())))
    }

    /// The time in which a used-up burst is whole again: the window, and what the rounding adds.
    pub(crate) fn refill_all(&self) -> Duration {
        self.refill() * self.max()
    }
}

/// What a rate said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RateVerdict {
    Admitted {
        remaining: u32,
    },
    /// `wait`: until one request is admitted again.
    Refused {
        rate: Rate,
        wait: Duration,
    },
}

/// The theoretical arrival times of all keys, in nanoseconds. Zero, the default, means a full burst.
pub(crate) struct Arrivals(Generations<u64>);

impl Arrivals {
    /// A key idle for the longest [`Rate::refill_all`] has its full burst again: forgetting it then changes no decision.
    pub(crate) fn new(longest_refill: Duration, clock: Clock) -> Arrivals {
        Arrivals(Generations::new(u64::try_from(longest_refill.as_nanos()).unwrap_or(u64::MAX), clock))
    }

    /// Keys held now.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

struct Store(Arc<Arrivals>);

impl StateStore for Store {
    type Key = Key;

    fn measure_and_replace<T, F, E>(&self, key: &Key, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        self.0.0.with(*key, |arrival| {
            let (outcome, next) = decide(Some((*arrival).into()))?;
            *arrival = next.as_u64();
            Ok(outcome)
        })
    }
}

pub(crate) struct Limiter {
    pub(crate) rate: Rate,
    governor: RateLimiter<Key, Store, Clock, StateInformationMiddleware>,
}

impl Limiter {
    /// `None` if the rate cannot be expressed, which [`Rate::new`] rules out.
    pub(crate) fn new(rate: Rate, arrivals: &Arc<Arrivals>, clock: &Clock) -> Option<Limiter> {
        let quota = Quota::with_period(rate.refill())?.allow_burst(rate.max);
        let governor = RateLimiter::new(quota, Store(Arc::clone(arrivals)), clock.clone());
        Some(Limiter { rate, governor })
    }

    /// Takes one request from the key's burst, or nothing.
    pub(crate) fn take(&self, key: Key) -> RateVerdict {
        match self.governor.check_key(&key) {
            Ok(snapshot) => RateVerdict::Admitted { remaining: snapshot.remaining_burst_capacity() },
            Err(not_until) => {
                let now = governor::clock::Clock::now(self.governor.clock());
                RateVerdict::Refused { rate: self.rate, wait: not_until.wait_time_from(now) }
            }
        }
    }
}
