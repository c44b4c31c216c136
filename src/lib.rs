//! The napi surface: the only file that knows napi exists.

pub mod answer;
pub mod body;
pub mod config;
pub mod core;
pub mod engine;
pub mod error;
pub mod flow;
pub mod health;
pub mod host;
pub mod operation;
mod outbox;
pub mod pipeline;
pub mod policy;
pub mod proxy;
pub mod route;
pub mod run;
pub mod signing;
pub mod upstream;
pub mod user;

use std::time::Duration;

use bytes::Bytes;
use napi::bindgen_prelude::{Buffer, Either, Either3, Function, Uint8Array};
use napi::threadsafe_function::ThreadsafeFunctionCallMode;
use napi_derive::napi;

use crate::config::Config;
use crate::engine::{Engine, Submission};
use crate::pipeline::{Asker, Request};

/// One adapter: configuration, connections, runtime thread.
#[napi]
pub struct Native {
    engine: Engine,
}

/// What JavaScript hands over of one request. Absent strings are `undefined` or `null`.
#[napi(object)]
pub struct NativeRequest {
    pub method: String,
    /// Path below the mount point, and query.
    pub url: String,
    pub mount: String,
    /// The host's own call: no user, and none needed.
    pub host: bool,
    pub user: Option<String>,
    pub tenant: Option<String>,
    pub request_id: Option<String>,
    pub idempotency_key: Option<String>,
    pub prefer: Option<String>,
    pub traceparent: Option<String>,
    pub timeout_ms: Option<u32>,
    /// The host stopped reading the body, because it is larger than [`Native::max_body_bytes`].
    pub too_large: Option<bool>,
}

#[napi]
impl Native {
    /// `settings` is JSON, `{options, env}`. `wake` is called when [`Native::drain`] has something new. The error's
    /// message is JSON: `[{name, message}]`, every problem of the configuration.
    #[napi(constructor)]
    pub fn new(settings: String, wake: Function<(), ()>) -> napi::Result<Self> {
        let problems = |list: &[(String, String)]| {
            let list: Vec<_> =
                list.iter().map(|(name, message)| serde_json::json!({ "name": name, "message": message })).collect();
            napi::Error::from_reason(serde_json::Value::from(list).to_string())
        };
        let settings = serde_json::from_str(&settings)
            .map_err(|_| problems(&[("options".to_owned(), "must be plain data".to_owned())]))?;
        let config = Config::read(&settings)
            .map_err(|list| problems(&list.into_iter().map(|p| (p.name, p.message)).collect::<Vec<_>>()))?;
        // Weak: an adapter that nobody waits for does not keep the process alive.
        let wake = wake.build_threadsafe_function().weak::<true>().build()?;
        let wake = move || {
            wake.call((), ThreadsafeFunctionCallMode::NonBlocking);
        };
        let engine =
            Engine::start(config, Box::new(wake)).map_err(|message| problems(&[("adapter".to_owned(), message)]))?;
        Ok(Self { engine })
    }

    /// Takes a request. A number: it is under way, and its answer comes under that number. Bytes: the answer, packed
    /// as in [`Native::drain`].
    #[napi]
    pub fn submit(&self, request: NativeRequest, body: Either3<String, Uint8Array, ()>) -> Either<u32, Buffer> {
        let asker = match (&request.user, request.host) {
            (Some(id), _) => Asker::User { id, tenant: request.tenant.as_deref() },
            (None, true) => Asker::Host,
            (None, false) => Asker::Nobody,
        };
        let body = match body {
            Either3::A(text) => Bytes::from(text),
            Either3::B(bytes) => Bytes::copy_from_slice(&bytes),
            Either3::C(()) => Bytes::new(),
        };
        let submission = self.engine.submit(Request {
            method: &request.method,
            url: &request.url,
            mount: &request.mount,
            asker,
            request_id: request.request_id.as_deref(),
            idempotency_key: request.idempotency_key.as_deref(),
            prefer: request.prefer.as_deref(),
            traceparent: request.traceparent.as_deref(),
            timeout: request.timeout_ms.map(|ms| Duration::from_millis(u64::from(ms))),
            body,
            too_large: request.too_large.unwrap_or(false),
        });
        match submission {
            Submission::Pending(call) => Either::A(call),
            Submission::Answered(answer) => Either::B(outbox::pack_answer(answer).into()),
        }
    }

    /// How much of a body is worth reading, in bytes.
    #[napi(getter)]
    pub fn max_body_bytes(&self) -> u32 {
        u32::try_from(self.engine.max_body_bytes()).unwrap_or(u32::MAX)
    }

    /// Gives a request up; no answer comes.
    #[napi]
    pub fn cancel(&self, call: u32) {
        self.engine.cancel(call);
    }

    /// All answers, questions and log lines since the last time, packed: see `src/outbox.rs`.
    #[napi]
    pub fn drain(&self) -> Buffer {
        self.engine.drain().into()
    }

    /// The host's answer to a question, as JSON; nothing when its function failed.
    #[napi]
    pub fn reply(&self, question: u32, answer: Option<String>) {
        self.engine.reply(question, answer.and_then(|json| serde_json::from_str(&json).ok()));
    }

    /// Takes no more requests and ends within `drain_ms`; the last record drained says when.
    #[napi]
    pub fn close(&self, drain_ms: u32) {
        self.engine.close(Duration::from_millis(u64::from(drain_ms)));
    }
}
