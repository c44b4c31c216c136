//! Puts a verdict into the words of the pipeline: what is left, or which limit was met and when it resets. Decides nothing.

use std::sync::Arc;
use std::time::Duration;

use super::ask::{Admitted, Bucket, Exceeded, Refusal, Standing};
use super::rate::Rate;
use super::verdict::{Demand, RunLimits, Verdict};

/// A slot is freed when some run ends, at a time nobody knows: worth asking again before the oldest lease ends.
const SLOT_RETRY: Duration = Duration::from_secs(5);

/// The limits a verdict is about: what is needed to put it into words.
pub(crate) struct Limit<'a> {
    plan: Option<&'a Arc<str>>,
    rate_name: &'static str,
    rate: Option<Rate>,
    run: RunLimits,
}

impl<'a> Limit<'a> {
    pub(crate) fn of_user(plan: &'a Arc<str>, bucket: Bucket, demand: &Demand<'_>) -> Limit<'a> {
        let run = demand.run.map(|run| run.limits).unwrap_or_default();
        Limit { plan: Some(plan), rate_name: bucket.name(), rate: demand.rate, run }
    }

    pub(crate) fn of_ip(bucket: Bucket, rate: Rate) -> Limit<'a> {
        Limit { plan: None, rate_name: bucket.ip_name(), rate: Some(rate), run: RunLimits::default() }
    }

    pub(crate) fn answer(&self, now_ms: u64, verdict: Verdict) -> Result<Admitted, Refusal> {
        let standing = |remaining| self.rate.map(|rate| Standing::of_rate(self.rate_name, rate, remaining));
        match verdict {
            Verdict::Admitted { remaining, replay } => Ok(Admitted { standing: remaining.and_then(standing), replay }),
            Verdict::Rate { rate, wait } => {
                let standing = Standing::of_rate(self.rate_name, rate, 0);
                Err(Refusal::RateLimited(self.exceeded(now_ms, wait, wait, self.rate_name, standing)))
            }
            Verdict::PerDay { wait } => {
                let standing = Standing {
                    policy: "runs-per-day",
                    limit: self.run.per_day.unwrap_or(0),
                    window_seconds: Some(86_400),
                    remaining: 0,
                    reset_seconds: seconds(wait),
                };
                Err(Refusal::QuotaExceeded(self.exceeded(now_ms, wait, wait, "runsPerDay", standing)))
            }
            Verdict::Slots { wait } => {
                let standing = Standing {
                    policy: "concurrent-runs",
                    limit: self.run.slots.map_or(0, |slots| slots.count),
                    window_seconds: None,
                    remaining: 0,
                    reset_seconds: seconds(wait),
                };
                let retry = wait.min(SLOT_RETRY);
                Err(Refusal::QuotaExceeded(self.exceeded(now_ms, wait, retry, "concurrentRuns", standing)))
            }
        }
    }

    fn exceeded(
        &self,
        now_ms: u64,
        resets_in: Duration,
        retry: Duration,
        limit: &'static str,
        standing: Standing,
    ) -> Exceeded {
        Exceeded {
            plan: self.plan.cloned(),
            limit,
            value: standing.limit,
            retry_after_ms: milliseconds(retry),
            resets_at_ms: now_ms + milliseconds(resets_in),
            standing,
        }
    }
}

/// Rounded up: a client that waits so long is not refused again too early.
fn milliseconds(duration: Duration) -> u64 {
    duration.as_micros().div_ceil(1_000) as u64
}

fn seconds(duration: Duration) -> u64 {
    duration.as_millis().div_ceil(1_000) as u64
}
