//! A process that hears that a run has changed has the one read it that polls it, whichever that is.

mod redis_support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use redis_support::RedisServer;
use serde_json::{Value, json};
use sim_adapter::answer::Answer;
use sim_adapter::config::Config;
use sim_adapter::core::{Context, Core, User};
use sim_adapter::host::{Host, Level, Outlet, Question};
use sim_adapter::metrics::Op;
use sim_adapter::run::{FlowId, Generation, Owner, RunRef, SimRunId, watch};
use sim_adapter::stream::Pipe;
use sim_adapter::upstream::Caller;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};

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

/// A Sim that tells of a run once, then is too busy for minutes, and then tells its end.
async fn sim() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("its address"));
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let count = Arc::clone(&count);
            tokio::spawn(async move {
                let mut request = [0; 4096];
                // The request is small: it comes in one piece.
                while socket.read(&mut request).await.is_ok_and(|read| read > 0) {
                    let (line, status) = match count.fetch_add(1, Ordering::SeqCst) {
                        0 => ("200 OK", "running"),
                        1 => ("429 Too Many Requests\r\nretry-after: 300", "running"),
                        _ => ("200 OK", "completed"),
                    };
                    let body = json!({ "data": { "status": status } }).to_string();
                    let head = format!("content-type: application/json\r\ncontent-length: {}", body.len());
                    let answer = format!("HTTP/1.1 {line}\r\n{head}\r\n\r\n{body}");
                    socket.write_all(answer.as_bytes()).await.expect("the adapter listens");
                }
            });
        }
    });
    (url, asked)
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

#[tokio::test]
async fn a_nudge_in_one_process_moves_the_poller_in_another() {
    let redis = RedisServer::start(&[]);
    let (url, asked) = sim().await;
    let (one, other) = (core(&url, &redis.uri()).await, core(&url, &redis.uri()).await);
    let user = User { owner: Owner::new(None, Some("ann")), ..User::default() };
    let deadline = Instant::now() + Duration::from_secs(10);
    let caller = Caller { request_id: "r".into(), sim_user: user.sim_user(), trace: None, op: Op::default(), deadline };
    let context = Context { call: 0, caller, user, mount: String::new() };
    let (flow, run) = (FlowId::parse("f").expect("an id"), SimRunId::parse("r").expect("an id"));
    let reference = RunRef { generation: Generation::V2, flow: flow.clone(), run: run.clone() };
    let watched = tokio::spawn(async move {
        let head = Answer { status: 200, headers: Vec::new(), body: Default::default() };
        watch(&one, &context, &reference, None, head).await
    });
    while asked.load(Ordering::SeqCst) < 2 {
        sleep(Duration::from_millis(5)).await;
    }
    // A nudge that comes before the poller listens is lost: it listens once Redis says so.
    let listening = || {
        let channels: Vec<String> = redis::from_redis_value(redis.command(&["PUBSUB", "CHANNELS"])).expect("a list");
        channels.len() == 1
    };
    while !listening() {
        sleep(Duration::from_millis(5)).await;
    }
    other.watches.nudge_others(&flow, &SimRunId::parse("another").expect("an id")).await;
    other.watches.nudge_others(&flow, &run).await;
    let ended = timeout(Duration::from_secs(20), watched).await.expect("well before Sim wants to be asked again");
    assert!(ended.expect("no panic").is_ok());
    assert_eq!(asked.load(Ordering::SeqCst), 3);
}
