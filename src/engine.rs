//! The runtime and what is under way on it: one thread of its own, a table of calls, and an outbox that the host
//! empties in one go. It knows nothing of what a call does.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::sync::{Notify, oneshot};
use tokio::task::AbortHandle;

use crate::answer::Answer;
use crate::arrival::Request;
use crate::config::{Config, Problem};
use crate::core::Core;
use crate::error::{Code, Error};
use crate::host::{Host, Level, Outlet, Question, Told};
use crate::identity::Identities;
use crate::outbox::{Event, Outbox};
use crate::pipeline::{Admission, Pipeline};
use crate::stream::Pipe;

/// What became of a submitted request.
pub enum Submission {
    Answered(Answer),
    /// It is under way; its answer will be in the outbox under this number.
    Pending(u32),
}

/// The adapter at work.
pub struct Engine {
    pipeline: Arc<Pipeline>,
    shared: Arc<Shared>,
    runtime: Handle,
    stop: Mutex<Option<oneshot::Sender<()>>>,
    next_call: AtomicU32,
}

struct Shared {
    outbox: Arc<Outbox>,
    under_way: Mutex<HashMap<u32, UnderWay>>,
    /// Signalled when a call leaves `under_way`.
    left: Notify,
    closing: AtomicBool,
    questions: Arc<Questions>,
}

/// A call that was admitted and is not answered.
struct UnderWay {
    task: AbortHandle,
    request_id: String,
    /// It ends nothing when it ends, and may never end by itself.
    only_watches: bool,
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
        let outbox = Arc::new(Outbox::new(wake));
        let questions = Arc::new(Questions {
            outbox: Arc::clone(&outbox),
            next: AtomicU32::new(0),
            open: Mutex::default(),
            pipes: Arc::default(),
        });
        let identities = Identities::new(config.jwt.as_ref()).map_err(|found| problems.extend(found));
        let core = Core::new(config, Arc::clone(&questions) as Arc<dyn Host>).map_err(|found| problems.extend(found));
        let (Ok(identities), Ok(core), true) = (identities, core, problems.is_empty()) else { return Err(problems) };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| failed(format!("the runtime cannot start: {error}")))?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        std::thread::Builder::new()
            .name("sim-adapter".to_owned())
            .spawn(move || {
                // An error means the engine was dropped, which is a stop too.
                let _ = runtime.block_on(stopped);
                runtime.shutdown_background();
            })
            .map_err(|error| failed(format!("the runtime's thread cannot start: {error}")))?;
        let shared = Arc::new(Shared {
            outbox,
            under_way: Mutex::default(),
            left: Notify::new(),
            closing: AtomicBool::new(false),
            questions,
        });
        let pipeline = Arc::new(Pipeline::new(core, identities));
        {
            let _on_runtime = handle.enter();
            pipeline.connect();
        }
        Ok(Self { pipeline, shared, runtime: handle, stop: Mutex::new(Some(stop)), next_call: AtomicU32::new(0) })
    }

    pub fn max_body_bytes(&self) -> usize {
        self.pipeline.max_body_bytes()
    }

    /// Admits a request and sets it going.
    pub fn submit(&self, request: Request<'_>) -> Submission {
        let call = self.next_call.fetch_add(1, Ordering::Relaxed);
        if self.shared.closing.load(Ordering::Acquire) {
            let request_id = self.pipeline.request_id(request.request_id);
            return Submission::Answered(Answer::error(&shutting_down(), &request_id));
        }
        let work = match self.pipeline.admit(call, request) {
            Admission::Answered(answer) => return Submission::Answered(answer),
            Admission::Admitted(work) => work,
        };
        let (pipeline, shared) = (Arc::clone(&self.pipeline), Arc::clone(&self.shared));
        let (request_id, only_watches) = (work.request_id().to_owned(), work.only_watches());
        let id = request_id.clone();
        // Locked until the handle is in the table, so that a call cannot leave it before it is in.
        let mut under_way = self.shared.under_way();
        let task = self.runtime.spawn(async move {
            let outcome = AssertUnwindSafe(pipeline.carry_out(*work)).catch_unwind().await;
            let answer = outcome.unwrap_or_else(|_| {
                shared.questions.log(Level::Warn, "panic", "a request failed inside the adapter");
                Some(Answer::error(&Error::new(Code::UpstreamError, "the adapter failed"), &id))
            });
            if shared.leave(call)
                && let Some(answer) = answer
            {
                shared.outbox.push(Event::Answer { call, answer });
            }
        });
        under_way.insert(call, UnderWay { task: task.abort_handle(), request_id, only_watches });
        Submission::Pending(call)
    }

    /// Gives a call up: its request to Sim is dropped, and no answer comes.
    pub fn cancel(&self, call: u32) {
        let given_up = self.shared.under_way().remove(&call);
        if let Some(given_up) = given_up {
            given_up.task.abort();
            self.shared.left.notify_waiters();
        }
    }

    /// The host has written `bytes` of the pieces that it took of an answer.
    pub fn written(&self, call: u32, bytes: usize) {
        if let Some(pipe) = self.shared.questions.pipes().get(&call) {
            pipe.written(bytes);
        }
    }

    /// Everything that is waiting for the host, packed.
    pub fn drain(&self) -> Vec<u8> {
        self.shared.outbox.drain()
    }

    /// The host's answer to a question; `None` when its function failed.
    pub fn reply(&self, question: u32, answer: Option<Value>) {
        if let Some(asker) = self.shared.questions.open().remove(&question) {
            // Whoever asked may be gone.
            let _ = asker.send(answer);
        }
    }

    /// Takes no more requests, ends those that only watch, waits up to `drain` for the others under way, answers the
    /// rest with `shutting_down`, and ends the thread. The outbox' last event says that it is done.
    pub fn close(&self, drain: Duration) {
        if self.shared.closing.swap(true, Ordering::AcqRel) {
            return;
        }
        let shared = Arc::clone(&self.shared);
        let stop = self.stop.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.runtime.spawn(async move {
            shared.give_up(|call| call.only_watches);
            let _ = tokio::time::timeout(drain, shared.empty()).await;
            shared.give_up(|_| true);
            shared.outbox.push(Event::Closed);
            drop(stop);
        });
    }
}

impl Shared {
    fn under_way(&self) -> MutexGuard<'_, HashMap<u32, UnderWay>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
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
        for (call, UnderWay { task, request_id, .. }) in given_up {
            task.abort();
            self.outbox.push(Event::Answer { call, answer: Answer::error(&shutting_down(), &request_id) });
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

/// Questions to the host that wait for an answer.
struct Questions {
    outbox: Arc<Outbox>,
    next: AtomicU32,
    open: Mutex<HashMap<u32, oneshot::Sender<Option<Value>>>>,
    /// Answers that come in pieces, by call.
    pipes: Arc<Mutex<HashMap<u32, Arc<Pipe>>>>,
}

impl Questions {
    fn open(&self) -> MutexGuard<'_, HashMap<u32, oneshot::Sender<Option<Value>>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pipes(&self) -> MutexGuard<'_, HashMap<u32, Arc<Pipe>>> {
        self.pipes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Host for Questions {
    fn ask(&self, call: u32, question: Question, about: Value) -> oneshot::Receiver<Option<Value>> {
        let (asker, answer) = oneshot::channel();
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        {
            let mut open = self.open();
            // Askers that went away left their place.
            open.retain(|_, asker| !asker.is_closed());
            open.insert(id, asker);
        }
        self.outbox.push(Event::Question { id, call, question: question.as_str(), about });
        answer
    }

    fn open(&self, call: u32, head: Answer) -> Outlet {
        let pipe = Arc::new(Pipe::default());
        self.pipes().insert(call, Arc::clone(&pipe));
        self.outbox.push(Event::Head { call, head });
        let (outbox, pipes) = (Arc::clone(&self.outbox), Arc::clone(&self.pipes));
        let tell = move |told| match told {
            Told::Waiting(pipe) => outbox.push(Event::Pieces { call, pipe }),
            Told::Failed(answer) => outbox.push(Event::Answer { call, answer }),
            Told::Ended => {
                pipes.lock().unwrap_or_else(PoisonError::into_inner).remove(&call);
                outbox.push(Event::End { call });
            }
        };
        Outlet::new(pipe, Box::new(tell))
    }

    fn log(&self, level: Level, event: &'static str, message: &str) {
        self.outbox.push(Event::Log { level: level.as_str(), event, message: message.to_owned() });
    }
}
