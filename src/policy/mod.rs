//! Plans, permissions and rate limits: whether a request of a known user may go on. Knows nothing of HTTP, of Node and of
//! what is upstream; the pipeline turns its typed answers into statuses.
//!
//! Order of use: [`Policy::check_ip`] before the user is known, then [`Policy::check_local`], then, only if that says so,
//! [`Policy::check_shared`]. A run that did not start is given back by [`Policy::refund`]; one that was seen to end, by
//! [`Policy::release`].

mod ask;
mod clock;
mod generations;
mod headers;
mod key;
mod link;
mod plans;
mod plans_read;
mod rate;
mod redis;
mod runs;
mod verdict;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

pub use ask::{Admitted, Ask, Bucket, Exceeded, Operation, Refusal, Standing, Subject};
pub use clock::{Clock, FrozenClock, rfc3339};
pub use headers::{rate_limit, rate_limit_policy, retry_after};
pub use link::{Event, Fault, OnEvent, Status};
pub use plans::{Plan, Plans};
pub use plans_read::Problem;
pub use rate::Rate;
pub use redis::{PATIENCE, RedisConfig};

use tokio::time::Instant;

use key::{Key, Keys, canonical_ip};
use rate::{Arrivals, Limiter};
use redis::{Owner, Shared};
use runs::Runs;
use verdict::{Demand, RunDemand, RunLimits, Verdict};

/// A slot is freed when some run ends, at a time nobody knows: worth asking again before the oldest lease ends.
const SLOT_RETRY: Duration = Duration::from_secs(5);

/// All that the policy is told, validated by whoever read it.
#[derive(Debug)]
pub struct PolicyConfig {
    pub plans: Plans,
    /// For each bucket a plan does not set; `None`: no limit.
    pub user_rate: Option<Rate>,
    /// For each bucket, by address; `None`: no limit.
    pub ip_rate: Option<Rate>,
    pub redis: Option<RedisConfig>,
}

/// The answer of [`Policy::check_local`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Local {
    Admitted(Admitted),
    /// Allowed so far; the limits are shared, so [`Policy::check_shared`] decides.
    AskShared,
}

pub struct Policy {
    plans: Plans,
    /// By plan, then by bucket.
    limiters: Vec<[Option<Limiter>; 3]>,
    ip_limiters: [Option<Limiter>; 3],
    arrivals: Arc<Arrivals>,
    runs: Runs,
    keys: Keys,
    shared: Option<Shared>,
    clock: Clock,
}

impl Policy {
    /// Opens no connection; [`Policy::connect`] does.
    pub fn new(config: PolicyConfig, clock: Clock, on_event: OnEvent) -> Result<Policy, Problem> {
        let PolicyConfig { plans, user_rate, ip_rate, redis } = config;
        let by_plan: Vec<_> = plans.all().iter().map(|plan| plan.rates.map(|rate| rate.or(user_rate))).collect();
        let windows = by_plan.iter().flatten().chain([&ip_rate]).flatten().map(Rate::window);
        let arrivals = Arc::new(Arrivals::new(windows.max().unwrap_or_default(), clock.clone()));
        let limiter = |rate: Option<Rate>| rate.and_then(|rate| Limiter::new(rate, &arrivals, &clock));
        let leases = plans.all().iter().filter_map(|plan| plan.max_run_seconds);
        let longest_lease = Duration::from_secs(leases.max().unwrap_or(0).into());
        Ok(Policy {
            limiters: by_plan.into_iter().map(|rates| rates.map(limiter)).collect(),
            ip_limiters: [ip_rate; 3].map(limiter),
            runs: Runs::new(longest_lease, clock.clone()),
            keys: Keys::new(),
            shared: redis.map(|redis| Shared::new(&redis, clock.clone(), on_event)).transpose()?,
            plans,
            arrivals,
            clock,
        })
    }

    /// Begins to connect to Redis, if there is one, so that the first request finds it. Must be called on the runtime.
    pub fn connect(&self) {
        if let Some(shared) = &self.shared {
            shared.connect();
        }
    }

    pub fn plans(&self) -> &Plans {
        &self.plans
    }

    /// `None` without Redis.
    pub fn shared_status(&self) -> Option<Status> {
        self.shared.as_ref().map(Shared::status)
    }

    /// Keys whose rate is held in memory now.
    pub fn keys_in_memory(&self) -> usize {
        self.arrivals.len()
    }

    /// The rate of an address, in this process. Synchronous, and meant to come before the user is known.
    pub fn check_ip(&self, ip: &str, bucket: Bucket) -> Result<Option<Standing>, Refusal> {
        let Some(limiter) = &self.ip_limiters[bucket as usize] else {
            return Ok(None);
        };
        let key = self.keys.key(("ip", canonical_ip(ip), bucket));
        let verdict = Verdict::of_rate(Some(limiter.take(key)), false);
        let limit = Limit { plan: None, rate_name: bucket.ip_name(), rate: Some(limiter.rate), run: RunLimits::default() };
        limit.answer(self.clock.unix_ms(), verdict).map(|admitted| admitted.standing)
    }

    /// Permissions always, and without Redis all limits. Synchronous, no input or output.
    pub fn check_local(&self, ask: &Ask<'_>) -> Result<Local, Refusal> {
        self.plans.permit(ask)?;
        match self.shared {
            Some(_) => Ok(Local::AskShared),
            None => self.check_memory(ask).map(Local::Admitted),
        }
    }

    /// The limits shared by all instances: the user's in one round trip, and at the same time the address's. Without Redis,
    /// or when it does not answer within [`PATIENCE`], this process's own.
    pub async fn check_shared(&self, ask: &Ask<'_>) -> Result<Admitted, Refusal> {
        let Some(shared) = &self.shared else {
            return self.check_memory(ask);
        };
        let subject = &ask.subject;
        let bucket = ask.operation.bucket();
        let (limit, demand) = (self.limit(ask), self.demand(ask));
        if demand.rate.is_none() && demand.run.is_none() && self.ip_limiters[bucket as usize].is_none() {
            return limit.answer(self.clock.unix_ms(), Verdict::Admitted { rate: None, replay: false });
        }
        let user = Owner::user(subject.tenant, subject.user);
        let deadline = Instant::now() + PATIENCE;
        let (by_user, by_ip) =
            tokio::join!(shared.decide(&user, bucket, &demand, deadline), self.ip_shared(shared, ask, deadline));
        let Some(by_user) = by_user else {
            return self.check_memory(ask);
        };
        let admitted = limit.answer(by_user.now_ms, by_user.verdict)?;
        if let Err(refusal) = by_ip {
            if let (Some(run), false) = (demand.run, admitted.replay) {
                shared.refund(&user, run.id, deadline).await;
            }
            return Err(refusal);
        }
        Ok(admitted)
    }

    /// Frees the slot of a run that was seen to end. Harmless for a run that holds none.
    pub async fn release(&self, subject: &Subject<'_>, run_id: &str) {
        if self.plans.all().iter().any(|plan| plan.concurrent_runs.is_some()) {
            self.runs.release(self.user_key(subject), self.keys.key(run_id));
            if let Some(shared) = &self.shared {
                let user = Owner::user(subject.tenant, subject.user);
                shared.release(&user, run_id, Instant::now() + PATIENCE).await;
            }
        }
    }

    /// Gives back the day's run and the slot of a run that was admitted, was no replay, and surely never started.
    pub async fn refund(&self, subject: &Subject<'_>, run_id: &str) {
        if self.plans.all().iter().any(|plan| plan.run_limits() != RunLimits::default()) {
            self.runs.refund(self.user_key(subject), self.keys.key(run_id));
            if let Some(shared) = &self.shared {
                let user = Owner::user(subject.tenant, subject.user);
                shared.refund(&user, run_id, Instant::now() + PATIENCE).await;
            }
        }
    }

    async fn ip_shared(&self, shared: &Shared, ask: &Ask<'_>, deadline: Instant) -> Result<(), Refusal> {
        let bucket = ask.operation.bucket();
        let (Some(ip), Some(limiter)) = (ask.subject.ip, &self.ip_limiters[bucket as usize]) else {
            return Ok(());
        };
        let owner = Owner::ip(&canonical_ip(ip));
        let demand = Demand { rate: Some(limiter.rate), run: None };
        let Some(by_ip) = shared.decide(&owner, bucket, &demand, deadline).await else {
            return Ok(());
        };
        let limit = Limit { plan: None, rate_name: bucket.ip_name(), rate: demand.rate, run: RunLimits::default() };
        limit.answer(by_ip.now_ms, by_ip.verdict).map(|_| ())
    }

    fn check_memory(&self, ask: &Ask<'_>) -> Result<Admitted, Refusal> {
        let subject = &ask.subject;
        let plan = self.plans.index_of(subject);
        let bucket = ask.operation.bucket();
        let rate = || {
            let limiter = self.limiters[plan][bucket as usize].as_ref()?;
            // The plan is part of the name: rates of different windows cannot share one arrival time.
            let name = ("rate", subject.tenant.unwrap_or_default(), subject.user, plan, bucket);
            Some(limiter.take(self.keys.key(name)))
        };
        let verdict = match self.demand(ask).run {
            Some(run) => self.runs.claim(self.user_key(subject), self.keys.key(run.id), run.limits, rate),
            None => Verdict::of_rate(rate(), false),
        };
        self.limit(ask).answer(self.clock.unix_ms(), verdict)
    }

    fn demand<'a>(&self, ask: &Ask<'a>) -> Demand<'a> {
        let plan = self.plans.index_of(&ask.subject);
        let limits = self.plans.all()[plan].run_limits();
        let run = ask.run_id.filter(|_| ask.operation == Operation::FlowsRun && limits != RunLimits::default());
        Demand {
            rate: self.limiters[plan][ask.operation.bucket() as usize].as_ref().map(|limiter| limiter.rate),
            run: run.map(|id| RunDemand { id, limits }),
        }
    }

    fn limit(&self, ask: &Ask<'_>) -> Limit<'_> {
        let demand = self.demand(ask);
        Limit {
            plan: Some(&self.plans.of(&ask.subject).name),
            rate_name: ask.operation.bucket().name(),
            rate: demand.rate,
            run: demand.run.map(|run| run.limits).unwrap_or_default(),
        }
    }

    fn user_key(&self, subject: &Subject<'_>) -> Key {
        self.keys.key(("user", subject.tenant.unwrap_or_default(), subject.user))
    }
}

/// The limits a verdict is about: what is needed to put it into words.
struct Limit<'a> {
    plan: Option<&'a Arc<str>>,
    rate_name: &'static str,
    rate: Option<Rate>,
    run: RunLimits,
}

impl Limit<'_> {
    fn answer(&self, now_ms: u64, verdict: Verdict) -> Result<Admitted, Refusal> {
        let standing = |remaining, full_in| {
            self.rate.map(|rate| Standing::of_rate(self.rate_name, rate, remaining, full_in))
        };
        match verdict {
            Verdict::Admitted { rate, replay } => {
                let standing = rate.and_then(|(remaining, full_in)| standing(remaining, full_in));
                Ok(Admitted { standing, replay })
            }
            Verdict::Rate { wait, full_in } => match standing(0, full_in) {
                Some(standing) => {
                    Err(Refusal::RateLimited(self.exceeded(now_ms, wait, wait, self.rate_name, standing)))
                }
                None => Ok(Admitted { standing: None, replay: false }),
            },
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
