//! The poller of a run: reads it from Sim, or hears of it from the process that does, and tells those who watch here. It
//! must not know who they are, nor how they are told.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use sha2::{Digest, Sha256};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::nudge::About;
use super::shared::{Claim, Room, Told};
use super::watch::Line;
use super::{Owner, RunRef, json, read};
use crate::core::{Context, Core};
use crate::error::{Code, Error};
use crate::policy::PATIENCE;
use crate::upstream::api::{RunState, Status};

/// The first wait between two polls, and the one after a change.
pub(super) const FASTEST: Duration = Duration::from_millis(250);
/// The longest wait between two polls of a run that does not change.
pub(super) const SLOWEST: Duration = Duration::from_secs(5);
/// The longest that Sim can make a poller wait: people are watching.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How long one poll may take.
const POLL_TIMEOUT: Duration = Duration::from_secs(10);
/// Reads in a row that do not find the run until it counts as gone.
pub(super) const MISSES: u32 = 5;
/// Reads in a row that do not reach Sim until another process is let try.
const FAILURES: u32 = 3;

/// What a poller last told.
#[derive(Clone)]
pub(super) enum News {
    /// Nothing yet.
    None,
    State(Arc<Seen>),
    /// The run cannot be read, and was not before, or it is gone.
    Trouble(Error),
}

/// A state, as its event tells it to all who watch.
#[derive(Debug)]
pub(super) struct Seen {
    /// Names the state, on any instance.
    pub(super) id: String,
    pub(super) status: Status,
    /// `{"run": …}`
    pub(super) json: Bytes,
}

/// A run, and who watches it: the handle in its events is that owner's.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Watched {
    pub(super) owner: Owner,
    pub(super) run: RunRef,
}

pub(super) struct Poller {
    pub(super) core: Arc<Core>,
    /// The first watcher's.
    pub(super) context: Context,
    pub(super) watched: Watched,
    pub(super) line: Line,
    /// Where it meets those of other processes.
    pub(super) room: Room,
    /// Until the next read.
    pub(super) wait: Duration,
    pub(super) misses: u32,
    pub(super) failures: u32,
}

impl Poller {
    /// Must be called on the runtime.
    pub(super) fn start(core: &Arc<Core>, context: &Context, watched: Watched, line: Line, room: Room) {
        let (core, context) = (Arc::clone(core), context.clone());
        core.watches.began(&core);
        tokio::spawn(Poller { core, context, watched, line, room, wait: FASTEST, misses: 0, failures: 0 }.poll());
    }

    /// Reads the run, or hears of it from the process that does, until it ends, is gone, or nobody watches.
    async fn poll(mut self) {
        while !self.core.watches.leave_unwatched(&self.watched) {
            // A request waits for the first news, and no longer for Redis than it would for its limits.
            let patience = matches!(&*self.line.sender.borrow(), News::None).then_some(PATIENCE);
            let went_on = match self.room.claim(patience).await {
                // What somebody told who left may be old, unless nothing can follow it.
                Claim::Ours(Some(Told::State(seen))) if seen.status.is_final() => self.learn(seen).await,
                Claim::Ours(_) => self.read().await,
                Claim::Theirs(told, left) => {
                    self.line.nudges.poll_elsewhere(true);
                    let went_on = self.listen(told, Instant::now() + left).await;
                    self.line.nudges.poll_elsewhere(false);
                    went_on
                }
            };
            if went_on.is_break() {
                return;
            }
        }
        self.room.leave().await;
    }

    /// Reads the run once, and waits until the next time.
    async fn read(&mut self) -> ControlFlow<()> {
        self.context.caller.deadline = Instant::now() + POLL_TIMEOUT;
        let least;
        let read = self.room.during(read::look(&self.core, &self.context, &self.watched.run));
        let read = tokio::select! {
            read = read => read,
            // Nobody waits for it any more.
            () = self.line.sender.closed() => return ControlFlow::Continue(()),
        };
        match read {
            Ok((state, allowance)) => {
                (self.misses, self.failures) = (0, 0);
                let ended = state.status.is_final();
                if ended {
                    // Whoever comes from now on reads the run itself.
                    self.core.watches.remove(&self.watched);
                }
                let (seen, news) = self.tell(&state);
                if ended {
                    self.room.end(&seen).await;
                    return ControlFlow::Break(());
                }
                self.wait = if news { FASTEST } else { longer(self.wait) };
                least = allowance.map_or(Duration::ZERO, |left| left.pace(self.core.watches.runs()).min(LONGEST_PAUSE));
                self.room.tell(&seen, self.wait.max(least)).await;
            }
            Err(error) => {
                self.misses = if error.code == Code::NotFound { self.misses + 1 } else { 0 };
                self.failures = if may_be_ours(error.code) { self.failures + 1 } else { 0 };
                least = error.retry_after.unwrap_or_default().min(LONGEST_PAUSE);
                self.wait = longer(self.wait);
                let unknown = matches!(&*self.line.sender.borrow(), News::None);
                if unknown || self.misses >= MISSES {
                    self.core.watches.remove(&self.watched);
                    self.line.sender.send_replace(News::Trouble(error));
                    match unknown {
                        true => self.room.leave().await,
                        false => self.room.gone().await,
                    }
                    return ControlFlow::Break(());
                }
                match self.failures < FAILURES {
                    true => self.room.keep(self.wait.max(least)).await,
                    false => self.room.leave().await,
                }
            }
        }
        self.rest(least).await;
        ControlFlow::Continue(())
    }

    /// Waits until the run is to be read again: less than meant when nudged, here or by another process, never less than
    /// `least`.
    pub(super) async fn rest(&mut self, least: Duration) {
        let began = Instant::now();
        let mut due = began + spread(self.wait).max(least);
        loop {
            let pace = tokio::select! {
                () = sleep_until(due) => return,
                // Whoever comes next shall not find a poller asleep with old news.
                () = self.line.sender.closed() => return,
                () = self.room.nudged() => {
                    self.line.nudges.give(About::Run(self.watched.run.run.as_str()));
                    continue;
                }
                pace = self.line.nudges.next() => pace,
            };
            due = due.min(began + pace.gap.max(least));
            self.wait = self.wait.min(pace.wait);
        }
    }

    /// Hears what the process tells that polls the run, up to `until`: then it may have ended.
    async fn listen(&mut self, told: Option<Told>, until: Instant) -> ControlFlow<()> {
        (self.wait, self.misses, self.failures) = (FASTEST, 0, 0);
        if let Some(told) = told {
            self.hear(told).await?;
        }
        let mut quiet = Instant::now();
        loop {
            let nudged = async {
                sleep_until(quiet).await;
                self.line.nudges.next().await
            };
            let told = tokio::select! {
                told = timeout_at(until, self.room.listen()) => told,
                () = self.line.sender.closed() => return ControlFlow::Continue(()),
                // The process that reads the run is who should know.
                pace = nudged => {
                    quiet = Instant::now() + pace.gap;
                    self.core.watches.nudge_others(&self.watched.run).await;
                    continue;
                }
            };
            match told {
                Ok(Some(told)) => self.hear(told).await?,
                _ => return ControlFlow::Continue(()),
            }
        }
    }

    async fn hear(&mut self, told: Told) -> ControlFlow<()> {
        match told {
            Told::State(seen) => self.learn(seen).await,
            Told::Long(id) if self.knows(&id) => ControlFlow::Continue(()),
            Told::Long(_) => {
                self.context.caller.deadline = Instant::now() + POLL_TIMEOUT;
                match read::state(&self.core, &self.context, &self.watched.run).await {
                    Ok(state) => self.learn(self.see(&state)).await,
                    // It is asked for again when the lease ends.
                    Err(_) => ControlFlow::Continue(()),
                }
            }
            Told::Gone => {
                self.core.watches.remove(&self.watched);
                self.line.sender.send_replace(News::Trouble(Error::not_found("Sim does not know it")));
                ControlFlow::Break(())
            }
        }
    }

    /// A state that another process told.
    async fn learn(&mut self, seen: Seen) -> ControlFlow<()> {
        let status = seen.status;
        if status.is_final() {
            self.core.watches.remove(&self.watched);
        }
        if !self.knows(&seen.id) {
            self.line.sender.send_replace(News::State(Arc::new(seen)));
        }
        if !status.is_final() {
            return ControlFlow::Continue(());
        }
        read::seen(&self.core, &self.context, &self.watched.run, status).await;
        ControlFlow::Break(())
    }

    /// Tells those who watch here, if it is news.
    fn tell(&self, state: &RunState) -> (Arc<Seen>, bool) {
        if let News::State(seen) = &*self.line.sender.borrow()
            && seen.id == id(state)
        {
            return (Arc::clone(seen), false);
        }
        let seen = Arc::new(self.see(state));
        self.line.sender.send_replace(News::State(Arc::clone(&seen)));
        (seen, true)
    }

    fn see(&self, state: &RunState) -> Seen {
        let json = json::full(&self.core, &self.context, &self.watched.run, state);
        Seen { id: id(state), status: state.status, json: json.into() }
    }

    fn knows(&self, id: &str) -> bool {
        matches!(&*self.line.sender.borrow(), News::State(seen) if seen.id == id)
    }
}

impl Drop for Poller {
    fn drop(&mut self) {
        self.core.watches.ended();
    }
}

/// Whether another process may have more luck: what failed is the way to Sim, or its key.
fn may_be_ours(code: Code) -> bool {
    matches!(code, Code::UpstreamUnreachable | Code::UpstreamTimeout | Code::UpstreamAuth | Code::CircuitOpen)
}

/// Names a state by what a watcher can see of it.
pub(super) fn id(state: &RunState) -> String {
    let pause = state.paused.as_ref().map(|pause| (&pause.context_id, &pause.paused_at));
    let error = state.error.as_ref().map(|error| &error.message);
    // The same in every process: a client may reconnect to another instance.
    let seen = serde_json::json!([state.status, state.started_at, state.ended_at, pause, error]).to_string();
    let digest = Sha256::digest(seen.as_bytes());
    URL_SAFE_NO_PAD.encode(&digest[..12])
}

/// The wait after one that brought nothing new.
pub(super) fn longer(wait: Duration) -> Duration {
    (wait * 3 / 2).min(SLOWEST)
}

/// A wait between four fifths and all of `wait`, so that pollers do not march in step.
pub(super) fn spread(wait: Duration) -> Duration {
    let mut random = [0u8; 1];
    // Without randomness waits are only less spread.
    let _ = getrandom::fill(&mut random);
    wait * 4 / 5 + wait * u32::from(random[0]) / (5 * 255)
}
