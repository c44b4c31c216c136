//! The limits shared through a real Redis: together exact, and atomic.

mod redis_support;

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Duration;
use std::{env, fs, thread};

use proptest::prelude::*;
use redis_support::policies::*;
use redis_support::{RedisServer, certificates, free_port};
use sim_adapter::policy::{Ask, Clock, Event, FrozenClock, Plans, Policy, PolicyConfig, Rate, RedisConfig, Subject};
use tokio::time::timeout;

#[test]
fn four_processes_with_the_clock_frozen_admit_exactly_max() {
    const MAX: u32 = 500;
    const EACH: u32 = 400;
    const CHILD: &str = "SIM_TEST_REDIS_OF_CHILD";
    if let Ok(uri) = env::var(CHILD) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let (policy, _events) =
                connected(redis_at(&uri), "", Rate::new(MAX, 1), FrozenClock::at(NOON).clock()).await;
            check(&policy, read("warm-up")).await.expect("the first request of another user");
            println!("\nready");
            std::io::stdin().read_line(&mut String::new()).expect("the word to start");
            let (mut decided, mut admitted, mut in_doubt) = (0, 0u32, 0u64);
            while decided < EACH {
                let outcome = check(&policy, read("ada")).await;
                if fallbacks(&policy) > in_doubt {
                    // Redis was late: whether it counted this one is unknown, and the memory's answer says nothing here.
                    in_doubt += 1;
                    up(&policy).await;
                } else {
                    decided += 1;
                    admitted += u32::from(outcome.is_ok());
                }
            }
            println!("counts={admitted},{in_doubt}");
        });
        return;
    }
    let _alone = ALONE.blocking_lock();
    let redis = RedisServer::start(&[]);
    let children: Vec<_> = (0..4)
        .map(|_| {
            let mut child = Command::new(env::current_exe().expect("this program"))
                .args(["--exact", "four_processes_with_the_clock_frozen_admit_exactly_max", "--nocapture"])
                .env(CHILD, redis.uri())
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .expect("a process of its own");
            let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines().map_while(Result::ok);
            assert!(lines.any(|line| line == "ready"), "the process is ready");
            (child, lines)
        })
        .collect();
    let counting = children.into_iter().map(|(mut child, mut lines)| {
        child.stdin.take().expect("piped").write_all(b"go\n").expect("the word to start");
        thread::spawn(move || {
            let counts = lines.find_map(|line| {
                let (admitted, in_doubt) = line.strip_prefix("counts=")?.split_once(',')?;
                Some((admitted.parse().ok()?, in_doubt.parse().ok()?))
            });
            assert!(child.wait().expect("the process ends").success(), "the process succeeds");
            counts.expect("the process tells its counts")
        })
    });
    let counting: Vec<thread::JoinHandle<(u32, u32)>> = counting.collect();
    let counts: Vec<(u32, u32)> = counting.into_iter().map(|count| count.join().expect("a count")).collect();
    let admitted: u32 = counts.iter().map(|(admitted, _)| admitted).sum();
    let in_doubt: u32 = counts.iter().map(|(_, in_doubt)| in_doubt).sum();
    // On a machine that is not overloaded nothing is in doubt, and this says: exactly MAX.
    assert!((MAX.saturating_sub(in_doubt)..=MAX).contains(&admitted), "{counts:?}");
}

#[derive(Clone, Debug)]
enum Step {
    Read,
    Run(u8),
    Release(u8),
    Refund(u8),
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    const WAITS: &[u64] = &[1_000, 7_000, 30_000, 61_000, 3_600_000, 40_000_000];
    let step = prop_oneof![
        2 => Just(Step::Read),
        6 => (0u8..12).prop_map(Step::Run),
        2 => (0u8..12).prop_map(Step::Release),
        1 => (0u8..12).prop_map(Step::Refund),
        3 => prop::sample::select(WAITS).prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 1..80)
}

/// A case in which Redis was late says nothing.
fn unless_late<T>(outcome: T, policy: &Policy) -> Result<T, TestCaseError> {
    if fallbacks(policy) == 0 { Ok(outcome) } else { Err(TestCaseError::reject("Redis was late")) }
}

/// The script and the memory are written apart; each is the other's test.
#[test]
fn redis_and_memory_decide_alike() {
    let _alone = ALONE.blocking_lock();
    let redis = RedisServer::start(&[]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let plans = r#"{"free":{"runsPerDay":6,"concurrentRuns":2,"maxRunSeconds":60,
        "rates":{"run":{"max":4,"windowMinutes":1},"read":{"max":3,"windowMinutes":2}}}}"#;
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 60,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    runner
        .run(&steps(), |steps| {
            redis.command(&["FLUSHALL"]);
            let time = FrozenClock::at(NOON);
            runtime.block_on(async {
                let (shared, _events) = connected(redis_at(&redis.uri()), plans, None, time.clock()).await;
                let (memory, _events) = policy(None, plans, None, time.clock());
                for (index, step) in steps.iter().enumerate() {
                    match step {
                        Step::Wait(ms) => time.advance(Duration::from_millis(*ms)),
                        Step::Read => {
                            let by_redis = unless_late(check(&shared, read("ada")).await, &shared)?;
                            prop_assert_eq!(
                                by_redis,
                                check(&memory, read("ada")).await,
                                "step {} of {:?}",
                                index,
                                steps
                            );
                        }
                        Step::Run(id) => {
                            let id = id.to_string();
                            let by_redis = unless_late(check(&shared, run("ada", &id)).await, &shared)?;
                            prop_assert_eq!(
                                by_redis,
                                check(&memory, run("ada", &id)).await,
                                "step {} of {:?}",
                                index,
                                steps
                            );
                        }
                        Step::Release(id) => {
                            shared.release(&subject("ada"), &id.to_string()).await;
                            memory.release(&subject("ada"), &id.to_string()).await;
                        }
                        Step::Refund(id) => {
                            shared.refund(&subject("ada"), &id.to_string()).await;
                            memory.refund(&subject("ada"), &id.to_string()).await;
                        }
                    }
                }
                unless_late((), &shared)
            })
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
}

#[tokio::test]
async fn instances_share_days_and_slots_by_the_servers_own_time() {
    let _alone = ALONE.lock().await;
    let redis = RedisServer::start(&[]);
    let plans = r#"{"free":{"runsPerDay":3,"concurrentRuns":2,"maxRunSeconds":600}}"#;
    let (one, _events) = connected(redis_at(&redis.uri()), plans, None, Clock::system()).await;
    let (two, _events) = connected(redis_at(&redis.uri()), plans, None, Clock::system()).await;
    assert_eq!(check(&one, run("ada", "1")).await.map(|admitted| admitted.replay), Ok(false));
    assert_eq!(check(&two, run("ada", "1")).await.map(|admitted| admitted.replay), Ok(true), "a replay elsewhere");
    assert!(check(&two, run("ada", "2")).await.is_ok());
    assert_eq!(limit_of(check(&one, run("ada", "3")).await).limit, "concurrentRuns");
    two.release(&subject("ada"), "1").await;
    assert!(check(&one, run("ada", "3")).await.is_ok(), "freed by another instance, and the refusal took nothing");
    one.release(&subject("ada"), "2").await;
    assert_eq!(limit_of(check(&two, run("ada", "4")).await).limit, "runsPerDay");
    two.refund(&subject("ada"), "3").await;
    assert!(check(&two, run("ada", "4")).await.is_ok());
    all_by_redis(&one);
    all_by_redis(&two);
}

#[tokio::test]
async fn an_address_is_limited_across_instances_and_then_takes_nothing_of_the_user() {
    let _alone = ALONE.lock().await;
    let redis = RedisServer::start(&[]);
    let instance = || {
        let config = PolicyConfig {
            plans: Plans::from_text(r#"{"free":{"runsPerDay":1}}"#).expect("good plans"),
            user_rate: None,
            ip_rate: Rate::new(1, 1),
            hook_rate: None,
            redis: Some(redis_at(&redis.uri())),
        };
        Policy::new(config, FrozenClock::at(NOON).clock(), Box::new(|_| ())).expect("a good configuration")
    };
    let (one, two) = (instance(), instance());
    for instance in [&one, &two] {
        instance.connect();
        up(instance).await;
    }
    let from = |user, run_id, ip| {
        let ask: Ask<'_> = run(user, run_id);
        Ask { subject: Subject { ip: Some(ip), ..ask.subject }, ..ask }
    };
    assert!(check(&one, from("ada", "1", "192.0.2.1")).await.is_ok());
    let refused = limit_of(check(&two, from("bob", "2", "::ffff:192.0.2.1")).await);
    assert_eq!((refused.plan, refused.limit, refused.value), (None, "ip-run", 1));
    assert!(check(&two, from("bob", "3", "192.0.2.2")).await.is_ok(), "his one run of the day was given back");
}

/// In virtual time, which only moves when everything waits: so the 50 ms are exact, however slow the machine.
#[tokio::test]
async fn a_redis_that_forgot_the_script_still_decides() {
    let _alone = ALONE.lock().await;
    let redis = RedisServer::start(&[]);
    let (policy, _events) = connected(redis_at(&redis.uri()), "", Rate::new(5, 1), FrozenClock::at(NOON).clock()).await;
    assert_eq!(passed(&policy, 2).await, 2);
    redis.command(&["SCRIPT", "FLUSH"]);
    assert_eq!(passed(&policy, 10).await, 3);
    all_by_redis(&policy);
}

#[tokio::test]
async fn keys_bear_the_prefix_and_no_name_and_end_by_themselves() {
    let _alone = ALONE.lock().await;
    let redis = RedisServer::start(&[]);
    let plans = r#"{"free":{"runsPerDay":3,"concurrentRuns":2,"maxRunSeconds":600}}"#;
    let (policy, _events) = connected(redis_at(&redis.uri()), plans, Rate::new(5, 1), Clock::system()).await;
    check(&policy, run("ada} {lovelace", "run-1")).await.expect("a first run");
    let keys: Vec<String> = redis::from_redis_value(redis.command(&["KEYS", "*lib*"])).expect("a list");
    let all: i64 = redis::from_redis_value(redis.command(&["DBSIZE"])).expect("a number");
    assert_eq!(keys.len() as i64, all, "every key begins with the prefix: {keys:?}");
    for name in ["run", "runs", "leases"] {
        assert!(keys.iter().any(|key| key.ends_with(&format!("}}:{name}"))), "{name} in {keys:?}");
    }
    for key in keys {
        assert!(key.starts_with("libre::sim:{") && !key.contains("ada"), "{key}");
        let left: i64 = redis::from_redis_value(redis.command(&["PTTL", &key])).expect("a number");
        assert!(left > 0, "{key} ends by itself");
    }
}

#[tokio::test]
async fn redis_over_tls_is_used_when_its_authority_is_trusted() {
    let _alone = ALONE.lock().await;
    let folder = env::temp_dir().join(format!("sim-adapter-tls-{}-{}", std::process::id(), free_port()));
    fs::create_dir_all(&folder).expect("a folder");
    certificates(&folder);
    let ca = fs::read(folder.join("ca.pem")).expect("the authority");
    let port = free_port();
    let tls = port.to_string();
    let arguments = [
        "--port",
        "0",
        "--tls-port",
        &tls,
        "--tls-cert-file",
        "server.pem",
        "--tls-key-file",
        "server.key",
        "--tls-ca-cert-file",
        "ca.pem",
        "--tls-auth-clients",
        "no",
    ];
    let redis = RedisServer::start_in(folder, port, &arguments);
    let uri = format!("rediss://127.0.0.1:{}", redis.port());
    let trusting = RedisConfig { ca: Some(ca), ..redis_at(&uri) };
    let (policy_trusting, _events) = connected(trusting, "", Rate::new(5, 1), FrozenClock::at(NOON).clock()).await;
    assert_eq!(passed(&policy_trusting, 10).await, 5);
    assert_eq!(policy_trusting.shared_status().map(|status| status.fallbacks), Some(0));
    let (distrusting, mut events) = policy(Some(redis_at(&uri)), "", Rate::new(5, 1), Clock::system());
    assert_eq!(passed(&distrusting, 10).await, 5, "the limit in memory");
    assert!(matches!(next(&mut events).await, Event::RedisUnavailable(_)));
}

#[tokio::test]
async fn in_a_cluster_all_keys_of_one_user_lie_on_one_node() {
    let _alone = ALONE.lock().await;
    let node = || {
        let bus = free_port().to_string();
        RedisServer::start(&["--cluster-enabled", "yes", "--cluster-port", &bus, "--cluster-announce-ip", "127.0.0.1"])
    };
    let (one, two) = (node(), node());
    one.command(&["CLUSTER", "ADDSLOTSRANGE", "0", "8191"]);
    two.command(&["CLUSTER", "ADDSLOTSRANGE", "8192", "16383"]);
    two.command(&["CLUSTER", "SET-CONFIG-EPOCH", "2"]);
    let bus: Vec<String> = redis::from_redis_value(two.command(&["CONFIG", "GET", "cluster-port"])).expect("a pair");
    one.command(&["CLUSTER", "MEET", "127.0.0.1", &two.port().to_string(), &bus[1]]);
    let whole = |node: &RedisServer| {
        let info: String = redis::from_redis_value(node.command(&["CLUSTER", "INFO"])).expect("text");
        info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:2")
    };
    let joined = async {
        while !(whole(&one) && whole(&two)) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENT, joined).await.expect("the nodes become one cluster");

    let config = RedisConfig { cluster: true, ..redis_at(&format!("{}, {}", one.uri(), two.uri())) };
    let plans = r#"{"free":{"runsPerDay":2,"concurrentRuns":1,"maxRunSeconds":60,"rates":{"run":{"max":5,"windowMinutes":1}}}}"#;
    let (policy, _events) = connected(config, plans, None, FrozenClock::at(NOON).clock()).await;
    for user in 0..20 {
        let user = user.to_string();
        assert!(check(&policy, run(&user, "1")).await.is_ok());
        assert_eq!(limit_of(check(&policy, run(&user, "2")).await).limit, "concurrentRuns");
        policy.release(&subject(&user), "1").await;
        assert!(check(&policy, run(&user, "2")).await.is_ok());
        policy.refund(&subject(&user), "2").await;
        assert!(check(&policy, run(&user, "3")).await.is_ok());
    }
    assert_eq!(policy.shared_status().map(|status| (status.fallbacks, status.outages)), Some((0, 0)));
    for node in [&one, &two] {
        let keys: i64 = redis::from_redis_value(node.command(&["DBSIZE"])).expect("a number");
        assert!(keys > 0, "both nodes hold users");
    }
}

#[test]
fn an_address_of_redis_that_is_wrong_is_refused_without_repeating_its_password() {
    let config = PolicyConfig {
        plans: Plans::none(),
        user_rate: None,
        ip_rate: None,
        hook_rate: None,
        redis: Some(redis_at("redi://user:hunter2@127.0.0.1:6379")),
    };
    assert!(!format!("{config:?}").contains("hunter2"));
    let problem = Policy::new(config, Clock::system(), Box::new(|_| ())).err().expect("no such scheme");
    assert_eq!(problem.path, "REDIS_URI");
    assert!(!problem.to_string().contains("hunter2"), "{problem}");
}
