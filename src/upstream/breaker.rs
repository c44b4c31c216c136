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
    /// The number of the call that is trying again.
    trial: Option<u64>,
    /// How many have tried so far.
    trials: u64,
}

/// One call's leave to go out. Whoever drops it has shown nothing: if it was the one that tried, another may.
#[derive(Debug)]
#[must_use]
pub(super) struct Pass<'a> {
    breaker: &'a Breaker,
    /// Which trial it is. Calls that went out while the circuit was closed are none.
    trial: Option<u64>,
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
    pub(super) fn admit(&self, now: Instant) -> Result<Pass<'_>, Duration> {
        let mut state = self.lock();
        let Some(until) = state.open_until else { return Ok(Pass { breaker: self, trial: None }) };
        if now < until {
            return Err(until - now);
        }
        if state.trial.is_some() {
            return Err(Duration::from_secs(1));
        }
        state.trials += 1;
        state.trial = Some(state.trials);
        Ok(Pass { breaker: self, trial: state.trial })
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

impl Pass<'_> {
    /// Sim has answered: whichever call says so, the circuit is closed. Whether this ends an outage.
    pub(super) fn succeeded(self) -> bool {
        let mut state = self.breaker.lock();
        let trials = state.trials;
        std::mem::replace(&mut *state, State { trials, ..State::default() }).open_until.is_some()
    }

    /// Nobody has answered. A call that went out before the circuit opened tells nothing new, and ends no other's trial.
    /// Whether this begins an outage: the circuit opens, and was closed.
    pub(super) fn failed(self, now: Instant) -> bool {
        let mut state = self.breaker.lock();
        if state.open_until.is_none() {
            state.failures = state.failures.saturating_add(1);
        }
        let opens = state.open_until.is_none() && state.failures >= THRESHOLD;
        if opens || self.is_trial(&state) {
            state.open_until = Some(now + self.breaker.open);
            state.trial = None;
        }
        opens
    }

    fn is_trial(&self, state: &State) -> bool {
        self.trial.is_some() && self.trial == state.trial
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if self.trial.is_none() {
            return;
        }
        let mut state = self.breaker.lock();
        if self.is_trial(&state) {
            state.trial = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN: Duration = Duration::from_secs(10);

    fn fail(breaker: &Breaker, times: u32, now: Instant) {
        for _ in 0..times {
            breaker.admit(now).unwrap().failed(now);
        }
    }

    #[test]
    fn it_opens_after_failures_in_a_row_and_lets_one_call_try_again() {
        let breaker = Breaker::new(OPEN);
        let start = Instant::now();
        fail(&breaker, THRESHOLD - 1, start);
        assert!(!breaker.admit(start).unwrap().succeeded());
        fail(&breaker, THRESHOLD - 1, start);
        let fifth = breaker.admit(start).expect("a success starts the count again");
        assert!(fifth.failed(start), "opening is news");
        assert_eq!(breaker.admit(start).unwrap_err(), OPEN);
        assert_eq!(breaker.circuit(start), Circuit::Open);
        let later = start + OPEN;
        assert_eq!(breaker.circuit(later), Circuit::HalfOpen);
        let trial = breaker.admit(later).unwrap();
        assert!(breaker.admit(later).is_err(), "only one call tries");
        drop(trial);
        let again = breaker.admit(later).expect("another tries when the first brought no proof");
        assert!(!again.failed(later), "staying open is none");
        assert_eq!(breaker.circuit(later), Circuit::Open);
        assert!(breaker.admit(later + OPEN).unwrap().succeeded(), "closing is news");
        assert_eq!(breaker.circuit(later + OPEN), Circuit::Closed);
    }

    #[test]
    fn only_its_own_call_ends_a_trial() {
        let breaker = Breaker::new(OPEN);
        let start = Instant::now();
        let [undecided, failing, answered] = [0; 3].map(|_| breaker.admit(start).unwrap());
        fail(&breaker, THRESHOLD, start);
        let later = start + OPEN;
        let trial = breaker.admit(later).unwrap();
        drop(undecided);
        assert!(breaker.admit(later).is_err(), "a late call without a result lets no second one try");
        failing.failed(later);
        assert_eq!(breaker.circuit(later), Circuit::HalfOpen, "a late failure does not end the trial");
        assert!(breaker.admit(later).is_err());
        answered.succeeded();
        assert_eq!(breaker.circuit(later), Circuit::Closed, "a late answer is an answer");
        fail(&breaker, THRESHOLD, later);
        let next = breaker.admit(later + OPEN).unwrap();
        drop(trial);
        assert!(breaker.admit(later + OPEN).is_err(), "an earlier trial is not this one");
        next.succeeded();
        assert_eq!(breaker.circuit(later + OPEN), Circuit::Closed);
    }
}
