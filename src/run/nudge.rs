//! A word to pollers that it is worth looking now. It carries nothing else: what became of a run is read from Sim.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

/// Whose pollers are meant. Sim's ids, as text, so that a nudge can be passed on to other processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About<'a> {
    /// This run.
    Run(&'a str),
    /// Some run of this flow.
    Flow(&'a str),
    /// Some run, nobody knows which.
    Any,
}

/// What somebody says has moved: Sim's ids of a run and of its flow, as far as they are known. It is said to the other processes, too.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hint {
    pub run: Option<String>,
    pub flow: Option<String>,
}

/// How a nudged poller goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pace {
    /// The least time between two reads that nudges bring about, however many come.
    pub gap: Duration,
    /// The longest wait after them: what was announced may take a moment to happen.
    pub wait: Duration,
}

const LIKELY: Pace = Pace { gap: Duration::from_millis(250), wait: Duration::from_millis(250) };
/// All pollers look for what happened to one of them: seldom enough that Sim hardly feels it.
const GUESS: Pace = Pace { gap: Duration::from_millis(2500), wait: Duration::from_secs(1) };

/// One poller's nudges. Any number of them before it looks are one.
#[derive(Debug, Default)]
pub(super) struct Nudges {
    likely: Notify,
    guess: Notify,
    /// Whether another process polls the run: what is said to all, that one hears itself.
    elsewhere: AtomicBool,
}

impl Nudges {
    pub(super) fn give(&self, about: About<'_>) {
        match about {
            About::Run(_) | About::Flow(_) => self.likely.notify_one(),
            About::Any => self.guess.notify_one(),
        }
    }

    /// One that every process is given.
    pub(super) fn give_to_all(&self, about: About<'_>) {
        if !self.elsewhere.load(Ordering::Relaxed) {
            self.give(about);
        }
    }

    pub(super) fn poll_elsewhere(&self, elsewhere: bool) {
        self.elsewhere.store(elsewhere, Ordering::Relaxed);
    }

    /// Waits for one.
    pub(super) async fn next(&self) -> Pace {
        tokio::select! {
            biased;
            () = self.likely.notified() => LIKELY,
            () = self.guess.notified() => GUESS,
        }
    }
}
