//! When to try again, and after how long: a budget so that retries never multiply an outage, and jittered backoff.

use std::sync::Mutex;
use std::time::Duration;

/// Tries of one call, the first included.
pub(super) const MAX_TRIES: u32 = 4;

/// Retries allowed beyond those earned, so that a quiet server can retry at all.
const RESERVE: f32 = 20.0;
/// What each first try earns.
const EARNED_PER_CALL: f32 = 0.2;

/// Lets about one retry go out for every five calls.
#[derive(Debug)]
pub(super) struct Budget(Mutex<f32>);

impl Default for Budget {
    fn default() -> Self {
        Self(Mutex::new(RESERVE))
    }
}

impl Budget {
    /// Counts a first try.
    pub(super) fn earn(&self) {
        let mut left = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *left = (*left + EARNED_PER_CALL).min(RESERVE);
    }

    /// Takes one retry, if one is left.
    pub(super) fn spend(&self) -> bool {
        let mut left = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let enough = *left >= 1.0;
        if enough {
            *left -= 1.0;
        }
        enough
    }
}

/// The wait before try `next` (2, 3, …): doubling from 50 ms, half of it random so that callers spread out.
pub(super) fn backoff(next: u32) -> Duration {
    let full = 50u64 << next.saturating_sub(2).min(5);
    let mut random = [0u8; 2];
    // Without randomness the wait is only less spread.
    let _ = getrandom::fill(&mut random);
    let share = u64::from(u16::from_be_bytes(random)) * (full / 2) / u64::from(u16::MAX);
    Duration::from_millis(full / 2 + share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_run_out_and_are_earned_back_slowly() {
        let budget = Budget::default();
        assert_eq!((0..100).filter(|_| budget.spend()).count(), RESERVE as usize);
        for _ in 0..11 {
            budget.earn();
        }
        assert_eq!((0..100).filter(|_| budget.spend()).count(), 2);
    }

    #[test]
    fn the_wait_doubles_and_stays_within_its_bounds() {
        for next in 2..10 {
            let full = Duration::from_millis(50 << (next - 2).min(5));
            let wait = backoff(next);
            assert!(wait >= full / 2 && wait <= full, "{next}: {wait:?}");
        }
    }
}
