//! What a limit is asked and what it answers, the same words for memory and for Redis. Knows neither.

use std::time::Duration;

use super::rate::{Rate, RateVerdict};

/// What one request takes, if it is admitted: one from a rate and, for a run that is new, one of the day and one slot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Demand<'a> {
    pub(crate) rate: Option<Rate>,
    pub(crate) run: Option<RunDemand<'a>>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct RunDemand<'a> {
    pub(crate) id: &'a str,
    pub(crate) limits: RunLimits,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RunLimits {
    /// New runs per day in UTC.
    pub(crate) per_day: Option<u32>,
    pub(crate) slots: Option<Slots>,
}

/// Runs at the same time. Each holds a lease, so that a run whose end nobody saw blocks its slot no longer than this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slots {
    pub(crate) count: u32,
    pub(crate) lease: Duration,
}

/// The answer to a [`Demand`]. A refusal has taken nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// `remaining` is `None` without a rate. `replay`: this run id was counted before, so nothing of day and slots was taken.
    Admitted { remaining: Option<u32>, replay: bool },
    /// `wait`: until one request is admitted again.
    Rate { rate: Rate, wait: Duration },
    /// `wait`: until midnight UTC.
    PerDay { wait: Duration },
    /// `wait`: until the oldest lease ends by itself.
    Slots { wait: Duration },
}

impl Verdict {
    pub(crate) fn of_rate(rate: Option<RateVerdict>, replay: bool) -> Verdict {
        match rate {
            None => Verdict::Admitted { remaining: None, replay },
            Some(RateVerdict::Admitted { remaining }) => Verdict::Admitted { remaining: Some(remaining), replay },
            Some(RateVerdict::Refused { rate, wait }) => Verdict::Rate { rate, wait },
        }
    }
}
