//! The way from the core to the host, through the outbox: questions, answers in pieces, log lines.
//! It knows nothing of what is asked or answered.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::sync::oneshot;

use crate::answer::Answer;
use crate::host::{Host, Level, Outlet, Question, Told};
use crate::large::{LargeOutlet, Lent};
use crate::outbox::{Event, Outbox};
use crate::stream::{self, Pipe};

/// What the core says to the host, and what it waits for.
pub(crate) struct Messenger {
    outbox: Arc<Outbox>,
    next: AtomicU32,
    /// Questions that wait for an answer.
    open: Mutex<HashMap<u32, oneshot::Sender<Option<Value>>>>,
    /// Answers that come in pieces, by call.
    streams: Arc<Mutex<Streams>>,
}

type Streams = HashMap<u32, Stream>;

/// An answer that comes in pieces.
struct Stream {
    pipe: Arc<Pipe>,
    /// Nothing more comes; the host hears of it when it has taken what waits.
    ended: bool,
    /// Why it broke off.
    failed: Option<Answer>,
    /// Of a large answer: who waits for the client's socket, or for the word that there is none.
    borrower: Option<oneshot::Sender<Lent>>,
}

/// Forgets a stream of which everything was taken, and tells the host that it has ended.
fn end(streams: &mut Streams, call: u32, outbox: &Outbox) {
    match streams.remove(&call).and_then(|stream| stream.failed) {
        Some(answer) => outbox.push(Event::Answer { call, answer }),
        None => outbox.push(Event::End { call }),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Messenger {
    pub(crate) fn new(outbox: Arc<Outbox>) -> Self {
        Self { outbox, next: AtomicU32::new(0), open: Mutex::default(), streams: Arc::default() }
    }

    /// The host's answer to a question; `None` when its function failed.
    pub(crate) fn reply(&self, question: u32, answer: Option<Value>) {
        if let Some(asker) = lock(&self.open).remove(&question) {
            // Whoever asked may be gone.
            let _ = asker.send(answer);
        }
    }

    /// Moves pieces of an answer into `into`. What does not fit is announced again, after what others have waiting.
    pub(crate) fn take(&self, call: u32, into: &mut [u8]) -> usize {
        let mut streams = lock(&self.streams);
        let Some(stream) = streams.get(&call) else { return 0 };
        let (length, more) = stream.pipe.take(into);
        if more {
            self.outbox.push(Event::Pieces { call });
        } else if stream.ended {
            end(&mut streams, call, &self.outbox);
        }
        length
    }

    /// The host has written `bytes` of the pieces that it took.
    pub(crate) fn written(&self, call: u32, bytes: usize) {
        if let Some(stream) = lock(&self.streams).get(&call) {
            stream.pipe.written(bytes);
        }
    }

    /// The host's word on a large answer. Whether a socket was taken.
    pub(crate) fn lend(&self, call: u32, lent: Option<Lent>) -> bool {
        let borrower = lock(&self.streams).get_mut(&call).and_then(|stream| stream.borrower.take());
        // Without a word the borrower goes on without a socket.
        borrower.zip(lent).is_some_and(|(borrower, lent)| borrower.send(lent).is_ok())
    }

    /// Nobody takes what is left of an answer.
    pub(crate) fn forget(&self, call: u32) {
        lock(&self.streams).remove(&call);
    }

    /// How many answers come in pieces now.
    pub(crate) fn streaming(&self) -> usize {
        lock(&self.streams).len()
    }
}

impl Host for Messenger {
    fn ask(&self, call: u32, question: Question, about: Value) -> oneshot::Receiver<Option<Value>> {
        let (asker, answer) = oneshot::channel();
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        {
            let mut open = lock(&self.open);
            // Askers that went away left their place.
            open.retain(|_, asker| !asker.is_closed());
            open.insert(id, asker);
        }
        self.outbox.push(Event::Question { id, call, question: question.as_str(), about });
        answer
    }

    fn open(&self, call: u32, head: Answer, window: usize) -> Outlet {
        let outlet = self.insert(call, window, None);
        self.outbox.push(Event::Head { call, head });
        outlet
    }

    fn open_large(&self, call: u32, head: Answer) -> LargeOutlet {
        let (request_id, (borrower, lent)) = (head.request_id(), oneshot::channel());
        let outlet = self.insert(call, stream::LARGE, Some(borrower));
        self.outbox.push(Event::LargeHead { call, head });
        LargeOutlet::new(outlet, lent, request_id)
    }

    fn log_about(&self, level: Level, event: &'static str, message: &str, about: Value) {
        self.outbox.push(Event::Log { level: level.as_str(), event, message: message.to_owned(), about });
    }
}

impl Messenger {
    /// Keeps a stream for `call`; gives the way into it.
    fn insert(&self, call: u32, window: usize, borrower: Option<oneshot::Sender<Lent>>) -> Outlet {
        let pipe = Arc::new(Pipe::new(window));
        let stream = Stream { pipe: Arc::clone(&pipe), ended: false, failed: None, borrower };
        lock(&self.streams).insert(call, stream);
        let (outbox, streams, own) = (Arc::clone(&self.outbox), Arc::clone(&self.streams), Arc::clone(&pipe));
        let tell = move |told| {
            let mut streams = lock(&streams);
            // Of a call that was given up the number may be another's by now.
            let Some(stream) = streams.get_mut(&call).filter(|stream| Arc::ptr_eq(&stream.pipe, &own)) else { return };
            match told {
                Told::Waiting => outbox.push(Event::Pieces { call }),
                Told::Failed(answer) => stream.failed = Some(answer),
                Told::Ended => {
                    stream.ended = true;
                    if stream.pipe.is_empty() {
                        end(&mut streams, call, &outbox);
                    }
                }
            }
        };
        Outlet::new(pipe, Box::new(tell))
    }
}
