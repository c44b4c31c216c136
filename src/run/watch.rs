//! `GET /runs/:runId/events`: one poller for a run, however many watch it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::{sleep, timeout_at};

use super::events::Events;
use super::nudge::{About, Hint, Nudges};
use super::poller::{FASTEST, MISSES, News, Poller, Seen, Watched, longer, spread};
use super::shared::{Hints, Shared};
use super::{FlowId, RootKeys, RunRef};
use crate::answer::Answer;
use crate::core::{Context, Core};
use crate::error::{Code, Error};
use crate::policy::Redis;
use crate::upstream::api::Status;

/// What leads to a poller.
#[derive(Clone)]
pub(super) struct Line {
    pub(super) sender: watch::Sender<News>,
    pub(super) nudges: Arc<Nudges>,
}

/// The runs that somebody watches.
#[derive(Default)]
pub struct Watches {
    pollers: Mutex<HashMap<Watched, Line>>,
    shared: Shared,
    /// How many pollers there are, those included that only have to tell other processes that they end.
    alive: watch::Sender<usize>,
    /// Whether what other processes say is heard.
    hearing: AtomicBool,
}

impl Watches {
    /// With `redis`, processes with the same secrets share their pollers.
    pub(crate) fn new(roots: &RootKeys, redis: Option<Redis>) -> Self {
        Self { shared: Shared::new(roots, redis), ..Self::default() }
    }

    /// Notes the runtime. Must be called on it.
    pub(crate) fn connect(&self) {
        self.shared.connect();
    }

    /// The runtime on which other processes are told; `None` where nothing is shared.
    pub(crate) fn runtime(&self) -> Option<&Handle> {
        self.shared.runtime()
    }

    /// Tells the other processes what has moved.
    pub async fn tell_others(&self, hint: &Hint) {
        self.shared.tell(hint).await;
    }

    /// Keeps for all processes which flow a hook's address belongs to.
    pub(crate) async fn keep_flow(&self, tag: &str, flow: &FlowId) {
        self.shared.keep_flow(tag, flow).await;
    }

    /// The flow that was kept for a hook's address.
    pub(crate) async fn flow_of(&self, tag: &str) -> Option<FlowId> {
        self.shared.flow_of(tag).await
    }

    /// Has the run read now by whichever other process polls it.
    pub async fn nudge_others(&self, run: &RunRef) {
        self.shared.nudge(&run.flow, &run.run).await;
    }

    /// Something was done to the run here: whoever polls it reads it now.
    pub async fn moved(&self, run: &RunRef) {
        self.nudge(About::Run(run.run.as_str()));
        self.nudge_others(run).await;
    }

    /// Resolves when nobody watches any more, and other processes know that nothing is polled here.
    pub async fn at_rest(&self) {
        // The sender is here: it cannot be gone.
        let _ = self.alive.subscribe().wait_for(|alive| *alive == 0).await;
    }

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
        let room = self.shared.room(&watched.owner, run);
        Poller::start(core, context, watched, line, room);
        receiver
    }

    /// Makes the pollers that this is about look at Sim now, each no oftener than its pace allows, wherever they poll. Gives
    /// their number.
    pub fn nudge(&self, about: About<'_>) -> usize {
        self.each(about, |nudges| nudges.give(about))
    }

    /// Takes a hint that all processes are given: the pollers of this one look. One about a run that is not watched is one
    /// about its flow, and without a flow, where it came `first`, about any.
    pub fn take(&self, hint: &Hint, first: bool) {
        let give = |about| self.each(about, |nudges| nudges.give_to_all(about)) > 0;
        let (run, flow) = (hint.run.as_deref(), hint.flow.as_deref());
        if run.is_some_and(|run| give(About::Run(run))) {
            return;
        }
        match flow {
            Some(flow) => give(About::Flow(flow)),
            None => (first || run.is_none()) && give(About::Any),
        };
    }

    /// Does `work` for the pollers that this is about, and gives their number.
    fn each(&self, about: About<'_>, work: impl Fn(&Nudges)) -> usize {
        let pollers = self.lock();
        let meant = pollers.iter().filter(|(watched, _)| match about {
            About::Run(run) => watched.run.run.as_str() == run,
            About::Flow(flow) => watched.run.flow.as_str() == flow,
            About::Any => true,
        });
        meant.map(|(_, line)| work(&line.nudges)).count()
    }

    /// Ends the poller of a run if nobody watches it any more.
    pub(super) fn leave_unwatched(&self, watched: &Watched) -> bool {
        let mut pollers = self.lock();
        let unwatched = pollers.get(watched).is_none_or(|line| line.sender.receiver_count() == 0);
        if unwatched {
            pollers.remove(watched);
        }
        unwatched
    }

    /// How many runs are watched.
    pub(super) fn runs(&self) -> usize {
        self.lock().len()
    }

    /// How many runs are watched, and by how many.
    pub fn counts(&self) -> (usize, usize) {
        let pollers = self.lock();
        (pollers.len(), pollers.values().map(|line| line.sender.receiver_count()).sum())
    }

    pub(super) fn remove(&self, watched: &Watched) {
        self.lock().remove(watched);
    }

    pub(super) fn began(&self, core: &Arc<Core>) {
        self.alive.send_modify(|alive| *alive += 1);
        if !self.hearing.swap(true, Ordering::Relaxed)
            && let Some(hints) = self.shared.hints()
        {
            tokio::spawn(hear(Arc::clone(core), hints));
        }
    }

    pub(super) fn ended(&self) {
        self.alive.send_modify(|alive| *alive -= 1);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Watched, Line>> {
        self.pollers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes what other processes tell, for as long as somebody watches here.
async fn hear(core: Arc<Core>, mut hints: Hints) {
    let watches = &core.watches;
    loop {
        tokio::select! {
            hint = hints.next() => match hint {
                Some(hint) => watches.take(&hint, false),
                None => return,
            },
            () = watches.at_rest() => {
                watches.hearing.store(false, Ordering::Relaxed);
                // Somebody may have come meanwhile, and found that it is heard.
                if *watches.alive.borrow() == 0 || watches.hearing.swap(true, Ordering::Relaxed) {
                    return;
                }
            }
        }
    }
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
) -> Result<Bytes, Error> {
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
            events.send_as("status", &seen.id, seen.json.clone()).await;
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
