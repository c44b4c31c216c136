//! What pollers promise beyond what a client can see.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::*;
use crate::config::Config;
use crate::core::User;
use crate::host::{Host, Level, Outlet, Question, Told};
use crate::metrics::Op;
use crate::run::poller::{SLOWEST, id};
use crate::run::{FlowId, Generation, Owner, SimRunId};
use crate::stream::Pipe;
use crate::upstream::Caller;
use crate::upstream::api::RunState;

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

/// A client that reads at once; what came, and when.
#[derive(Default)]
struct Client(Arc<Mutex<Vec<(Instant, String)>>>);

impl Host for Client {
    fn ask(&self, _: u32, _: Question, _: Value) -> oneshot::Receiver<Option<Value>> {
        oneshot::channel().1
    }

    fn open(&self, _: u32, _: Answer, window: usize) -> Outlet {
        let (pipe, read) = (Arc::new(Pipe::new(window)), Arc::clone(&self.0));
        let take = Arc::clone(&pipe);
        let tell = move |told| {
            if let Told::Waiting = told {
                let mut taken = vec![0; window];
                let (count, _) = take.take(&mut taken);
                take.written(count);
                let text = String::from_utf8(taken[..count].to_vec()).unwrap();
                read.lock().unwrap().push((Instant::now(), text));
            }
        };
        Outlet::new(pipe, Box::new(tell))
    }

    fn log_about(&self, _: Level, _: &'static str, _: &str, _: Value) {}
}

/// A Sim whose one run is always running; its URL, and how often it was asked.
async fn sim() -> (String, Arc<AtomicUsize>) {
    sim_whose_run_takes(Duration::MAX).await
}

/// The same, of a run that ends after so long.
async fn sim_whose_run_takes(time: Duration) -> (String, Arc<AtomicUsize>) {
    let began = Instant::now();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let count = Arc::clone(&count);
            tokio::spawn(async move {
                let mut request = [0; 4096];
                // The request is small: it comes in one piece.
                while socket.read(&mut request).await.is_ok_and(|read| read > 0) {
                    count.fetch_add(1, Ordering::SeqCst);
                    let status = if began.elapsed() < time { "running" } else { "completed" };
                    let body = json!({ "data": { "status": status } }).to_string();
                    let head = format!("content-type: application/json\r\ncontent-length: {}", body.len());
                    socket.write_all(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n{body}").as_bytes()).await.unwrap();
                }
            });
        }
    });
    (url, asked)
}

fn core(url: &str) -> Arc<Core> {
    core_in(url, Arc::new(Silent))
}

fn core_in(url: &str, host: Arc<dyn Host>) -> Arc<Core> {
    let options = json!({ "baseUrl": url, "apiKey": "key", "apiVersion": "v2" });
    let (config, _) = Config::read(&json!({ "options": options, "env": {} }));
    Arc::new(Core::new(config, host).unwrap_or_else(|_| panic!("a good one")))
}

fn context(user: &str) -> Context {
    let user = User { owner: Owner::new(None, Some(user)), ..User::default() };
    let deadline = Instant::now() + Duration::from_secs(10);
    let caller = Caller { request_id: "r".into(), sim_user: user.sim_user(), trace: None, op: Op::default(), deadline };
    Context { call: 0, caller, user, mount: String::new() }
}

fn run() -> RunRef {
    let (flow, run) = (FlowId::parse("f").unwrap(), SimRunId::parse("r").unwrap());
    RunRef { generation: Generation::V2, flow, run }
}

fn handle(seen: &Seen) -> String {
    serde_json::from_slice::<Value>(&seen.json).unwrap()["run"]["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_poller_goes_with_its_last_watcher() {
    let (url, asked) = sim().await;
    let core = core(&url);
    let mut first = core.watches.follow(&core, &context("ann"), &run());
    let second = core.watches.follow(&core, &context("ann"), &run());
    assert_eq!(next(&mut first).await.unwrap().status, Status::Running);
    drop(first);
    let before = asked.load(Ordering::SeqCst);
    while asked.load(Ordering::SeqCst) == before {
        // The second one still watches.
        sleep(Duration::from_millis(5)).await;
    }
    drop(second);
    while !core.watches.lock().is_empty() {
        sleep(Duration::from_millis(5)).await;
    }
    // Nothing but the poller holds the core, besides this test: so nothing can poll any more.
    while Arc::strong_count(&core) > 1 {
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn watchers_of_one_owner_share_a_poller_and_its_events() {
    let (url, _) = sim().await;
    let core = core(&url);
    let mut news: Vec<_> = (0..3).map(|_| core.watches.follow(&core, &context("ann"), &run())).collect();
    assert_eq!(core.watches.lock().len(), 1);
    let first = next(&mut news[0]).await.unwrap();
    for other in &mut news[1..] {
        assert!(Arc::ptr_eq(&first, &next(other).await.unwrap()));
    }
    let mut late = core.watches.follow(&core, &context("ann"), &run());
    assert!(Arc::ptr_eq(&first, &next(&mut late).await.unwrap()));
}

#[tokio::test]
async fn a_run_of_half_an_hour_is_watched_to_its_end() {
    const TIME: Duration = Duration::from_secs(30 * 60);
    tokio::time::pause();
    // The clock of a test goes by itself while nothing is to be done, and so past answers that are on their way; not
    // while something blocks.
    let (end, blocks) = std::sync::mpsc::channel::<()>();
    let blocked = tokio::task::spawn_blocking(move || blocks.recv());
    let (url, asked) = sim_whose_run_takes(TIME).await;
    let core = core(&url);
    let began = Instant::now();
    let mut news = core.watches.follow(&core, &context("ann"), &run());
    // A first read that fails would be the last one: no time passes until it is done.
    let mut told = vec![next(&mut news).await.unwrap().status];
    while told.last() != Some(&Status::Completed) {
        // Sockets have their turn between the seconds.
        for _ in 0..300 {
            tokio::task::yield_now().await;
        }
        if let Some(news) = next(&mut news).now_or_never() {
            told.push(news.unwrap().status);
        }
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    assert_eq!(told, [Status::Running, Status::Completed]);
    assert!(began.elapsed() >= TIME);
    // Waits grow from 0.25 s to 5 s, less a fifth.
    let most = TIME.as_secs() / 4 + 20;
    assert!((asked.load(Ordering::SeqCst) as u64) < most, "{asked:?} of {most}");
    drop(end);
    let _ = blocked.await;
}

/// Lets `watch` follow a poller that is this test.
fn played_poller(core: &Core, run: RunRef) -> (watch::Sender<News>, Arc<Nudges>) {
    let (sender, nudges) = (watch::Sender::new(News::None), Arc::<Nudges>::default());
    let watched = Watched { owner: context("ann").user.owner, run };
    core.watches.lock().insert(watched, Line { sender: sender.clone(), nudges: Arc::clone(&nudges) });
    (sender, nudges)
}

#[tokio::test(start_paused = true)]
async fn a_client_hears_of_each_change_within_half_an_hour_and_every_15_s_of_silence_a_heartbeat() {
    let client = Client::default();
    let (read, began) = (Arc::clone(&client.0), Instant::now());
    let core = core_in("http://127.0.0.1:9", Arc::new(client));
    let (sender, _) = played_poller(&core, run());
    let now = |status| {
        let state = RunState::bare(status);
        let json = json!({ "run": { "status": status } }).to_string().into();
        sender.send_replace(News::State(Arc::new(Seen { id: id(&state), status, json })));
    };
    let changes = async {
        now(Status::Running);
        sleep(Duration::from_secs(601)).await;
        now(Status::Paused);
        sleep(Duration::from_secs(100)).await;
        // Nothing that a watcher could see.
        now(Status::Paused);
        sleep(Duration::from_secs(1099)).await;
        now(Status::Completed);
    };
    let head = Answer { status: 200, headers: Vec::new(), body: Default::default() };
    let (context, run) = (context("ann"), run());
    let (watched, ()) = tokio::join!(watch(&core, &context, &run, None, head), changes);
    assert!(watched.is_ok());
    let mut expected: Vec<(u64, String)> = Vec::new();
    for (at, status, until) in [(0, "running", 601), (601, "paused", 1800), (1800, "completed", 1800)] {
        expected.push((at, format!("event: status\ndata: {{\"run\":{{\"status\":\"{status}\"}}}}\n\n")));
        expected.extend((at + 15..until).step_by(15).map(|at| (at, ": heartbeat\n\n".to_owned())));
    }
    let read = read.lock().unwrap();
    let told = |(at, text): &(Instant, String)| {
        let text = text.strip_prefix("id: ").and_then(|text| text.split_once('\n')).map_or(&**text, |(_, rest)| rest);
        ((*at - began).as_secs(), text.to_owned())
    };
    assert_eq!(read.iter().map(told).collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn two_owners_of_a_run_get_handles_of_their_own() {
    let (url, _) = sim().await;
    let core = core(&url);
    let mut handles = Vec::new();
    for name in ["ann", "bob"] {
        let context = context(name);
        let seen = next(&mut core.watches.follow(&core, &context, &run())).await.unwrap();
        assert_eq!(core.handles.open(&context.user.owner, &handle(&seen)), Some(run()));
        handles.push(handle(&seen));
    }
    assert_ne!(handles[0], handles[1]);
}

#[test]
fn waits_grow_to_their_longest_and_are_spread_over_a_fifth() {
    let mut wait = FASTEST;
    for _ in 0..20 {
        let spread = spread(wait);
        assert!(spread >= wait * 4 / 5 && spread <= wait, "{wait:?}: {spread:?}");
        wait = longer(wait);
    }
    assert_eq!(wait, SLOWEST);
}

#[test]
fn pollers_do_not_march_in_step() {
    let waits: std::collections::HashSet<_> = (0..100).map(|_| spread(SLOWEST)).collect();
    assert!(waits.len() > 10, "{waits:?}");
}

#[test]
fn an_id_names_what_a_watcher_can_see() {
    let bare = RunState::bare(Status::Running);
    let started = RunState { started_at: Some("2026-01-01T00:00:00Z".into()), ..RunState::bare(Status::Running) };
    assert_eq!(id(&bare), id(&RunState { duration_ms: Some(1), ..RunState::bare(Status::Running) }));
    let ids = [id(&bare), id(&started), id(&RunState::bare(Status::Completed))];
    assert_eq!(ids.iter().collect::<std::collections::HashSet<_>>().len(), 3);
    assert!(ids.iter().all(|id| id.len() == 16));
}

/// A poller that somebody watches, and its watcher.
fn poller() -> (Poller, watch::Receiver<News>) {
    let (sender, receiver) = watch::channel(News::None);
    let context = context("ann");
    let watched = Watched { owner: context.user.owner.clone(), run: run() };
    let line = Line { sender, nudges: Arc::default() };
    let core = core("http://127.0.0.1:9");
    let room = core.watches.shared.room(&watched.owner, &watched.run);
    core.watches.began(&core);
    (Poller { core, context, watched, line, room, wait: SLOWEST, misses: 0, failures: 0 }, receiver)
}

/// How long a poller rests, and the wait that it goes on with, when nudged `after` the beginning.
async fn rests(least: Duration, after: Duration, about: About<'static>) -> (Duration, Duration) {
    let (mut poller, _watcher) = poller();
    let nudges = Arc::clone(&poller.line.nudges);
    tokio::spawn(async move {
        sleep(after).await;
        // However many, they are one.
        for _ in 0..100 {
            nudges.give(about);
        }
    });
    let began = Instant::now();
    poller.rest(least).await;
    (began.elapsed(), poller.wait)
}

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[tokio::test(start_paused = true)]
async fn a_nudged_poller_looks_at_once_and_soon_again() {
    // The clock of a test goes in whole milliseconds.
    let near =
        |(elapsed, wait): (Duration, Duration), at: u64| (elapsed >= ms(at) && elapsed <= ms(at + 2)).then_some(wait);
    assert_eq!(near(rests(ms(0), ms(2000), About::Run("r")).await, 2000), Some(ms(250)));
    assert_eq!(near(rests(ms(0), ms(2000), About::Flow("f")).await, 2000), Some(ms(250)));
    assert_eq!(near(rests(ms(0), ms(3000), About::Any).await, 3000), Some(ms(1000)));
}

#[tokio::test(start_paused = true)]
async fn nudges_keep_their_distance() {
    let near = |(elapsed, _): (Duration, Duration), at: u64| elapsed >= ms(at) && elapsed <= ms(at + 2);
    assert!(near(rests(ms(0), ms(1), About::Run("r")).await, 250));
    assert!(near(rests(ms(0), ms(1), About::Any).await, 2500));
    assert!(near(rests(ms(8000), ms(1), About::Run("r")).await, 8000), "Sim said when to come back");
}

#[tokio::test]
async fn a_nudge_reaches_whom_it_is_about() {
    let (url, _) = sim().await;
    let core = core(&url);
    let other = RunRef { run: SimRunId::parse("r2").unwrap(), ..run() };
    let elsewhere = RunRef { flow: FlowId::parse("f2").unwrap(), run: SimRunId::parse("r3").unwrap(), ..run() };
    let _watchers: Vec<_> = [run(), other, elsewhere]
        .iter()
        .flat_map(|run| ["ann", "bob"].map(|name| core.watches.follow(&core, &context(name), run)))
        .collect();
    let reached = |about| core.watches.nudge(about);
    assert_eq!(reached(About::Run("r")), 2);
    assert_eq!(reached(About::Flow("f")), 4);
    assert_eq!(reached(About::Any), 6);
    assert_eq!((reached(About::Run("f")), reached(About::Flow("r"))), (0, 0));
}

#[test]
fn a_hint_reaches_those_of_its_run_else_of_its_flow_else_all_who_poll_here() {
    let core = core("http://127.0.0.1:9");
    let reference = |flow: &str, run: &str| {
        let (flow, run) = (FlowId::parse(flow).unwrap(), SimRunId::parse(run).unwrap());
        RunRef { flow, run, ..self::run() }
    };
    let runs = [("f", "r"), ("f", "r2"), ("f2", "r3")];
    let nudges = runs.map(|(flow, run)| played_poller(&core, reference(flow, run)).1);
    let woken = |run: Option<&str>, flow: Option<&str>, first: bool| {
        core.watches.take(&Hint { run: run.map(Into::into), flow: flow.map(Into::into) }, first);
        nudges.each_ref().map(|nudges| nudges.next().now_or_never().is_some())
    };
    assert_eq!(woken(Some("r"), None, true), [true, false, false]);
    assert_eq!(woken(Some("r"), Some("f2"), true), [true, false, false]);
    assert_eq!(woken(None, Some("f"), true), [true, true, false]);
    assert_eq!(woken(Some("other"), Some("f"), false), [true, true, false]);
    assert_eq!(woken(None, Some("other"), true), [false; 3]);
    assert_eq!(woken(None, None, true), [true; 3]);
    assert_eq!(woken(None, None, false), [true; 3]);
    assert_eq!(woken(Some("other"), None, true), [true; 3], "it may be a run's that goes on under another id");
    assert_eq!(woken(Some("other"), None, false), [false; 3], "it is watched elsewhere");
    nudges[0].poll_elsewhere(true);
    assert_eq!(woken(None, Some("f"), true), [false, true, false]);
}
