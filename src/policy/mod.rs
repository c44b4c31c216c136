//! Plans, permissions and rate limits: whether a request of a known user may go on. Knows nothing of HTTP, of Node and of
//! what is upstream; the pipeline turns its typed answers into statuses.
//!
//! Order of use: [`Policy::check_ip`] before the user is known, then [`Policy::check_local`], then, only if that says so,
//! [`Policy::check_shared`]. A run that did not start is given back by [`Policy::refund`]; one that was seen to end, by
//! [`Policy::release`].

mod answer;
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
#[cfg(test)]
mod tests;
mod verdict;

use std::sync::Arc;
use std::time::Duration;

pub use ask::{Admitted, Ask, Bucket, Exceeded, Operation, Refusal, Standing, Subject};
pub use clock::{Clock, FrozenClock, rfc3339};
pub use headers::{rate_limit, rate_limit_policy, retry_after};
pub(crate) use link::Connection;
pub use link::{Event, Fault, OnEvent, Status};
pub use plans::{Plan, Plans};
pub use plans_read::Problem;
pub use rate::Rate;
pub(crate) use redis::Redis;
pub use redis::{PATIENCE, RedisConfig};

use tokio::sync::watch;
use tokio::time::Instant;

use answer::Limit;
use key::{Key, Keys, canonical_ip};
use rate::{Arrivals, Limiter, RateVerdict};
use redis::{Owner, Shared};
use runs::Runs;
use verdict::{Demand, RunDemand, RunLimits, Verdict};

/// All that the policy is told, validated by whoever read it.
#[derive(Debug)]
pub struct PolicyConfig {
    pub plans: Plans,
    /// For each bucket a plan does not set; `None`: no limit.
    pub user_rate: Option<Rate>,
    /// For each bucket, by address; `None`: no limit.
    pub ip_rate: Option<Rate>,
    /// Of hooks, by address; `None`: no limit.
    pub hook_rate: Option<Rate>,
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
    hook_limiter: Option<Limiter>,
    arrivals: Arc<Arrivals>,
    runs: Runs,
    keys: Keys,
    shared: Option<Shared>,
    /// How many slots somebody is about to free.
    held: watch::Sender<usize>,
    clock: Clock,
}

impl Policy {
    /// Opens no connection; [`Policy::connect`] does.
    pub fn new(config: PolicyConfig, clock: Clock, on_event: OnEvent) -> Result<Policy, Problem> {
        let PolicyConfig { plans, user_rate, ip_rate, hook_rate, redis } = config;
        let by_plan: Vec<_> = plans.all().iter().map(|plan| plan.rates.map(|rate| rate.or(user_rate))).collect();
        let refills = by_plan.iter().flatten().chain([&ip_rate, &hook_rate]).flatten().map(Rate::refill_all);
        let arrivals = Arc::new(Arrivals::new(refills.max().unwrap_or_default(), clock.clone()));
        let limiter = |rate: Option<Rate>| rate.and_then(|rate| Limiter::new(rate, &arrivals, &clock));
        let leases = plans.all().iter().filter_map(|plan| plan.max_run_seconds);
        let longest_lease = Duration::from_secs(leases.max().unwrap_or(0).into());
        Ok(Policy {
            limiters: by_plan.into_iter().map(|rates| rates.map(limiter)).collect(),
            ip_limiters: [ip_rate; 3].map(limiter),
            hook_limiter: limiter(hook_rate),
            runs: Runs::new(longest_lease, clock.clone()),
            keys: Keys::new(),
            shared: redis.map(|redis| Shared::new(&redis, clock.clone(), on_event)).transpose()?,
            held: watch::Sender::default(),
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

    /// `None` without Redis.
    pub(crate) fn redis(&self) -> Option<Redis> {
        self.shared.as_ref().map(Shared::redis)
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
        let admitted = Limit::of_ip(bucket, limiter.rate).answer(self.clock.unix_ms(), verdict)?;
        Ok(admitted.standing)
    }

    /// The rate of an address that sends hooks, in this process. When it is used up: the time until it is not.
    pub fn check_hook(&self, ip: &str) -> Option<Duration> {
        let verdict = self.hook_limiter.as_ref()?.take(self.keys.key(("hook", canonical_ip(ip))));
        match verdict {
            RateVerdict::Admitted { .. } => None,
            RateVerdict::Refused { wait, .. } => Some(wait),
        }
    }

    /// What needs no counting: the operation, the flow, the size of the input. Takes nothing.
    pub fn permit(&self, ask: &Ask<'_>) -> Result<(), Refusal> {
        self.plans.permit(self.plans.index_of(&ask.subject), ask)
    }

    /// Permissions always, and without Redis all limits. Synchronous, no input or output.
    pub fn check_local(&self, ask: &Ask<'_>) -> Result<Local, Refusal> {
        let plan = self.plans.index_of(&ask.subject);
        self.plans.permit(plan, ask)?;
        match self.shared {
            Some(_) => Ok(Local::AskShared),
            None => self.check_memory(ask, plan).map(Local::Admitted),
        }
    }

    /// The limits shared by all instances: the user's in one round trip, and at the same time the address's. Without Redis,
    /// or when it does not answer within [`PATIENCE`], this process's own. Comes after [`Policy::check_local`].
    pub async fn check_shared(&self, ask: &Ask<'_>) -> Result<Admitted, Refusal> {
        let plan = self.plans.index_of(&ask.subject);
        let demand = self.demand(ask, plan);
        let bucket = ask.operation.bucket();
        let unlimited = demand.rate.is_none() && demand.run.is_none() && self.ip_limiters[bucket as usize].is_none();
        let Some(shared) = self.shared.as_ref().filter(|_| !unlimited) else {
            return self.check_memory(ask, plan);
        };
        let user = Owner::user(ask.subject.tenant, ask.subject.user);
        let deadline = Instant::now() + PATIENCE;
        let (by_user, by_ip) = tokio::join!(
            shared.decide(&user, bucket, &demand, deadline),
            self.check_ip_shared(shared, ask.subject.ip, bucket, deadline)
        );
        let Some(by_user) = by_user else {
            return self.check_memory(ask, plan);
        };
        let limit = Limit::of_user(&self.plans.all()[plan].name, bucket, &demand);
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

    /// Notes that a slot will be freed once it is let go: [`Policy::at_rest`] waits for it.
    pub fn hold(&self) {
        self.held.send_modify(|held| *held += 1);
    }

    pub fn let_go(&self) {
        self.held.send_modify(|held| *held -= 1);
    }

    /// Resolves when no slot is held that is still to be freed.
    pub async fn at_rest(&self) {
        // The sender is here: it cannot be gone.
        let _ = self.held.subscribe().wait_for(|held| *held == 0).await;
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

    /// Whether the request of this `run_id` is the first with its key, or the same as the first, on any instance that
    /// shares the Redis. True also when that cannot be known: the claimed run id still keeps it one run.
    pub async fn is_same_request(&self, subject: &Subject<'_>, run_id: &str, asked: &str) -> bool {
        let Some(shared) = &self.shared else { return true };
        let user = Owner::user(subject.tenant, subject.user);
        let before = Box::pin(shared.remember(&user, run_id, asked, Instant::now() + PATIENCE)).await;
        before.flatten().is_none_or(|before| before == asked)
    }

    /// Forgets a request that certainly started nothing.
    pub async fn forget_request(&self, subject: &Subject<'_>, run_id: &str) {
        if let Some(shared) = &self.shared {
            let user = Owner::user(subject.tenant, subject.user);
            Box::pin(shared.forget(&user, run_id, Instant::now() + PATIENCE)).await;
        }
    }

    async fn check_ip_shared(
        &self,
        shared: &Shared,
        ip: Option<&str>,
        bucket: Bucket,
        deadline: Instant,
    ) -> Result<(), Refusal> {
        let (Some(ip), Some(limiter)) = (ip, &self.ip_limiters[bucket as usize]) else {
            return Ok(());
        };
        let demand = Demand { rate: Some(limiter.rate), run: None };
        match shared.decide(&Owner::ip(&canonical_ip(ip)), bucket, &demand, deadline).await {
            Some(by_ip) => Limit::of_ip(bucket, limiter.rate).answer(by_ip.now_ms, by_ip.verdict).map(|_| ()),
            None => Ok(()),
        }
    }

    fn check_memory(&self, ask: &Ask<'_>, plan: usize) -> Result<Admitted, Refusal> {
        let bucket = ask.operation.bucket();
        let (tenant, user) = (ask.subject.tenant.unwrap_or_default(), ask.subject.user);
        let rate = || {
            let limiter = self.limiters[plan][bucket as usize].as_ref()?;
            // The plan is part of the name: rates of different windows cannot share one arrival time.
            Some(limiter.take(self.keys.key(("rate", tenant, user, plan, bucket))))
        };
        let demand = self.demand(ask, plan);
        let verdict = match demand.run {
            Some(run) => self.runs.claim(self.user_key(&ask.subject), self.keys.key(run.id), run.limits, rate),
            None => Verdict::of_rate(rate(), false),
        };
        let limit = Limit::of_user(&self.plans.all()[plan].name, bucket, &demand);
        limit.answer(self.clock.unix_ms(), verdict)
    }

    fn demand<'a>(&self, ask: &Ask<'a>, plan: usize) -> Demand<'a> {
        let limits = self.plans.all()[plan].run_limits();
        let counted = ask.operation == Operation::FlowsRun && limits != RunLimits::default();
        Demand {
            rate: self.limiters[plan][ask.operation.bucket() as usize].as_ref().map(|limiter| limiter.rate),
            run: ask.run_id.filter(|_| counted).map(|id| RunDemand { id, limits }),
        }
    }

    fn user_key(&self, subject: &Subject<'_>) -> Key {
        self.keys.key(("user", subject.tenant.unwrap_or_default(), subject.user))
    }
}
