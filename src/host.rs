//! The host's side of a conversation: questions only it can answer, and lines for its log.
//! It must not know how they travel.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use crate::answer::Answer;
use crate::error::{Code, Error};
use crate::large::LargeOutlet;
use crate::stream::{self, Pipe};

/// What only the host can decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// Which of these flows the user may see and run; the answer is a list of booleans.
    CanRunFlow,
    /// Whether this operation may go on; the answer is `true`, or a reason.
    Gate,
    /// Who the bearer of a token with these claims is; the answer is `{id, role?, tenantId?}`, or null for nobody.
    ResolveUser,
}

impl Question {
    pub fn as_str(self) -> &'static str {
        match self {
            Question::CanRunFlow => "canRunFlow",
            Question::Gate => "gate",
            Question::ResolveUser => "resolveUser",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    Info,
    Warn,
    Error,
}

impl Level {
    pub fn as_str(self) -> &'static str {
        match self {
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
        }
    }
}

/// The process this core lives in.
pub trait Host: Send + Sync {
    /// Asks about the request `call`. `None` comes back when the host's function failed.
    fn ask(&self, call: u32, question: Question, about: Value) -> oneshot::Receiver<Option<Value>>;

    /// Begins an answer to `call` that comes in pieces, of which `window` bytes may be on their way. `head` has no body.
    fn open(&self, call: u32, head: Answer, window: usize) -> Outlet;

    /// Begins an answer to `call` that is large. `head` has no body. This one lends no sockets.
    fn open_large(&self, call: u32, head: Answer) -> LargeOutlet {
        let (request_id, (_, nothing)) = (head.request_id(), oneshot::channel());
        LargeOutlet::new(self.open(call, head, stream::LARGE), nothing, request_id)
    }

    /// One log line: an event name, what helps to understand it, and the same as an object of fields. Never a secret,
    /// a body or a host name.
    fn log_about(&self, level: Level, event: &'static str, message: &str, about: Value);

    /// One log line that has no fields.
    fn log(&self, level: Level, event: &'static str, message: &str) {
        self.log_about(level, event, message, Value::Null);
    }
}

/// Where the pieces of an answer go. The answer ends when this is dropped.
pub struct Outlet {
    pipe: Arc<Pipe>,
    tell: Box<dyn Fn(Told) + Send + Sync>,
}

/// What the host is told of a stream.
pub enum Told {
    Waiting,
    Ended,
    /// It broke off, for this reason.
    Failed(Answer),
}

impl Outlet {
    pub fn new(pipe: Arc<Pipe>, tell: Box<dyn Fn(Told) + Send + Sync>) -> Self {
        Self { pipe, tell }
    }

    /// Hands `bytes` over, waiting while the client is slow.
    pub async fn write(&self, bytes: impl Into<Bytes>) {
        self.pipe.write(bytes.into(), || (self.tell)(Told::Waiting)).await;
    }

    /// Ends the answer with an error, after all that was written.
    pub fn fail(&self, answer: Answer) {
        (self.tell)(Told::Failed(answer));
    }
}

impl Drop for Outlet {
    fn drop(&mut self) {
        (self.tell)(Told::Ended);
    }
}

/// Asks, and refuses when the host gives no answer of use by `deadline`: a broken gate is a closed one.
pub async fn ask(
    host: &dyn Host,
    call: u32,
    question: Question,
    about: Value,
    deadline: Instant,
) -> Result<Value, Error> {
    match timeout_at(deadline, host.ask(call, question, about)).await {
        Ok(Ok(Some(answer))) => Ok(answer),
        _ => Err(Error::new(Code::Forbidden, "the server could not decide whether this is allowed")),
    }
}
