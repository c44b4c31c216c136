//! A word to pollers that it is worth looking now. It carries nothing else: what became of a run is read from Sim.

use std::time::Duration;

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
}

impl Nudges {
    pub(super) fn give(&self, about: About<'_>) {
        match about {
            About::Run(_) | About::Flow(_) => self.likely.notify_one(),
            About::Any => self.guess.notify_one(),
        }
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
