//! What the limits in memory promise, through the one door that the pipeline uses.

use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use proptest::prelude::*;

use super::*;

/// 2026-01-22T12:00:00Z
const NOON: u64 = 1_769_083_200_000;
const HOUR: Duration = Duration::from_secs(3_600);

fn policy(plans: &str, user_rate: Option<Rate>, ip_rate: Option<Rate>) -> (Policy, FrozenClock) {
    let time = FrozenClock::at(NOON);
    let plans = if plans.is_empty() { Plans::none() } else { Plans::from_text(plans).expect("good plans") };
    let config = PolicyConfig { plans, user_rate, ip_rate, hook_rate: None, redis: None };
    (Policy::new(config, time.clock(), Box::new(|_| ())).expect("a good configuration"), time)
}

fn subject(user: &str) -> Subject<'_> {
    Subject { tenant: None, user, plan: None, role: None, ip: None }
}

fn ask<'a>(subject: Subject<'a>, operation: Operation) -> Ask<'a> {
    Ask { subject, operation, flow: None, input_len: 0, run_id: Some("run") }
}

fn run<'a>(user: &'a str, run_id: &'a str) -> Ask<'a> {
    Ask { flow: Some("flow"), run_id: Some(run_id), ..ask(subject(user), Operation::FlowsRun) }
}

fn check(policy: &Policy, ask: Ask<'_>) -> Result<Admitted, Refusal> {
    match policy.check_local(&ask)? {
        Local::Admitted(admitted) => Ok(admitted),
        Local::AskShared => panic!("there is no Redis here"),
    }
}

fn now<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
}

fn exceeded(result: Result<Admitted, Refusal>) -> Exceeded {
    match result {
        Err(Refusal::RateLimited(exceeded) | Refusal::QuotaExceeded(exceeded)) => exceeded,
        other => panic!("expected a limit, got {other:?}"),
    }
}

#[test]
fn with_the_clock_frozen_exactly_max_pass() {
    let (policy, time) = policy("", Rate::new(60, 1), None);
    for left in (0..60).rev() {
        let admitted = check(&policy, ask(subject("ada"), Operation::RunsRead)).expect("within the burst");
        let standing = admitted.standing.expect("a rate is set");
        assert_eq!((standing.policy, standing.limit, standing.window_seconds), ("read", 60, Some(60)));
        assert_eq!((standing.remaining, standing.reset_seconds), (left, u64::from(60 - left)));
    }
    let refusal = check(&policy, ask(subject("ada"), Operation::RunsRead)).expect_err("the burst is used up");
    assert_eq!(
        refusal,
        Refusal::RateLimited(Exceeded {
            plan: Some("default".into()),
            limit: "read",
            value: 60,
            retry_after_ms: 1_000,
            resets_at_ms: NOON + 1_000,
            standing: Standing { policy: "read", limit: 60, window_seconds: Some(60), remaining: 0, reset_seconds: 60 },
        })
    );
    time.advance(Duration::from_millis(999));
    assert!(check(&policy, ask(subject("ada"), Operation::RunsRead)).is_err(), "one millisecond early");
    time.advance(Duration::from_millis(1));
    assert!(check(&policy, ask(subject("ada"), Operation::RunsRead)).is_ok(), "when Retry-After said");
    assert!(check(&policy, ask(subject("ada"), Operation::RunsRead)).is_err());
}

#[test]
fn users_tenants_and_buckets_have_bursts_of_their_own() {
    let (policy, _time) = policy("", Rate::new(1, 1), None);
    let ada = subject("ada");
    let tenant = |tenant| Subject { tenant: Some(tenant), ..ada };
    for (who, operation) in [
        (ada, Operation::FlowsRun),
        (ada, Operation::FlowsCreate),
        (ada, Operation::RunsRead),
        (subject("bob"), Operation::FlowsRun),
        (tenant("a"), Operation::FlowsRun),
        (tenant("b"), Operation::FlowsRun),
    ] {
        assert!(check(&policy, ask(who, operation)).is_ok(), "{who:?} {operation:?}");
        assert!(check(&policy, ask(who, operation)).is_err(), "{who:?} {operation:?}");
    }
    assert!(check(&policy, ask(ada, Operation::FlowsList)).is_err(), "reading is one bucket");
}

#[test]
fn a_plan_sets_rates_of_its_own_and_the_rest_come_from_the_configuration() {
    let plans = "{\"free\":{\"rates\":{\"run\":{\"max\":1,\"windowMinutes\":60}}},\"pro\":{\"rates\":{\"run\":{\"max\":3,\"windowMinutes\":1}}}}";
    let (policy, _time) = policy(plans, Rate::new(2, 1), None);
    for (plan, operation, expected) in [
        ("free", Operation::FlowsRun, 1),
        ("free", Operation::RunsRead, 2),
        ("pro", Operation::FlowsRun, 3),
        ("pro", Operation::FlowsCreate, 2),
    ] {
        let who = Subject { plan: Some(plan), ..subject(plan) };
        let passed = (0..10).filter(|_| check(&policy, ask(who, operation)).is_ok()).count();
        assert_eq!(passed, expected, "{plan} {operation:?}");
    }
    let who = Subject { plan: Some("free"), ..subject("free") };
    let refused = exceeded(check(&policy, ask(who, Operation::FlowsRun)));
    assert_eq!((refused.plan.as_deref(), refused.limit, refused.value), (Some("free"), "run", 1));
    assert_eq!(rfc3339(refused.resets_at_ms), "2026-01-22T13:00:00.000Z");
}

#[test]
fn an_address_has_a_burst_of_its_own_before_anyone_is_known() {
    let (policy, _time) = policy("", None, Rate::new(2, 1));
    let taken = |ip, bucket| (0..5).filter(|_| policy.check_ip(ip, bucket).is_ok()).count();
    assert_eq!(taken("192.0.2.1", Bucket::Read), 2);
    assert_eq!(taken("::ffff:192.0.2.1", Bucket::Read), 0, "the same address in IPv6 clothes");
    assert_eq!(taken("192.0.2.1", Bucket::Run), 2);
    assert_eq!(taken("192.0.2.2", Bucket::Read), 2);
    assert_eq!(taken("2001:db8::1", Bucket::Read), 2);
    assert_eq!(taken("2001:db8::2", Bucket::Read), 0, "the same customer line");
    match policy.check_ip("192.0.2.1", Bucket::Read) {
        Err(Refusal::RateLimited(refused)) => {
            assert_eq!((refused.plan, refused.limit), (None, "ip-read"))
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn threads_together_pass_exactly_max() {
    let (policy, _time) = policy("", Rate::new(1_000, 1), None);
    let start = Barrier::new(8);
    let passed: usize = thread::scope(|scope| {
        let hammer = || {
            start.wait();
            (0..500).filter(|_| check(&policy, ask(subject("ada"), Operation::RunsRead)).is_ok()).count()
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(hammer)).collect();
        threads.into_iter().map(|thread| thread.join().expect("no thread panics")).sum()
    });
    assert_eq!(passed, 1_000);
}

proptest! {
    #[test]
    fn over_any_one_window_at_most_twice_max_pass(
        max in 1u32..200,
        minutes in 1u32..5,
        steps in prop::collection::vec((1u32..20, 0u64..40_000), 1..100),
    ) {
        let rate = Rate::new(max, minutes).expect("a good rate");
        let (policy, time) = policy("", Some(rate), None);
        let mut passed = Vec::new();
        let mut now_ms = 0;
        for (asks, pause_ms) in steps {
            for _ in 0..asks {
                if check(&policy, ask(subject("ada"), Operation::RunsRead)).is_ok() {
                    passed.push(now_ms);
                }
            }
            time.advance(Duration::from_millis(pause_ms));
            now_ms += pause_ms;
        }
        let window_ms = rate.window().as_millis() as u64;
        for (index, from) in passed.iter().enumerate() {
            let within = passed[index..].iter().take_while(|at| **at <= from + window_ms).count();
            prop_assert!(within <= 2 * max as usize, "{within} passed within one window of {max}");
        }
    }
}

const LIMITED: &str = r#"{"free":{"runsPerDay":3,"concurrentRuns":2,"maxRunSeconds":600}}"#;

#[test]
fn a_day_admits_its_runs_and_no_more_until_midnight_utc() {
    let (policy, time) = policy(r#"{"free":{"runsPerDay":3}}"#, None, None);
    for id in ["1", "2", "3"] {
        assert!(check(&policy, run("ada", id)).is_ok());
    }
    let refused = exceeded(check(&policy, run("ada", "4")));
    assert_eq!((refused.plan.as_deref(), refused.limit, refused.value), (Some("free"), "runsPerDay", 3));
    assert_eq!(rfc3339(refused.resets_at_ms), "2026-01-23T00:00:00.000Z");
    assert_eq!(refused.retry_after_ms, 12 * 3_600_000);
    assert!(check(&policy, run("bob", "4")).is_ok(), "another user has a day of his own");
    time.advance(12 * HOUR - Duration::from_millis(1));
    assert!(check(&policy, run("ada", "4")).is_err());
    time.advance(Duration::from_millis(1));
    assert!(check(&policy, run("ada", "4")).is_ok());
}

#[test]
fn a_slot_is_freed_by_the_end_of_a_run_or_of_its_lease() {
    let (policy, time) = policy(LIMITED, None, None);
    assert!(check(&policy, run("ada", "1")).is_ok());
    time.advance(Duration::from_secs(1));
    assert!(check(&policy, run("ada", "2")).is_ok());
    let refused = exceeded(check(&policy, run("ada", "3")));
    assert_eq!((refused.limit, refused.value), ("concurrentRuns", 2));
    assert_eq!(refused.resets_at_ms, NOON + 600_000, "the oldest lease ends");
    assert_eq!(refused.retry_after_ms, 5_000, "a run may end sooner");
    now(policy.release(&subject("bob"), "2"));
    assert!(check(&policy, run("ada", "3")).is_err(), "nobody frees another user's slot");
    now(policy.release(&subject("ada"), "2"));
    assert!(check(&policy, run("ada", "3")).is_ok());
    now(policy.refund(&subject("ada"), "3"));
    assert!(check(&policy, run("ada", "3")).is_ok());
    time.advance(Duration::from_secs(599));
    now(policy.refund(&subject("ada"), "2"));
    assert!(check(&policy, run("ada", "4")).is_ok(), "the first lease has ended");
}

#[test]
fn a_replay_takes_nothing_of_day_and_slots() {
    let (policy, time) = policy(LIMITED, None, None);
    assert_eq!(check(&policy, run("ada", "1")).map(|admitted| admitted.replay), Ok(false));
    assert_eq!(check(&policy, run("ada", "2")).map(|admitted| admitted.replay), Ok(false));
    for _ in 0..10 {
        assert_eq!(check(&policy, run("ada", "1")).map(|admitted| admitted.replay), Ok(true));
    }
    now(policy.release(&subject("ada"), "1"));
    now(policy.release(&subject("ada"), "2"));
    time.advance(12 * HOUR);
    assert_eq!(check(&policy, run("ada", "1")).map(|admitted| admitted.replay), Ok(true), "also after midnight");
    for (id, pass) in [("3", true), ("4", true), ("5", false)] {
        assert_eq!(check(&policy, run("ada", id)).is_ok(), pass, "run {id}: the replay holds no slot");
    }
}

#[test]
fn a_refusal_takes_nothing() {
    let plans = r#"{"free":{"runsPerDay":2,"concurrentRuns":1,"maxRunSeconds":60,"rates":{"run":{"max":2,"windowMinutes":1}}}}"#;
    let (policy, time) = policy(plans, None, None);
    assert!(check(&policy, run("ada", "1")).is_ok());
    for id in ["2", "3", "4"] {
        assert_eq!(exceeded(check(&policy, run("ada", id))).limit, "concurrentRuns");
    }
    now(policy.release(&subject("ada"), "1"));
    assert!(check(&policy, run("ada", "2")).is_ok(), "refusals took neither a run of the day nor the rate");
    now(policy.refund(&subject("ada"), "2"));
    for id in ["3", "4"] {
        assert_eq!(exceeded(check(&policy, run("ada", id))).limit, "run");
    }
    time.advance(Duration::from_secs(60));
    assert!(check(&policy, run("ada", "5")).is_ok(), "the refunded run and those refused by the rate are not counted");
    now(policy.release(&subject("ada"), "5"));
    assert_eq!(exceeded(check(&policy, run("ada", "6"))).limit, "runsPerDay");
}

#[test]
fn flows_outside_the_plan_are_hidden_and_large_inputs_refused_before_anything_is_taken() {
    let plans = r#"{"free":{"flows":["team-*"],"maxInputBytes":10,"rates":{"run":{"max":1,"windowMinutes":1}}}}"#;
    let (policy, _time) = policy(plans, None, None);
    let on = |flow, input_len| Ask { flow: Some(flow), input_len, ..ask(subject("ada"), Operation::FlowsRun) };
    assert_eq!(check(&policy, on("other", 0)), Err(Refusal::FlowHidden));
    let too_large = Refusal::PlanRequired { plan: "free".into(), limit: "maxInputBytes", value: Some(10) };
    assert_eq!(check(&policy, on("team-a", 11)), Err(too_large));
    assert!(check(&policy, on("team-a", 10)).is_ok());
    assert!(!policy.plans().of(&subject("ada")).shows_flow("other"));
}

#[test]
fn idle_users_are_forgotten() {
    let (policy, time) = policy("", Rate::new(5, 1), None);
    let visit = |from: u32, to: u32| {
        for user in from..to {
            check(&policy, ask(subject(&user.to_string()), Operation::RunsRead)).expect("a first request");
        }
    };
    visit(0, 50_000);
    assert_eq!(policy.keys_in_memory(), 50_000);
    for round in 1..3 {
        time.advance(Duration::from_secs(60));
        visit(round * 100_000, round * 100_000 + 30_000);
    }
    assert_eq!(policy.keys_in_memory(), 60_000);
}

#[test]
fn the_plans_and_limits_in_the_documentation_are_good() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/plans.md")).expect("docs/plans.md");
    let examples: Vec<_> =
        page.split("```yaml\n").skip(1).filter_map(|rest| rest.split_once("```")).map(|(yaml, _)| yaml).collect();
    assert!(!examples.is_empty(), "the page has an example");
    for example in examples {
        let plans = Plans::from_text(example).expect("the example is good");
        assert_eq!(plans.most_restricted().name.as_ref(), "free", "as the page says");
    }
    for operation in Operation::ALL {
        assert!(page.contains(&format!("`{}`", operation.name())), "{} is not in the page", operation.name());
    }
}
