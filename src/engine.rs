//! The runtime and what is under way on it: one thread of its own, a table of calls, and an outbox that the host
//! empties in one go. It knows nothing of what a call does.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use serde_json::Value;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use crate::answer::Answer;
use crate::arrival::Request;
use crate::config::{Config, Problem};
use crate::core::Core;
use crate::error::{Code, Error};
use crate::hooks::{self, Delivery};
use crate::host::{Host, Level};
use crate::identity::Identities;
use crate::large::Lent;
use crate::messenger::Messenger;
use crate::outbox::{self, Event, Outbox};
use crate::pipeline::{Admission, Pipeline, Work};
use crate::run::About;
use crate::thread::Thread;

/// The longest that other processes are waited for to hear that this one ends.
const FAREWELL: Duration = Duration::from_millis(100);

/// What became of a submitted request.
pub enum Submission {
    /// At once: so many bytes, packed.
    Answered(usize),
    /// It goes on with the next flush; its answer will be in the outbox.
    Pending,
}

/// The adapter at work.
pub struct Engine {
    pipeline: Arc<Pipeline>,
    shared: Arc<Shared>,
    thread: Thread,
    /// Waits for the next flush.
    admitted: Mutex<Vec<(u32, Box<Work>)>>,
}

struct Shared {
    outbox: Arc<Outbox>,
    under_way: Mutex<HashMap<u32, UnderWay>>,
    /// Signalled when a call leaves `under_way`.
    left: Notify,
    closing: AtomicBool,
    messenger: Arc<Messenger>,
}

/// A call that was admitted and is not answered.
struct UnderWay {
    /// `None`: it waits for a flush.
    task: Option<AbortHandle>,
    request_id: String,
    /// It ends nothing when it ends, and may never end by itself.
    only_watches: bool,
}

impl UnderWay {
    fn abort(&self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

/// The largest body that crosses the border at once, in bytes. More would keep Node's main thread from the others.
const WHOLE: usize = 32 * 1024;

impl Engine {
    /// Starts the thread. `wake` is called, from any thread, when the outbox has something new.
    /// `problems` are those found so far; `Err` holds them and whatever else is wrong.
    pub fn start(
        config: Config,
        mut problems: Vec<Problem>,
        wake: Box<dyn Fn() + Send + Sync>,
    ) -> Result<Self, Vec<Problem>> {
        let failed = |message: String| vec![Problem { name: "adapter".to_owned(), message }];
        let outbox = Arc::new(Outbox::new(wake));
        let messenger = Arc::new(Messenger::new(Arc::clone(&outbox)));
        let identities = Identities::new(config.jwt.as_ref()).map_err(|found| problems.extend(found));
        let core = Core::new(config, Arc::clone(&messenger) as Arc<dyn Host>).map_err(|found| problems.extend(found));
        let (Ok(identities), Ok(core), true) = (identities, core, problems.is_empty()) else { return Err(problems) };
        let thread =
            Thread::start("sim-adapter").map_err(|error| failed(format!("the thread cannot start: {error}")))?;
        let shared = Arc::new(Shared {
            outbox,
            under_way: Mutex::default(),
            left: Notify::new(),
            closing: AtomicBool::new(false),
            messenger,
        });
        let pipeline = Arc::new(Pipeline::new(core, identities));
        {
            let _on_runtime = thread.runtime().enter();
            pipeline.connect();
        }
        Ok(Self { pipeline, shared, thread, admitted: Mutex::default() })
    }

    pub fn limits_ips(&self) -> bool {
        self.pipeline.core().config.limits.ip_rate.is_some()
    }

    /// Whether the one bearer token among these values of `Authorization` is good.
    pub fn knows(&self, authorization: &[String]) -> bool {
        self.pipeline.knows(authorization)
    }

    pub fn max_body_bytes(&self) -> usize {
        self.pipeline.max_body_bytes()
    }

    /// Admits a request under a number that no call under way has. An answer that is there at once is packed into `into`, if
    /// it fits.
    pub fn submit(&self, call: u32, request: Request<'_>, into: &mut [u8]) -> Submission {
        let answer = if self.shared.closing.load(Ordering::Acquire) {
            Answer::error(&shutting_down(), &self.pipeline.request_id(request.request_id))
        } else {
            match self.pipeline.admit(call, request) {
                Admission::Answered(answer) => answer,
                Admission::Admitted(work) => {
                    let (request_id, only_watches) = (work.request_id().to_owned(), work.only_watches());
                    self.shared.under_way().insert(call, UnderWay { task: None, request_id, only_watches });
                    lock(&self.admitted).push((call, work));
                    return Submission::Pending;
                }
            }
        };
        match outbox::pack_answer(&answer, into) {
            Ok(length) => Submission::Answered(length),
            Err(_) => {
                self.shared.outbox.push(Event::Answer { call, answer });
                Submission::Pending
            }
        }
    }

    /// Sets everything going that was admitted: one wake-up of the runtime, however many requests it is for.
    pub fn flush(&self) {
        let admitted = std::mem::take(&mut *lock(&self.admitted));
        if admitted.is_empty() {
            return;
        }
        let (pipeline, shared) = (Arc::clone(&self.pipeline), Arc::clone(&self.shared));
        self.thread.runtime().spawn(async move {
            for (call, work) in admitted {
                shared.start(call, work, &pipeline);
            }
        });
    }

    /// Takes a webhook: `None` asks for its body, without which it can only be refused.
    pub fn hook(&self, delivery: &Delivery<'_>, body: Option<&[u8]>) -> Option<Answer> {
        let request_id = self.pipeline.request_id(delivery.request_id);
        let core = self.pipeline.core();
        let outcome = match body {
            _ if self.shared.closing.load(Ordering::Acquire) => Err(shutting_down()),
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
        self.pipeline.core().watches.nudge(about);
    }

    /// Gives a call up: its request to Sim is dropped, and no answer comes.
    pub fn cancel(&self, call: u32) {
        let given_up = self.shared.under_way().remove(&call);
        // Nobody takes what is left of its answer.
        self.shared.messenger.forget(call);
        if let Some(given_up) = given_up {
            given_up.abort();
            self.shared.left.notify_waiters();
        }
    }

    /// The host has written `bytes` of the pieces that it took of an answer.
    pub fn written(&self, call: u32, bytes: usize) {
        self.shared.messenger.written(call, bytes);
    }

    /// The host's word on a large answer: the client's socket, or that it comes in pieces. Whether a socket was taken.
    pub fn lend(&self, call: u32, lent: Option<Lent>) -> bool {
        self.shared.messenger.lend(call, lent)
    }

    /// What is waiting for the host: see [`Outbox::drain`].
    pub fn drain(&self, into: &mut [u8]) -> Result<usize, usize> {
        self.shared.outbox.drain(into)
    }

    /// Moves pieces of an answer into `into`. What does not fit is announced again, after what others have waiting.
    pub fn take(&self, call: u32, into: &mut [u8]) -> usize {
        self.shared.messenger.take(call, into)
    }

    /// What was counted, in Prometheus' text format.
    pub fn metrics(&self) -> String {
        self.pipeline.metrics(self.shared.under_way().len(), self.shared.messenger.streaming())
    }

    /// Whether limits are shared through Redis now; `None` where they are not meant to be.
    pub fn redis_up(&self) -> Option<bool> {
        self.pipeline.redis_up()
    }

    /// The host's answer to a question; `None` when its function failed.
    pub fn reply(&self, question: u32, answer: Option<Value>) {
        self.shared.messenger.reply(question, answer);
    }

    /// Takes no more requests, ends those that only watch, waits up to `drain` for the others under way, answers the
    /// rest with `shutting_down`, and ends the thread. The outbox' last event says that it is done.
    pub fn close(&self, drain: Duration) {
        if self.shared.closing.swap(true, Ordering::AcqRel) {
            return;
        }
        self.flush();
        let (shared, pipeline) = (Arc::clone(&self.shared), Arc::clone(&self.pipeline));
        let stop = self.thread.take_stop();
        self.thread.runtime().spawn(async move {
            shared.give_up(|call| call.only_watches);
            let _ = tokio::time::timeout(drain, shared.empty()).await;
            shared.give_up(|_| true);
            let _ = tokio::time::timeout(FAREWELL, pipeline.at_rest()).await;
            shared.outbox.push(Event::Closed);
            pipeline.core().bulk.stop();
            drop(stop);
        });
    }
}

impl Shared {
    /// Carries out a call that nobody has given up yet. Runs on the runtime.
    fn start(self: &Arc<Self>, call: u32, work: Box<Work>, pipeline: &Arc<Pipeline>) {
        // Locked until the handle is in the table, so that a call cannot leave it before it is in.
        let mut under_way = self.under_way();
        let Some(entry) = under_way.get_mut(&call) else { return };
        let (pipeline, shared) = (Arc::clone(pipeline), Arc::clone(self));
        let task = tokio::spawn(async move {
            let outcome = AssertUnwindSafe(Arc::clone(&pipeline).carry_out(*work)).catch_unwind().await;
            shared.finish(call, outcome, &pipeline).await;
        });
        entry.task = Some(task.abort_handle());
    }

    /// Hands an answer to the host, a large one in pieces.
    async fn finish(&self, call: u32, outcome: std::thread::Result<Option<Answer>>, pipeline: &Pipeline) {
        let answer = outcome.unwrap_or_else(|_| {
            self.messenger.log(Level::Error, "panic", "a request failed inside the adapter");
            let request_id = self.under_way().get(&call).map(|call| call.request_id.clone()).unwrap_or_default();
            Some(Answer::error(&Error::new(Code::UpstreamError, "the adapter failed"), &request_id))
        });
        match answer {
            Some(answer) if answer.body.len() > WHOLE => {
                let (head, body) = answer.in_pieces();
                let outlet = self.messenger.open_large(call, head);
                pipeline.core().bulk.run(outlet.finish(vec![body])).await;
                self.leave(call);
            }
            Some(answer) => {
                if self.leave(call) {
                    self.outbox.push(Event::Answer { call, answer });
                }
            }
            None => {
                self.leave(call);
            }
        }
    }

    fn under_way(&self) -> MutexGuard<'_, HashMap<u32, UnderWay>> {
        lock(&self.under_way)
    }

    /// Whether the call was still wanted.
    fn leave(&self, call: u32) -> bool {
        let wanted = self.under_way().remove(&call).is_some();
        self.left.notify_waiters();
        wanted
    }

    /// Answers `which` of the calls with `shutting_down`.
    fn give_up(&self, which: impl Fn(&UnderWay) -> bool) {
        let given_up: Vec<(u32, UnderWay)> = self.under_way().extract_if(|_, call| which(call)).collect();
        for (call, under_way) in given_up {
            under_way.abort();
            let request_id = &under_way.request_id;
            self.outbox.push(Event::Answer { call, answer: Answer::error(&shutting_down(), request_id) });
        }
    }

    async fn empty(&self) {
        loop {
            let left = self.left.notified();
            if self.under_way().is_empty() {
                return;
            }
            left.await;
        }
    }
}

fn shutting_down() -> Error {
    Error::new(Code::ShuttingDown, "the server is shutting down").retry_after(Some(Duration::from_secs(1)))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
