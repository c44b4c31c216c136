//! The runtimes and what is under way on them: threads for the host's calls, others for clients that are served past it, and an
//! outbox that the host empties in one go. It knows nothing of what a call does.

use std::num::NonZero;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::available_parallelism;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use crate::answer::Answer;
use crate::arrival::Request;
use crate::calls::{Calls, shutting_down};
use crate::client::{self, Adopted, Clients};
use crate::config::{Config, Problem};
use crate::core::Core;
use crate::hooks::{self, Delivery};
use crate::host::Host;
use crate::identity::Identities;
use crate::large::Lent;
use crate::messenger::Messenger;
use crate::outbox::{self, Event, Outbox};
use crate::pipeline::{Pipeline, Work};
use crate::run::About;
use crate::thread::{Busy, Team, Thread, Urgency};

/// The longest that other processes are waited for to hear that this one ends.
const FAREWELL: Duration = Duration::from_millis(100);
/// The most threads that share work of one kind, where there are as many processors.
const THREADS: usize = 4;

/// What became of a submitted request.
pub enum Submission {
    /// At once: so many bytes, packed.
    Answered(usize),
    /// It goes on with the next flush; its answer will be in the outbox.
    Pending,
}

/// The adapter at work.
pub struct Engine {
    calls: Arc<Calls>,
    clients: Arc<Clients>,
    outbox: Arc<Outbox>,
    thread: Thread,
    /// Where calls are forwarded that may have large answers. Such a thread reads them, looks through them and writes them, so that
    /// no byte goes from one processor to another, and other calls do not wait for it.
    forwarding: Arc<Team>,
    /// Where clients' connections are served. Each of these threads does all that is done for its own, calls to Sim included,
    /// so that none of it has to wake another thread.
    serving: Arc<Team>,
    /// Waits for the next flush.
    admitted: Mutex<Vec<(u32, Box<Work>)>>,
}

impl Engine {
    /// Starts the thread. `wake` is called, from any thread, when the outbox has something new.
    /// `problems` are those found so far; `Err` holds them and whatever else is wrong.
    pub fn start(
        config: Config,
        mut problems: Vec<Problem>,
        wake: Box<dyn Fn() + Send + Sync>,
    ) -> Result<Self, Vec<Problem>> {
        let failed = |message: String| vec![Problem { name: "adapter".to_owned(), message }];
        let clients = Arc::new(Clients::default());
        let outbox = Arc::new(Outbox::new(Arc::clone(&clients), wake));
        let messenger = Arc::new(Messenger::new(Arc::clone(&outbox)));
        let identities = Identities::new(config.jwt.as_ref()).map_err(|found| problems.extend(found));
        let core = Core::new(config, Arc::clone(&messenger) as Arc<dyn Host>).map_err(|found| problems.extend(found));
        let (Ok(identities), Ok(core), true) = (identities, core, problems.is_empty()) else { return Err(problems) };
        let thread = Thread::start("sim-adapter", Urgency::GivesWay)
            .map_err(|error| failed(format!("the thread cannot start: {error}")))?;
        let pipeline = Pipeline::new(core, identities);
        {
            let _on_runtime = thread.runtime().enter();
            pipeline.connect();
        }
        let calls = Arc::new(Calls::new(pipeline, messenger, Arc::clone(&outbox)));
        let threads = available_parallelism().map_or(1, NonZero::get).min(THREADS);
        let forwarding = Arc::new(Team::new("sim-proxy", Urgency::GivesWay, threads));
        let serving = Arc::new(Team::new("sim-clients", Urgency::Usual, threads));
        Ok(Self { calls, clients, outbox, thread, forwarding, serving, admitted: Mutex::default() })
    }

    pub fn limits_ips(&self) -> bool {
        self.calls.pipeline.core().config.limits.ip_rate.is_some()
    }

    /// Whether the one bearer token among these values of `Authorization` is good.
    pub fn knows(&self, authorization: &[String]) -> bool {
        self.calls.pipeline.knows(authorization)
    }

    pub fn max_body_bytes(&self) -> usize {
        self.calls.pipeline.max_body_bytes()
    }

    /// Admits a request under a number that no call under way has. An answer that is there at once is packed into `into`, if
    /// it fits.
    pub fn submit(&self, call: u32, request: Request<'_>, into: &mut [u8]) -> Submission {
        match self.calls.admit(call, request) {
            Ok(work) => {
                self.admitted.lock().unwrap_or_else(PoisonError::into_inner).push((call, work));
                Submission::Pending
            }
            Err(answer) => match outbox::pack_answer(&answer, into) {
                Ok(length) => Submission::Answered(length),
                Err(_) => {
                    self.outbox.push(Event::Answer { call, answer });
                    Submission::Pending
                }
            },
        }
    }

    /// Sets everything going that was admitted: one wake-up of a thread, however many requests are for it.
    pub fn flush(&self) {
        let admitted = std::mem::take(&mut *self.admitted.lock().unwrap_or_else(PoisonError::into_inner));
        let (forwarded, others): (Vec<_>, Vec<_>) = admitted.into_iter().partition(|(_, work)| work.forwards());
        if !forwarded.is_empty() {
            let least_busy = self.forwarding.least_busy();
            let (thread, busy) = least_busy.map_or((&self.thread, None), |(thread, busy)| (thread, Some(busy)));
            self.set_going(thread, busy, forwarded);
        }
        if !others.is_empty() {
            self.set_going(&self.thread, None, others);
        }
    }

    fn set_going(&self, thread: &Thread, busy: Option<Busy>, admitted: Vec<(u32, Box<Work>)>) {
        let calls = Arc::clone(&self.calls);
        thread.runtime().spawn(async move {
            for (call, work) in admitted {
                calls.start(call, work, busy.clone());
            }
        });
    }

    /// Serves a client's connection from now on. Its number, under which the outbox says when it is the host's again; `None`
    /// when no more are served.
    pub fn adopt(&self, adopted: Adopted) -> Option<u32> {
        if self.calls.is_closing() {
            return None;
        }
        let runtime = self.serving.next()?.runtime();
        let (calls, clients, outbox) = (Arc::clone(&self.calls), Arc::clone(&self.clients), Arc::clone(&self.outbox));
        self.clients.add(|number, words| {
            let served = client::serve(adopted, number, words, calls, clients, outbox);
            runtime.spawn(served).abort_handle()
        })
    }

    /// The host has closed a connection that was served here.
    pub fn forget(&self, connection: u32) {
        self.clients.forget(connection);
    }

    /// Gives a connection that is served here back to the host, after what is under way.
    pub fn recall(&self, connection: u32) {
        self.clients.recall(connection);
    }

    /// Takes a webhook: `None` asks for its body, without which it can only be refused.
    pub fn hook(&self, delivery: &Delivery<'_>, body: Option<&[u8]>) -> Option<Answer> {
        let request_id = self.calls.pipeline.request_id(delivery.request_id);
        let core = self.calls.pipeline.core();
        let outcome = match body {
            _ if self.calls.is_closing() => Err(shutting_down()),
            Some(body) => hooks::receive(core, delivery, body, &request_id),
            None => match hooks::admit(core, delivery) {
                Ok(()) => return None,
                Err(error) => Err(error),
            },
        };
        Some(outcome.unwrap_or_else(|error| Answer::error(&error, &request_id)))
    }

    /// Makes pollers look at Sim now.
    pub fn nudge(&self, about: About<'_>) {
        self.calls.pipeline.core().watches.nudge(about);
    }

    /// Gives a call up: its request to Sim is dropped, and no answer comes.
    pub fn cancel(&self, call: u32) {
        self.calls.cancel(call);
    }

    /// The host has written `bytes` of the pieces that it took of an answer.
    pub fn written(&self, call: u32, bytes: usize) {
        self.calls.messenger.written(call, bytes);
    }

    /// The host's word on a large answer: the client's socket, or that it comes in pieces. Whether a socket was taken.
    pub fn lend(&self, call: u32, lent: Option<Lent>) -> bool {
        self.calls.messenger.lend(call, lent)
    }

    /// What is waiting for the host: see [`Outbox::drain`].
    pub fn drain(&self, into: &mut [u8]) -> Result<usize, usize> {
        self.outbox.drain(into)
    }

    /// Moves pieces of an answer into `into`. What does not fit is announced again, after what others have waiting.
    pub fn take(&self, call: u32, into: &mut [u8]) -> usize {
        self.calls.messenger.take(call, into)
    }

    /// What was counted, in Prometheus' text format.
    pub fn metrics(&self) -> String {
        self.calls.metrics()
    }

    /// Whether limits are shared through Redis now; `None` where they are not meant to be.
    pub fn redis_up(&self) -> Option<bool> {
        self.calls.pipeline.redis_up()
    }

    /// The host's answer to a question; `None` when its function failed.
    pub fn reply(&self, question: u32, answer: Option<Value>) {
        self.calls.messenger.reply(question, answer);
    }

    /// Takes no more requests, ends those that only watch, waits up to `drain` for the others under way, answers the
    /// rest with `shutting_down`, gives connections back, and ends the threads. The outbox' last event says that it is done.
    pub fn close(&self, drain: Duration) {
        if !self.calls.close() {
            return;
        }
        self.flush();
        self.clients.recall_all();
        let (calls, clients, outbox) = (Arc::clone(&self.calls), Arc::clone(&self.clients), Arc::clone(&self.outbox));
        let stop = self.thread.take_stop();
        let others = [Arc::clone(&self.forwarding), Arc::clone(&self.serving)];
        self.thread.runtime().spawn(async move {
            let until = Instant::now() + drain;
            calls.drain(drain).await;
            let _ = tokio::time::timeout(FAREWELL, calls.pipeline.at_rest()).await;
            // Answers may still be on their way to clients who read slowly.
            let _ = tokio::time::timeout_at(until.max(Instant::now() + FAREWELL), clients.empty()).await;
            others.iter().for_each(|team| team.stop());
            outbox.push(Event::Closed);
            drop(stop);
        });
    }
}
