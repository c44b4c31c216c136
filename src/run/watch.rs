//! `GET /runs/:runId/events`: one poller for a run, however many watch it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep};

use super::events::Events;
use super::{RunRef, json, read};
use crate::answer::Answer;
use crate::core::{Context, Core};
use crate::error::{Code, Error};
use crate::upstream::api::RunState;

/// The first wait between two polls, and the one after a change.
const FASTEST: Duration = Duration::from_millis(250);
/// The longest wait between two polls of a run that does not change.
const SLOWEST: Duration = Duration::from_secs(5);
/// How long one poll may take.
const POLL_TIMEOUT: Duration = Duration::from_secs(10);
/// Reads in a row that do not find the run until it counts as gone.
const MISSES: u32 = 5;
/// Silence after which a heartbeat goes out.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(15);

/// What a poller last told.
#[derive(Clone)]
enum News {
    /// Nothing yet.
    None,
    State(Arc<Seen>),
    /// The run cannot be read, and was not before.
    Trouble(Error),
}

/// A state, and the event id that names it, on any instance.
struct Seen {
    id: String,
    state: RunState,
}

/// The runs that somebody watches.
#[derive(Default)]
pub struct Watches(Mutex<HashMap<RunRef, watch::Sender<News>>>);

impl Watches {
    /// Follows `run`, with the poller that others already have, or with a new one.
    fn follow(&self, core: &Arc<Core>, context: &Context, run: &RunRef) -> watch::Receiver<News> {
        let mut watched = self.lock();
        if let Some(poller) = watched.get(run) {
            return poller.subscribe();
        }
        let (sender, receiver) = watch::channel(News::None);
        watched.insert(run.clone(), sender.clone());
        let poller = Poller { core: Arc::clone(core), context: context.clone(), run: run.clone(), sender };
        tokio::spawn(poller.poll());
        receiver
    }

    /// Ends the poller of `run` if nobody watches any more.
    fn leave_unwatched(&self, run: &RunRef) -> bool {
        let mut watched = self.lock();
        let unwatched = watched.get(run).is_none_or(|sender| sender.receiver_count() == 0);
        if unwatched {
            watched.remove(run);
        }
        unwatched
    }

    fn remove(&self, run: &RunRef) {
        self.lock().remove(run);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<RunRef, watch::Sender<News>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Poller {
    core: Arc<Core>,
    /// The first watcher's: a handle is one user's, so all who watch are that user.
    context: Context,
    run: RunRef,
    sender: watch::Sender<News>,
}

impl Poller {
    /// Reads the run until it ends, is gone, or nobody watches.
    async fn poll(mut self) {
        let mut wait = FASTEST;
        let mut misses = 0;
        while !self.core.watches.leave_unwatched(&self.run) {
            self.context.caller.deadline = Instant::now() + POLL_TIMEOUT;
            let mut least = Duration::ZERO;
            match read::state(&self.core, &self.context, &self.run).await {
                Ok(state) => {
                    misses = 0;
                    let ended = state.status.is_final();
                    if ended {
                        // Whoever comes from now on reads the run itself.
                        self.core.watches.remove(&self.run);
                    }
                    wait = if self.tell(state) { FASTEST } else { (wait * 3 / 2).min(SLOWEST) };
                    if ended {
                        return;
                    }
                }
                Err(error) => {
                    misses = if error.code == Code::NotFound { misses + 1 } else { 0 };
                    least = error.retry_after.unwrap_or_default();
                    wait = (wait * 3 / 2).min(SLOWEST);
                    let unknown = matches!(&*self.sender.borrow(), News::None);
                    if unknown || misses >= MISSES {
                        self.core.watches.remove(&self.run);
                        self.sender.send_replace(News::Trouble(error));
                        return;
                    }
                }
            }
            sleep(spread(wait).max(least)).await;
        }
    }

    /// Whether the state is news.
    fn tell(&self, state: RunState) -> bool {
        let id = id(&state);
        let known = matches!(&*self.sender.borrow(), News::State(seen) if seen.id == id);
        if !known {
            self.sender.send_replace(News::State(Arc::new(Seen { id, state })));
        }
        !known
    }
}

/// Names a state by what a watcher can see of it.
fn id(state: &RunState) -> String {
    let pause = state.paused.as_ref().map(|pause| (&pause.context_id, &pause.paused_at));
    let error = state.error.as_ref().map(|error| &error.message);
    // The same in every process: a client may reconnect to another instance.
    let seen = serde_json::json!([state.status, state.started_at, state.ended_at, pause, error]).to_string();
    let digest = Sha256::digest(seen.as_bytes());
    URL_SAFE_NO_PAD.encode(&digest[..12])
}

/// A wait between four fifths and all of `wait`, so that pollers do not march in step.
fn spread(wait: Duration) -> Duration {
    let mut random = [0u8; 1];
    // Without randomness waits are only less spread.
    let _ = getrandom::fill(&mut random);
    wait * 4 / 5 + wait * u32::from(random[0]) / (5 * 255)
}

/// `status` events on each change until the run has ended. `last` is the id of the last event the client saw.
pub async fn watch(
    core: &Arc<Core>,
    context: &Context,
    run: &RunRef,
    last: Option<&str>,
    head: Answer,
) -> Result<(), Error> {
    let mut news = core.watches.follow(core, context, run);
    let first = next(&mut news).await?;
    let mut events = Events::open(core, context, head);
    tell(core, context, run, &mut events, news, first, last).await;
    Ok(())
}

/// The same within a stream that is already open, after its own events ended too early. Gives the final state.
pub(super) async fn carry_on(
    core: &Arc<Core>,
    context: &Context,
    run: &RunRef,
    events: &mut Events,
) -> Option<RunState> {
    let mut news = core.watches.follow(core, context, run);
    let first = match next(&mut news).await {
        Ok(first) => first,
        Err(error) => {
            events.fail(&error, &context.caller.request_id).await;
            return None;
        }
    };
    let seen = tell(core, context, run, events, news, first, None).await?;
    Arc::try_unwrap(seen).ok().map(|seen| seen.state).or(Some(read::state(core, context, run).await.ok()?))
}

async fn tell(
    core: &Core,
    context: &Context,
    run: &RunRef,
    events: &mut Events,
    mut news: watch::Receiver<News>,
    first: Arc<Seen>,
    last: Option<&str>,
) -> Option<Arc<Seen>> {
    let mut heartbeat = interval_at(Instant::now() + HEARTBEAT, HEARTBEAT);
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut seen = first;
    let mut known = last == Some(seen.id.as_str());
    loop {
        if !known {
            events.send_as("status", &seen.id, &json::full(core, context, run, &seen.state)).await;
        }
        if seen.state.status.is_final() {
            return Some(seen);
        }
        let next = loop {
            tokio::select! {
                next = next(&mut news) => break next,
                _ = heartbeat.tick() => events.heartbeat().await,
            }
        };
        match next {
            Ok(next) => {
                known = next.id == seen.id;
                seen = next;
            }
            Err(error) => {
                events.fail(&error, &context.caller.request_id).await;
                return None;
            }
        }
    }
}

/// The next state, or why there is none.
async fn next(news: &mut watch::Receiver<News>) -> Result<Arc<Seen>, Error> {
    loop {
        let gone = news.changed().await.is_err();
        match &*news.borrow_and_update() {
            News::State(seen) => return Ok(Arc::clone(seen)),
            News::Trouble(error) => return Err(error.clone()),
            News::None if gone => return Err(Error::malformed()),
            News::None => {}
        }
    }
}
