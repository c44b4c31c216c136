//! Policies as the pipeline uses them, and what their tests ask of them.

use std::sync::Arc;
use std::time::Duration;

use sim_adapter::policy::{
    Admitted, Ask, Clock, Event, Exceeded, Local, Operation, Plans, Policy, PolicyConfig, Rate, RedisConfig, Refusal,
    Subject,
};
use tokio::sync::{Mutex, mpsc};
use tokio::time::timeout;

/// 2026-01-22T12:00:00Z
pub(crate) const NOON: u64 = 1_769_083_200_000;
pub(crate) const PATIENT: Duration = Duration::from_secs(20);

/// Each test has the machine to itself: on a busy one an honest Redis can miss the 50 ms.
pub(crate) static ALONE: Mutex<()> = Mutex::const_new(());

pub(crate) type Events = mpsc::UnboundedReceiver<Event>;

pub(crate) fn redis_at(uri: &str) -> RedisConfig {
    RedisConfig { uri: uri.to_owned(), prefix: "libre".to_owned(), cluster: false, ca: None }
}

pub(crate) fn policy(
    redis: Option<RedisConfig>,
    plans: &str,
    user_rate: Option<Rate>,
    clock: Clock,
) -> (Arc<Policy>, Events) {
    let plans = if plans.is_empty() { Plans::none() } else { Plans::from_text(plans).expect("good plans") };
    let (tell, events) = mpsc::unbounded_channel();
    let on_event = Box::new(move |event| {
        let _ = tell.send(event);
    });
    let config = PolicyConfig { plans, user_rate, ip_rate: None, hook_rate: None, redis };
    let policy = Policy::new(config, clock, on_event).expect("a good configuration");
    (Arc::new(policy), events)
}

pub(crate) fn subject(user: &str) -> Subject<'_> {
    Subject { tenant: None, user, plan: None, role: None, ip: None }
}

pub(crate) fn read(user: &str) -> Ask<'_> {
    Ask { subject: subject(user), operation: Operation::RunsRead, flow: None, input_len: 0, run_id: None }
}

pub(crate) fn run<'a>(user: &'a str, run_id: &'a str) -> Ask<'a> {
    Ask { operation: Operation::FlowsRun, flow: Some("flow"), run_id: Some(run_id), ..read(user) }
}

/// The same, connected: a first connection may take longer than a request waits for it.
pub(crate) async fn connected(
    redis: RedisConfig,
    plans: &str,
    user_rate: Option<Rate>,
    clock: Clock,
) -> (Arc<Policy>, Events) {
    let (policy, events) = policy(Some(redis), plans, user_rate, clock);
    policy.connect();
    up(&policy).await;
    (policy, events)
}

/// Polls, since the first connection is no event.
pub(crate) async fn up(policy: &Policy) {
    let found = async {
        while !policy.shared_status().is_some_and(|status| status.up) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENT, found).await.expect("Redis is found");
}

/// As the pipeline does it.
pub(crate) async fn check(policy: &Policy, ask: Ask<'_>) -> Result<Admitted, Refusal> {
    match policy.check_local(&ask)? {
        Local::Admitted(admitted) => Ok(admitted),
        Local::AskShared => policy.check_shared(&ask).await,
    }
}

pub(crate) async fn passed(policy: &Policy, times: u32) -> u32 {
    let mut passed = 0;
    for _ in 0..times {
        passed += u32::from(check(policy, read("ada")).await.is_ok());
    }
    passed
}

pub(crate) fn limit_of(result: Result<Admitted, Refusal>) -> Exceeded {
    match result {
        Err(Refusal::RateLimited(exceeded) | Refusal::QuotaExceeded(exceeded)) => exceeded,
        other => panic!("expected a limit, got {other:?}"),
    }
}

pub(crate) async fn next(events: &mut Events) -> Event {
    timeout(PATIENT, events.recv()).await.expect("an event comes").expect("the policy lives")
}

pub(crate) fn fallbacks(policy: &Policy) -> u64 {
    policy.shared_status().map_or(0, |status| status.fallbacks)
}

pub(crate) fn all_by_redis(policy: &Policy) {
    let status = policy.shared_status().expect("Redis is configured");
    assert_eq!((status.up, status.fallbacks, status.outages), (true, 0, 0), "Redis decided everything");
}
