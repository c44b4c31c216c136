//! What the adapter counts: relaxed atomics in arrays of a fixed size, so that counting never waits and never allocates.
//! No user, flow, host or secret can become a label. It must not know routes, connections or limits by more than a name.

mod histogram;
mod text;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crate::error::Code;
use histogram::Histogram;
pub use text::Gauges;

macro_rules! operations {
    ($($variant:ident = $name:literal;)*) => {
        /// The label `operation`. What waits on purpose has a name of its own, so that it does not blur the others' times.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
        pub enum Op { #[default] $($variant),* }

        impl Op {
            pub const ALL: &'static [Op] = &[$(Op::$variant),*];

            pub fn as_str(self) -> &'static str {
                match self { $(Op::$variant => $name),* }
            }
        }

        const OPERATIONS: usize = [$(Op::$variant),*].len();
    };
}

operations! {
    // No such route.
    Unknown = "unknown";
    Health = "health";
    Config = "config";
    FlowsList = "flows_list";
    FlowsGet = "flows_get";
    FlowsCreate = "flows_create";
    FlowsRun = "flows_run";
    FlowsRunSync = "flows_run_sync";
    FlowsRunStream = "flows_run_stream";
    RunsStatus = "runs_status";
    RunsEvents = "runs_events";
    RunsCancel = "runs_cancel";
    RunsResume = "runs_resume";
    Proxy = "proxy";
}

/// How a request ended, beside the error codes.
const ANSWERED: usize = 0;
/// `/health` said that Sim is not well: 503 without an error.
const UNHEALTHY: usize = 1;
/// The client went away, or the adapter was closed.
const ABANDONED: usize = 2;
const BARE_OUTCOMES: [(&str, &str); 3] = [("2xx", "none"), ("5xx", "unhealthy"), ("none", "abandoned")];
const OUTCOMES: usize = BARE_OUTCOMES.len() + Code::ALL.len();

fn outcome_of(code: Code) -> usize {
    BARE_OUTCOMES.len() + code as usize
}

/// The labels `status` and `code` of an outcome.
fn outcome_labels(outcome: usize) -> (&'static str, &'static str) {
    match Code::ALL.get(outcome.wrapping_sub(BARE_OUTCOMES.len())) {
        Some(code) if code.status() >= 500 => ("5xx", code.as_str()),
        Some(code) => ("4xx", code.as_str()),
        None => BARE_OUTCOMES[outcome],
    }
}

/// How one try at Sim ended, the label `status`: a class of HTTP statuses, or why there was none.
const TRIES: [&str; 8] = ["2xx", "3xx", "4xx", "5xx", "timeout", "unreachable", "unreadable", "abandoned"];
const TRY_ABANDONED: usize = 7;

/// The label `generation`, by where a path leads.
const GENERATIONS: [&str; 4] = ["v2", "v1", "flows", "none"];

fn generation_of(path: &str) -> usize {
    if path.starts_with("/api/v2/") {
        0
    } else if path.starts_with("/api/health") {
        3
    } else if path.starts_with("/api/flows") || path.starts_with("/api/runs") {
        2
    } else {
        1
    }
}

/// The label `limit`: the names of [`crate::policy::Standing::policy`].
const LIMITS: [&str; 8] =
    ["run", "create", "read", "ip-run", "ip-create", "ip-read", "runs-per-day", "concurrent-runs"];

type Counter = AtomicU64;

fn add(counter: &Counter) {
    counter.fetch_add(1, Ordering::Relaxed);
}

fn counters<const N: usize>() -> [Counter; N] {
    [const { AtomicU64::new(0) }; N]
}

/// All counters of one adapter.
pub struct Metrics {
    requests: [[Counter; OUTCOMES]; OPERATIONS],
    durations: [Histogram; OPERATIONS],
    limited: [Counter; LIMITS.len()],
    tries: [[[Counter; TRIES.len()]; GENERATIONS.len()]; OPERATIONS],
    try_durations: [Histogram; OPERATIONS],
    retries: [Counter; OPERATIONS],
    breaker_opened: Counter,
    streams_broken: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            requests: std::array::from_fn(|_| counters()),
            durations: Default::default(),
            limited: counters(),
            tries: std::array::from_fn(|_| std::array::from_fn(|_| counters())),
            try_durations: Default::default(),
            retries: counters(),
            breaker_opened: Counter::default(),
            streams_broken: Counter::default(),
        }
    }
}

impl Metrics {
    /// A request that ended at once. It has no duration: nothing was waited for.
    pub fn refused(&self, op: Op, code: Code) {
        add(&self.requests[op as usize][outcome_of(code)]);
    }

    /// The limit behind a 429.
    pub fn limited(&self, limit: &str) {
        if let Some(at) = LIMITS.iter().position(|name| *name == limit) {
            add(&self.limited[at]);
        }
    }

    /// A request that is under way from now on.
    pub fn request(self: &Arc<Self>, op: Op) -> Measured {
        Measured { metrics: Arc::clone(self), began: Instant::now(), op, outcome: ABANDONED }
    }

    /// One try of a call to Sim.
    pub fn upstream(&self, op: Op, path: &str) -> MeasuredTry<'_> {
        MeasuredTry { metrics: self, began: Instant::now(), op, generation: generation_of(path), end: TRY_ABANDONED }
    }

    pub fn retried(&self, op: Op) {
        add(&self.retries[op as usize]);
    }

    pub fn breaker_opened(&self) {
        add(&self.breaker_opened);
    }

    /// An answer in pieces that ended in an error after its head had gone out as 200.
    pub fn stream_broken(&self) {
        add(&self.streams_broken);
    }
}

/// A request under way. It is counted when this is dropped, however that comes about.
pub struct Measured {
    metrics: Arc<Metrics>,
    pub began: Instant,
    pub op: Op,
    outcome: usize,
}

impl Measured {
    pub fn answered(mut self, status: u16) {
        self.outcome = if status < 400 { ANSWERED } else { UNHEALTHY };
    }

    pub fn failed(mut self, code: Code) {
        self.outcome = outcome_of(code);
    }
}

impl Drop for Measured {
    fn drop(&mut self) {
        add(&self.metrics.requests[self.op as usize][self.outcome]);
        self.metrics.durations[self.op as usize].observe(self.began.elapsed());
    }
}

/// A try under way. A caller that goes away drops it.
pub struct MeasuredTry<'a> {
    metrics: &'a Metrics,
    pub began: Instant,
    op: Op,
    generation: usize,
    end: usize,
}

impl MeasuredTry<'_> {
    pub fn answered(mut self, status: u16) {
        self.end = match status {
            0..300 => 0,
            300..400 => 1,
            400..500 => 2,
            500.. => 3,
        };
    }

    pub fn lost(mut self, code: Code) {
        self.end = match code {
            Code::UpstreamTimeout => 4,
            Code::UpstreamUnreachable => 5,
            _ => 6,
        };
    }
}

impl Drop for MeasuredTry<'_> {
    fn drop(&mut self) {
        add(&self.metrics.tries[self.op as usize][self.generation][self.end]);
        self.metrics.try_durations[self.op as usize].observe(self.began.elapsed());
    }
}
