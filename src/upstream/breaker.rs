//! A circuit breaker: after several failures in a row nothing is sent for a while, then one call tries again.
//! It counts what it is told, and must not know what a failure is.

use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Failures in a row that open the circuit.
const THRESHOLD: u32 = 5;

#[derive(Debug)]
pub(super) struct Breaker {
    /// How long it stays open before one call may try.
    open: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    failures: u32,
    open_until: Option<Instant>,
    /// Since when one call has been trying again. It counts as lost after as long again, in case it was dropped.
    trial: Option<Instant>,
}

/// What the circuit is doing, as `/health` shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Circuit {
    Closed,
    Open,
    HalfOpen,
}

impl Circuit {
    pub fn as_str(self) -> &'static str {
        match self {
            Circuit::Closed => "closed",
            Circuit::Open => "open",
            Circuit::HalfOpen => "half_open",
        }
    }
}

impl Breaker {
    pub(super) fn new(open: Duration) -> Self {
        Self { open, state: Mutex::default() }
    }

    /// Whether a call may go out now; `Err` says after how long to ask again.
    pub(super) fn admit(&self, now: Instant) -> Result<(), Duration> {
        let mut state = self.lock();
        let Some(until) = state.open_until else { return Ok(()) };
        if now < until {
            return Err(until - now);
        }
        match state.trial {
            Some(since) if now < since + self.open => Err(Duration::from_secs(1)),
            _ => {
                state.trial = Some(now);
                Ok(())
            }
        }
    }

    /// Whether this ends an outage.
    pub(super) fn succeeded(&self) -> bool {
        std::mem::take(&mut *self.lock()).open_until.is_some()
    }

    /// Whether this begins an outage: the circuit opens, and was closed.
    pub(super) fn failed(&self, now: Instant) -> bool {
        let mut state = self.lock();
        state.failures = state.failures.saturating_add(1);
        if state.trial.is_none() && state.failures < THRESHOLD {
            return false;
        }
        state.trial = None;
        state.open_until.replace(now + self.open).is_none()
    }

    /// A call that showed neither: if it was the one that tried, another may.
    pub(super) fn undecided(&self) {
        self.lock().trial = None;
    }

    pub(super) fn circuit(&self, now: Instant) -> Circuit {
        match self.lock().open_until {
            None => Circuit::Closed,
            Some(until) if now < until => Circuit::Open,
            Some(_) => Circuit::HalfOpen,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        // A panic while counting leaves a count, which is still a count.
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN: Duration = Duration::from_secs(10);

    #[test]
    fn it_opens_after_failures_in_a_row_and_lets_one_call_try_again() {
        let breaker = Breaker::new(OPEN);
        let start = Instant::now();
        for _ in 0..THRESHOLD - 1 {
            assert!(!breaker.failed(start));
        }
        assert!(!breaker.succeeded());
        assert!(breaker.admit(start).is_ok(), "a success starts the count again");
        let news: Vec<bool> = (0..=THRESHOLD).map(|_| breaker.failed(start)).collect();
        assert_eq!(news, [false, false, false, false, true, false], "opening is news once");
        assert_eq!(breaker.admit(start), Err(OPEN));
        assert_eq!(breaker.circuit(start), Circuit::Open);
        let later = start + OPEN;
        assert_eq!(breaker.circuit(later), Circuit::HalfOpen);
        assert!(breaker.admit(later).is_ok());
        assert!(breaker.admit(later).is_err(), "only one call tries");
        breaker.undecided();
        assert!(breaker.admit(later).is_ok(), "another tries when the first brought no proof");
        assert!(!breaker.failed(later), "staying open is no news");
        assert_eq!(breaker.circuit(later), Circuit::Open);
        assert!(breaker.admit(later + OPEN).is_ok());
        assert!(breaker.succeeded(), "closing is news");
        assert_eq!(breaker.circuit(later + OPEN), Circuit::Closed);
    }

    #[test]
    fn a_trial_that_was_dropped_does_not_keep_it_open_for_ever() {
        let breaker = Breaker::new(OPEN);
        let start = Instant::now();
        for _ in 0..THRESHOLD {
            breaker.failed(start);
        }
        assert!(breaker.admit(start + OPEN).is_ok());
        assert!(breaker.admit(start + OPEN + OPEN).is_ok());
    }
}
