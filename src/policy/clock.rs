//! The time as the limits see it. A frozen clock lets a test, or several processes of one test, stand at one moment.
//! Knows nothing of limits.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use governor::nanos::Nanos;

pub(crate) const DAY_MS: u64 = 86_400_000;

/// Where the limits read the time: the system's clocks, or one that stands still.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System(Instant),
    Frozen(Arc<AtomicU64>),
}

impl Clock {
    /// The system's clocks: a monotonic one for rates and leases, UTC for days.
    pub fn system() -> Clock {
        Clock(Source::System(Instant::now()))
    }

    /// Nanoseconds that only ever grow, from an arbitrary start: a step of the wall clock gives nobody a fresh burst.
    pub(crate) fn monotonic(&self) -> u64 {
        match &self.0 {
            Source::System(start) => u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX),
            Source::Frozen(nanos) => nanos.load(Ordering::Relaxed),
        }
    }

    /// Milliseconds since 1970 in UTC.
    pub(crate) fn unix_ms(&self) -> u64 {
        match &self.0 {
            Source::System(_) => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX)),
            Source::Frozen(nanos) => nanos.load(Ordering::Relaxed) / 1_000_000,
        }
    }

    /// Microseconds since 1970 to be used instead of the Redis server's own time; `None`: the server's.
    pub(crate) fn server_override_us(&self) -> Option<u64> {
        match &self.0 {
            Source::System(_) => None,
            Source::Frozen(nanos) => Some(nanos.load(Ordering::Relaxed) / 1_000),
        }
    }
}

impl governor::clock::Clock for Clock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        self.monotonic().into()
    }
}

/// A clock that stands still until it is told to go on.
#[derive(Clone, Debug)]
pub struct FrozenClock(Arc<AtomicU64>);

impl FrozenClock {
    /// Stands at `unix_ms` milliseconds after 1970.
    pub fn at(unix_ms: u64) -> FrozenClock {
        FrozenClock(Arc::new(AtomicU64::new(unix_ms.saturating_mul(1_000_000))))
    }

    /// A [`Clock`] that shows this time, now and after each step.
    pub fn clock(&self) -> Clock {
        Clock(Source::Frozen(Arc::clone(&self.0)))
    }

    pub fn advance(&self, by: Duration) {
        let nanos = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
        self.0.fetch_add(nanos, Ordering::Relaxed);
    }
}

/// Milliseconds from `unix_ms` to the next midnight in UTC.
pub(crate) fn to_midnight(unix_ms: u64) -> Duration {
    Duration::from_millis(DAY_MS - unix_ms % DAY_MS)
}

/// RFC 3339 in UTC with milliseconds, for years 1970 to 9999.
pub fn rfc3339(unix_ms: u64) -> String {
    let (year, month, day) = civil(unix_ms / DAY_MS);
    let ms = unix_ms % DAY_MS;
    let (hour, minute, second) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", ms % 1_000)
}

/// The Gregorian date of the n-th day after 1970-01-01. Years are counted from March, so that a leap day is a year's last.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_as_rfc_3339() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(951_782_399_999), "2000-02-28T23:59:59.999Z");
        assert_eq!(rfc3339(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(rfc3339(1_709_251_200_000), "2024-03-01T00:00:00.000Z");
        assert_eq!(rfc3339(4_107_542_400_001), "2100-03-01T00:00:00.001Z");
    }

    #[test]
    fn a_day_ends_at_midnight_utc() {
        assert_eq!(to_midnight(DAY_MS * 3), Duration::from_millis(DAY_MS));
        assert_eq!(to_midnight(DAY_MS * 3 - 1), Duration::from_millis(1));
    }
}
