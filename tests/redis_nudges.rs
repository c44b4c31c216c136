//! A process that hears that a run has changed has the one read it that polls it, whichever that is.

mod redis_support;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use redis::FromRedisValue;
use redis_support::RedisServer;
use serde_json::{Value, json};
use sim_adapter::answer::Answer;
use sim_adapter::config::Config;
use sim_adapter::core::{Context, Core, User};
use sim_adapter::host::{Host, Level, Outlet, Question};
use sim_adapter::metrics::Op;
use sim_adapter::run::{About, FlowId, Generation, Hint, Owner, RunRef, SimRunId, watch};
use sim_adapter::stream::Pipe;
use sim_adapter::upstream::Caller;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

struct Silent;

impl Host for Silent {
    fn ask(&self, _: u32, _: Question, _: Value) -> oneshot::Receiver<Option<Value>> {
        oneshot::channel().1
    }

    fn open(&self, _: u32, _: Answer, window: usize) -> Outlet {
        Outlet::new(Arc::new(Pipe::new(window)), Box::new(|_| {}))
    }

    fn log_about(&self, _: Level, _: &'static str, _: &str, _: Value) {}
}

/// How often each run was read.
type Reads = Arc<Mutex<HashMap<String, usize>>>;

/// Reads until the run `moved` has ended; every other goes on for ever.
const LONG: usize = 8;

/// A Sim that counts how often each run is read.
async fn sim() -> (String, Reads) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("its address"));
    let reads = Reads::default();
    let counted = Arc::clone(&reads);
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let counted = Arc::clone(&counted);
            tokio::spawn(async move {
                let mut request = [0; 4096];
                // The request is small: it comes in one piece.
                while let Ok(length @ 1..) = socket.read(&mut request).await {
                    let line =
                        String::from_utf8_lossy(&request[..length]).lines().next().unwrap_or_default().to_owned();
                    let run = line.split([' ', '/', '?']).nth(7).unwrap_or_default().to_owned();
                    let ended = {
                        let mut counted = counted.lock().expect("no panic");
                        let count = counted.entry(run.clone()).or_default();
                        *count += 1;
                        run == "moved" && *count >= LONG
                    };
                    let status = if ended { "completed" } else { "running" };
                    let body = json!({ "data": { "status": status } }).to_string();
                    let head = format!("content-type: application/json\r\ncontent-length: {}", body.len());
                    let answer = format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n{body}");
                    socket.write_all(answer.as_bytes()).await.expect("the adapter listens");
                }
            });
        }
    });
    (url, reads)
}

fn count(reads: &Reads, run: &str) -> usize {
    reads.lock().expect("no panic").get(run).copied().unwrap_or_default()
}

/// A process, but for the name; connected to Redis.
async fn core(sim: &str, redis: &str) -> Arc<Core> {
    let secret = "not-a-secret-but-long-enough-for-one";
    let options = json!({
        "baseUrl": sim, "apiKey": "key", "apiVersion": "v2", "handleSecret": secret, "redisUri": redis,
    });
    let (config, problems) = Config::read(&json!({ "options": options, "env": {} }));
    assert!(problems.is_empty());
    let Ok(core) = Core::new(config, Arc::new(Silent)) else { panic!("a good configuration") };
    core.policy.connect();
    while !core.policy.shared_status().is_some_and(|status| status.up) {
        sleep(Duration::from_millis(5)).await;
    }
    Arc::new(core)
}

fn context(user: &str) -> Context {
    let user = User { owner: Owner::new(None, Some(user)), ..User::default() };
    let deadline = Instant::now() + Duration::from_secs(10);
    let caller = Caller { request_id: "r".into(), sim_user: user.sim_user(), trace: None, op: Op::default(), deadline };
    Context { call: 0, caller, user, mount: String::new() }
}

fn reference(run: &str) -> RunRef {
    let run = SimRunId::parse(run).expect("an id");
    RunRef { generation: Generation::V2, flow: FlowId::parse("f").expect("an id"), run }
}

fn watching(core: &Arc<Core>, run: &'static str) -> JoinHandle<bool> {
    let core = Arc::clone(core);
    tokio::spawn(async move {
        let head = Answer { status: 200, headers: Vec::new(), body: Default::default() };
        watch(&core, &context("ann"), &reference(run), None, head).await.is_ok()
    })
}

/// Two processes, of which the first watches two runs that have not changed for a while, so that it reads them seldom.
async fn watched(redis: &RedisServer) -> (Arc<Core>, Arc<Core>, JoinHandle<bool>, Reads) {
    let (url, reads) = sim().await;
    let (one, other) = (core(&url, &redis.uri()).await, core(&url, &redis.uri()).await);
    let watcher = watching(&one, "moved");
    watching(&one, "still");
    while count(&reads, "moved") < LONG - 3 || count(&reads, "still") < LONG - 3 {
        sleep(Duration::from_millis(5)).await;
    }
    (one, other, watcher, reads)
}

/// Nudges until the watcher hears the end, and gives how often the other run was read meanwhile.
async fn until_ended(watcher: JoinHandle<bool>, reads: &Reads, nudge: impl AsyncFn()) -> usize {
    let before = count(reads, "still");
    while !watcher.is_finished() {
        nudge().await;
        sleep(Duration::from_millis(20)).await;
    }
    assert!(watcher.await.is_ok_and(|good| good));
    count(reads, "still") - before
}

#[tokio::test]
async fn what_is_done_to_a_run_in_one_process_moves_the_poller_in_another() {
    let redis = RedisServer::start(&[]);
    let (_one, other, watcher, reads) = watched(&redis).await;
    let meanwhile = until_ended(watcher, &reads, async || other.watches.moved(&reference("moved")).await).await;
    assert!(meanwhile <= 1, "the other run was read {meanwhile} times meanwhile, so nothing was hurried");
    assert_eq!(count(&reads, "moved"), LONG);
}

#[tokio::test]
async fn a_process_that_only_listens_passes_a_hook_on() {
    let redis = RedisServer::start(&[]);
    let (_one, other, watcher, reads) = watched(&redis).await;
    let listener = watching(&other, "moved");
    let nudge = async || {
        other.watches.nudge(About::Run("moved"));
    };
    let meanwhile = until_ended(watcher, &reads, nudge).await;
    assert!(meanwhile <= 1, "the other run was read {meanwhile} times meanwhile, so nothing was hurried");
    assert!(listener.await.is_ok_and(|good| good));
    assert_eq!(count(&reads, "moved"), LONG, "read by the one, heard of by the other");
}

/// How often something was published.
fn published(redis: &RedisServer) -> usize {
    let stats = String::from_redis_value(redis.command(&["INFO", "commandstats"])).expect("a text");
    let calls = stats.split_once("cmdstat_publish:calls=").map(|(_, rest)| rest);
    calls.and_then(|rest| rest.split(',').next()?.parse().ok()).unwrap_or_default()
}

#[tokio::test]
async fn a_hint_is_heard_by_the_process_that_polls_and_passed_on_by_nobody() {
    let redis = RedisServer::start(&[]);
    let (_one, other, watcher, reads) = watched(&redis).await;
    let listener = watching(&other, "moved");
    watching(&other, "still");
    while other.watches.counts().1 < 2 {
        sleep(Duration::from_millis(5)).await;
    }
    // It is said by one that watches nothing.
    let third = core("http://127.0.0.1:9", &redis.uri()).await;
    let hint = Hint { run: Some("moved".to_owned()), flow: Some("f".to_owned()) };
    let (before, still) = (published(&redis), count(&reads, "still"));
    let from = count(&reads, "moved");
    let mut said = 0;
    while count(&reads, "moved") == from {
        third.watches.tell_others(&hint).await;
        said += 1;
        sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(published(&redis) - before, said, "nothing but the hint");
    assert!(count(&reads, "still") - still <= 1, "a poll of its own may fall into this time");
    until_ended(watcher, &reads, async || third.watches.tell_others(&hint).await).await;
    assert!(listener.await.is_ok_and(|good| good));
}
