//! `GET /runs/:runId/events`: one poller for a run, however many watch it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use super::events::Events;
use super::nudge::{About, Nudges};
use super::{Owner, RunRef, json, read};
use crate::answer::Answer;
use crate::core::{Context, Core};
use crate::error::{Code, Error};
use crate::upstream::api::{RunState, Status};

/// The first wait between two polls, and the one after a change.
const FASTEST: Duration = Duration::from_millis(250);
/// The longest wait between two polls of a run that does not change.
const SLOWEST: Duration = Duration::from_secs(5);
/// The longest that Sim can make a poller wait: people are watching.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How long one poll may take.
const POLL_TIMEOUT: Duration = Duration::from_secs(10);
/// Reads in a row that do not find the run until it counts as gone.
const MISSES: u32 = 5;

/// What a poller last told.
#[derive(Clone)]
enum News {
    /// Nothing yet.
    None,
    State(Arc<Seen>),
    /// The run cannot be read, and was not before, or it is gone.
    Trouble(Error),
}

/// A state, as its event tells it to all who watch.
struct Seen {
    /// Names the state, on any instance.
    id: String,
    status: Status,
    /// `{"run": …}`
    json: Vec<u8>,
}

/// A run, and who watches it: the handle in its events is that owner's.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Watched {
    owner: Owner,
    run: RunRef,
}

/// What leads to a poller.
#[derive(Clone)]
struct Line {
    sender: watch::Sender<News>,
    nudges: Arc<Nudges>,
}

/// The runs that somebody watches.
#[derive(Default)]
pub struct Watches(Mutex<HashMap<Watched, Line>>);

impl Watches {
    /// Follows `run`, with the poller that others already have, or with a new one.
    fn follow(&self, core: &Arc<Core>, context: &Context, run: &RunRef) -> watch::Receiver<News> {
        let watched = Watched { owner: context.user.owner.clone(), run: run.clone() };
        let mut pollers = self.lock();
        if let Some(line) = pollers.get(&watched) {
            let mut news = line.sender.subscribe();
            // What the others know already is news to whoever comes now.
            news.mark_changed();
            return news;
        }
        let (sender, receiver) = watch::channel(News::None);
        let line = Line { sender, nudges: Arc::default() };
        pollers.insert(watched.clone(), line.clone());
        tokio::spawn(Poller { core: Arc::clone(core), context: context.clone(), watched, line }.poll());
        receiver
    }

    /// Makes the pollers that this is about look at Sim now, each no oftener than its pace allows. Gives their number.
    pub fn nudge(&self, about: About<'_>) -> usize {
        let pollers = self.lock();
        let meant = pollers.iter().filter(|(watched, _)| match about {
            About::Run(run) => watched.run.run.as_str() == run,
            About::Flow(flow) => watched.run.flow.as_str() == flow,
            About::Any => true,
        });
        meant.map(|(_, line)| line.nudges.give(about)).count()
    }

    /// Ends the poller of a run if nobody watches it any more.
    fn leave_unwatched(&self, watched: &Watched) -> bool {
        let mut pollers = self.lock();
        let unwatched = pollers.get(watched).is_none_or(|line| line.sender.receiver_count() == 0);
        if unwatched {
            pollers.remove(watched);
        }
        unwatched
    }

    /// How many runs are watched, and by how many.
    pub fn counts(&self) -> (usize, usize) {
        let pollers = self.lock();
        (pollers.len(), pollers.values().map(|line| line.sender.receiver_count()).sum())
    }

    fn remove(&self, watched: &Watched) {
        self.lock().remove(watched);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Watched, Line>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Poller {
    core: Arc<Core>,
    /// The first watcher's.
    context: Context,
    watched: Watched,
    line: Line,
}

impl Poller {
    /// Reads the run until it ends, is gone, or nobody watches.
    async fn poll(mut self) {
        let mut wait = FASTEST;
        let mut misses = 0;
        while !self.core.watches.leave_unwatched(&self.watched) {
            self.context.caller.deadline = Instant::now() + POLL_TIMEOUT;
            let mut least = Duration::ZERO;
            match read::state(&self.core, &self.context, &self.watched.run).await {
                Ok(state) => {
                    misses = 0;
                    let ended = state.status.is_final();
                    if ended {
                        // Whoever comes from now on reads the run itself.
                        self.core.watches.remove(&self.watched);
                    }
                    wait = if self.tell(&state) { FASTEST } else { longer(wait) };
                    if ended {
                        return;
                    }
                }
                Err(error) => {
                    misses = if error.code == Code::NotFound { misses + 1 } else { 0 };
                    least = error.retry_after.unwrap_or_default();
                    wait = longer(wait);
                    let unknown = matches!(&*self.line.sender.borrow(), News::None);
                    if unknown || misses >= MISSES {
                        self.core.watches.remove(&self.watched);
                        self.line.sender.send_replace(News::Trouble(error));
                        return;
                    }
                }
            }
            wait = self.rest(wait, least.min(LONGEST_PAUSE)).await;
        }
    }

    /// Waits until the run is to be read again: about `wait`, less when nudged, never less than `least`. Gives the wait to
    /// go on with.
    async fn rest(&self, mut wait: Duration, least: Duration) -> Duration {
        let began = Instant::now();
        let mut due = began + spread(wait).max(least);
        loop {
            let pace = tokio::select! {
                () = sleep_until(due) => return wait,
                // Whoever comes next shall not find a poller asleep with old news.
                () = self.line.sender.closed() => return wait,
                pace = self.line.nudges.next() => pace,
            };
            due = due.min(began + pace.gap.max(least));
            wait = wait.min(pace.wait);
        }
    }

    /// Whether the state is news.
    fn tell(&self, state: &RunState) -> bool {
        let id = id(state);
        let known = matches!(&*self.line.sender.borrow(), News::State(seen) if seen.id == id);
        if !known {
            let json = json::full(&self.core, &self.context, &self.watched.run, state);
            self.line.sender.send_replace(News::State(Arc::new(Seen { id, status: state.status, json })));
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

/// The wait after one that brought nothing new.
fn longer(wait: Duration) -> Duration {
    (wait * 3 / 2).min(SLOWEST)
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
    let first = match timeout_at(context.caller.deadline, next(&mut news)).await {
        Ok(first) => first?,
        Err(_) => return Err(Error::new(Code::UpstreamTimeout, "Sim did not answer in time")),
    };
    let mut events = Events::open(core, context, head);
    if let Err(error) = tell(&mut events, news, first, last, Status::is_final).await {
        events.fail(core, context, &error);
    }
    Ok(())
}

/// The same within a stream that is already open, of a run that certainly exists, until it has ended or pauses. Gives
/// the JSON of its last state.
pub(super) async fn carry_on(
    core: &Arc<Core>,
    context: &Context,
    run: &RunRef,
    events: &mut Events,
) -> Result<Vec<u8>, Error> {
    let mut wait = FASTEST;
    let mut misses = 0;
    loop {
        let mut news = core.watches.follow(core, context, run);
        let error = match events.meanwhile(next(&mut news)).await {
            Ok(first) => {
                let last = tell(events, news, first, None, |status| !status.is_moving()).await?;
                return Ok(last.json.clone());
            }
            Err(error) => error,
        };
        misses = if error.code == Code::NotFound { misses + 1 } else { 0 };
        if misses >= MISSES {
            return Err(error);
        }
        // What broke the stream off, a restart of Sim for example, may keep its status from being read for a while.
        events.meanwhile(sleep(spread(wait).max(error.retry_after.unwrap_or_default()))).await;
        wait = longer(wait);
    }
}

/// A `status` event for `first` and each state after it, up to the one that is the end.
async fn tell(
    events: &mut Events,
    mut news: watch::Receiver<News>,
    first: Arc<Seen>,
    last: Option<&str>,
    is_end: impl Fn(Status) -> bool,
) -> Result<Arc<Seen>, Error> {
    let mut seen = first;
    let mut known = last == Some(seen.id.as_str());
    loop {
        if !known {
            events.send_as("status", &seen.id, &seen.json).await;
        }
        if is_end(seen.status) {
            return Ok(seen);
        }
        let next = events.meanwhile(next(&mut news)).await?;
        known = next.id == seen.id;
        seen = next;
    }
}

/// The next state, or why there is none.
async fn next(news: &mut watch::Receiver<News>) -> Result<Arc<Seen>, Error> {
    while news.changed().await.is_ok() {
        match &*news.borrow_and_update() {
            News::State(seen) => return Ok(Arc::clone(seen)),
            News::Trouble(error) => return Err(error.clone()),
            News::None => {}
        }
    }
    // The poller ended without a word.
    Err(Error::malformed())
}

#[cfg(test)]
#[path = "watch_tests.rs"]
mod tests;
