//! The calls under way: each is admitted, set going, answered or given up. It knows nothing of what a call does, nor who
//! takes its answer.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use crate::answer::Answer;
use crate::arrival::Request;
use crate::error::{Code, Error};
use crate::host::{Host, Level};
use crate::messenger::Messenger;
use crate::outbox::{Event, Outbox};
use crate::pipeline::{Admission, Pipeline, Work};
use crate::thread::Busy;

/// The largest body that is handed over at once, in bytes. More would keep Node's main thread from the others.
const WHOLE: usize = 32 * 1024;

/// All calls of one adapter.
pub(crate) struct Calls {
    pub(crate) pipeline: Pipeline,
    pub(crate) messenger: Arc<Messenger>,
    outbox: Arc<Outbox>,
    under_way: Mutex<HashMap<u32, UnderWay>>,
    /// Signalled when a call leaves `under_way`.
    left: Notify,
    closing: AtomicBool,
}

/// A call that was admitted and is not answered.
struct UnderWay {
    /// `None`: it waits to be set going.
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

impl Calls {
    pub(crate) fn new(pipeline: Pipeline, messenger: Arc<Messenger>, outbox: Arc<Outbox>) -> Self {
        let (under_way, left, closing) = (Mutex::default(), Notify::new(), AtomicBool::new(false));
        Self { pipeline, messenger, outbox, under_way, left, closing }
    }

    /// Admits a request under a number that no call under way has: what is to be set going, or an answer that is there at once.
    pub(crate) fn admit(&self, call: u32, request: Request<'_>) -> Result<Box<Work>, Answer> {
        if self.is_closing() {
            return Err(Answer::error(&shutting_down(), &self.pipeline.request_id(request.request_id)));
        }
        match self.pipeline.admit(call, request) {
            Admission::Answered(answer) => Err(answer),
            Admission::Admitted(work) => {
                let (request_id, only_watches) = (work.request_id().to_owned(), work.only_watches());
                let mut under_way = self.under_way();
                // It may have been closed meanwhile.
                if self.is_closing() {
                    return Err(Answer::error(&shutting_down(), &request_id));
                }
                under_way.insert(call, UnderWay { task: None, request_id, only_watches });
                Ok(work)
            }
        }
    }

    /// Carries out a call that nobody has given up yet, on the runtime on which this is called. `busy` is held until it ends.
    pub(crate) fn start(self: &Arc<Self>, call: u32, work: Box<Work>, busy: Option<Busy>) {
        // Locked until the handle is in the table, so that a call cannot leave it before it is in.
        let mut under_way = self.under_way();
        let Some(entry) = under_way.get_mut(&call) else { return };
        let calls = Arc::clone(self);
        let task = tokio::spawn(async move {
            let outcome = AssertUnwindSafe(calls.pipeline.carry_out(*work)).catch_unwind().await;
            calls.finish(call, outcome).await;
            drop(busy);
        });
        entry.task = Some(task.abort_handle());
    }

    /// Hands an answer over, a large one in pieces.
    async fn finish(&self, call: u32, outcome: std::thread::Result<Option<Answer>>) {
        let answer = outcome.unwrap_or_else(|_| {
            self.messenger.log(Level::Error, "panic", "a request failed inside the adapter");
            let request_id = self.under_way().get(&call).map(|call| call.request_id.clone()).unwrap_or_default();
            Some(Answer::error(&Error::new(Code::UpstreamError, "the adapter failed"), &request_id))
        });
        match answer {
            Some(answer) if answer.body.len() > WHOLE => {
                let (head, body) = answer.in_pieces();
                let outlet = self.messenger.open_large(call, head);
                outlet.finish(vec![body]).await;
                self.leave(call, None);
            }
            answer => self.leave(call, answer),
        }
    }

    /// Gives a call up: its request to Sim is dropped, and no answer comes.
    pub(crate) fn cancel(&self, call: u32) {
        let given_up = self.under_way().remove(&call);
        // Nobody takes what is left of its answer.
        self.messenger.forget(call);
        if let Some(given_up) = given_up {
            given_up.abort();
            self.left.notify_waiters();
        }
    }

    /// What was counted, in Prometheus' text format.
    pub(crate) fn metrics(&self) -> String {
        self.pipeline.metrics(self.under_way().len(), self.messenger.streaming())
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    /// Takes no more calls. Whether this is the first time that it is told so.
    pub(crate) fn close(&self) -> bool {
        // Locked, so that none comes in after those under way were given up.
        let _under_way = self.under_way();
        !self.closing.swap(true, Ordering::AcqRel)
    }

    /// Ends those that only watch, waits up to `drain` for the others, answers the rest with `shutting_down`.
    pub(crate) async fn drain(&self, drain: Duration) {
        self.give_up(|call| call.only_watches);
        let _ = tokio::time::timeout(drain, self.empty()).await;
        self.give_up(|_| true);
    }

    fn under_way(&self) -> MutexGuard<'_, HashMap<u32, UnderWay>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The call is over. `answer` goes out if it is still wanted.
    fn leave(&self, call: u32, answer: Option<Answer>) {
        let mut under_way = self.under_way();
        let wanted = under_way.remove(&call).is_some();
        // While it is locked: once none is seen under way, what closes the adapter has the last word.
        if let Some(answer) = answer.filter(|_| wanted) {
            self.outbox.push(Event::Answer { call, answer });
        }
        drop(under_way);
        self.left.notify_waiters();
    }

    /// Answers `which` of the calls with `shutting_down`.
    fn give_up(&self, which: impl Fn(&UnderWay) -> bool) {
        let given_up: Vec<(u32, UnderWay)> = self.under_way().extract_if(|_, call| which(call)).collect();
        for (call, under_way) in given_up {
            // Before it is ended: on another thread its stream would end first, as if it were whole.
            let answer = Answer::error(&shutting_down(), &under_way.request_id);
            self.outbox.push(Event::Answer { call, answer });
            under_way.abort();
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

/// The answer to whatever comes too late.
pub(crate) fn shutting_down() -> Error {
    Error::new(Code::ShuttingDown, "the server is shutting down").retry_after(Some(Duration::from_secs(1)))
}
