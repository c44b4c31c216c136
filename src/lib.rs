//! The napi surface: with `signing_binding.rs` all that knows napi exists.

pub mod answer;
pub mod arrival;
pub mod body;
mod calls;
pub mod client;
pub mod config;
pub mod core;
pub mod engine;
pub mod error;
pub mod failures;
pub mod flow;
pub mod health;
mod hex;
pub mod hooks;
pub mod host;
pub mod identity;
mod inbox;
pub mod large;
mod messenger;
pub mod metrics;
pub mod operation;
mod outbox;
pub mod pipeline;
pub mod police;
pub mod policy;
pub mod proxy;
pub mod route;
pub mod run;
pub mod signing;
pub mod signing_binding;
pub mod stream;
pub mod thread;
pub mod upstream;
pub mod user;

use std::time::Duration;

use bytes::Bytes;
use napi::bindgen_prelude::{BufferSlice, Function};
use napi::threadsafe_function::ThreadsafeFunctionCallMode;
use napi_derive::napi;
use zeroize::{Zeroize, Zeroizing};

use crate::client::{Adopted, Terms};
use crate::config::{Config, Problem};
use crate::engine::{Engine, Submission};
use crate::hooks::Delivery;
use crate::large::Lent;
use crate::run::About;

/// The system's allocator gives memory back and takes it again with every burst, and musl's is slow with two threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Secrets are among the settings: nothing of them stays behind but what the configuration keeps and wipes itself.
fn wipe(settings: &mut serde_json::Value) {
    match settings {
        serde_json::Value::String(text) => text.zeroize(),
        serde_json::Value::Array(list) => list.iter_mut().for_each(wipe),
        serde_json::Value::Object(map) => map.values_mut().for_each(wipe),
        _ => {}
    }
}

/// One adapter: configuration, connections, threads.
#[napi]
pub struct Native {
    engine: Engine,
}

#[napi]
impl Native {
    /// `settings` is JSON, `{options, env}`. `wake` is called when [`Native::drain`] has something new. The error's
    /// message is JSON: `[{name, message}]`, every problem of the configuration.
    #[napi(constructor)]
    pub fn new(settings: String, wake: Function<(), ()>) -> napi::Result<Self> {
        let settings = Zeroizing::new(settings);
        let problems = |list: Vec<Problem>| {
            let list = list.iter().map(|p| serde_json::json!({ "name": p.name, "message": p.message })).collect();
            napi::Error::from_reason(serde_json::Value::Array(list).to_string())
        };
        let mut settings = serde_json::from_str(&settings)
            .map_err(|_| problems(vec![Problem { name: "options".into(), message: "must be plain data".into() }]))?;
        let (config, found) = Config::read(&settings);
        wipe(&mut settings);
        // Weak: an adapter that nobody waits for does not keep the process alive.
        let wake = wake.build_threadsafe_function().weak::<true>().build()?;
        let wake = move || {
            wake.call((), ThreadsafeFunctionCallMode::NonBlocking);
        };
        let engine = Engine::start(config, found, Box::new(wake)).map_err(problems)?;
        Ok(Self { engine })
    }

    /// Takes a request under a number that no call under way has: the first `head` bytes of `packed` are its head, as in
    /// `src/inbox.rs`, the next `body` its body, or `apart` is, where it is large. 0: it waits for [`Native::flush`], and its
    /// answer comes under that number. Else its answer is in `packed`, behind the request, packed as in [`Native::drain`],
    /// that many bytes of it.
    #[napi]
    pub fn submit(
        &self,
        call: u32,
        mut packed: BufferSlice<'_>,
        head: u32,
        body: u32,
        apart: Option<&[u8]>,
    ) -> napi::Result<u32> {
        let incomplete = || napi::Error::from_reason("the request is not complete");
        let (request, answer) = packed.split_at_mut_checked(head as usize + body as usize).ok_or_else(incomplete)?;
        let (head, body) = request.split_at(head as usize);
        let body = Bytes::copy_from_slice(apart.unwrap_or(body));
        let request = inbox::read(head, body).ok_or_else(incomplete)?;
        Ok(match self.engine.submit(call, request, answer) {
            Submission::Pending => 0,
            Submission::Answered(length) => length as u32,
        })
    }

    /// Sets everything going that was submitted.
    #[napi]
    pub fn flush(&self) {
        self.engine.flush();
    }

    /// Whether the one bearer token among these values of `Authorization` is good. Without `auth: 'jwt'` none is.
    #[napi]
    pub fn knows(&self, authorization: Vec<String>) -> bool {
        self.engine.knows(&authorization)
    }

    /// Whether requests are limited by their client's address.
    #[napi(getter)]
    pub fn limits_ips(&self) -> bool {
        self.engine.limits_ips()
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

    /// `bytes` of the pieces that came of an answer are in the socket: more may come.
    #[napi]
    pub fn written(&self, call: u32, bytes: u32) {
        self.engine.written(call, bytes as usize);
    }

    /// Lends the socket of a client for a large answer: `head`, and its body; see `src/large.rs`.
    /// -1: there is none to lend, and the body comes in pieces. Whether it was taken.
    #[napi]
    pub fn lend(&self, call: u32, fd: i32, chunked: bool, head: &[u8]) -> bool {
        let lent = large::duplicate(fd).ok().map(|socket| Lent { socket, chunked, head: head.to_vec() });
        self.engine.lend(call, lent)
    }

    /// Serves the client's connection `fd` from now on, past the host's HTTP server, of which `first` was read: requests for
    /// routes below the mount point. Its number, under which [`Native::drain`] says when it is the host's again; 0: it stays
    /// the host's.
    #[napi]
    pub fn adopt(&self, fd: i32, first: &[u8], terms: NativeTerms) -> u32 {
        let Ok(socket) = large::duplicate(fd) else { return 0 };
        let NativeTerms { mount, ip, ip_header, keep_alive_ms } = terms;
        let keep_alive = Duration::from_millis(u64::from(keep_alive_ms));
        let terms = Terms { mount, ip, ip_header, keep_alive };
        self.engine.adopt(Adopted { socket, first: first.to_vec(), terms }).unwrap_or(0)
    }

    /// The host has closed a connection that was served here.
    #[napi]
    pub fn forget(&self, connection: u32) {
        self.engine.forget(connection);
    }

    /// Gives a connection that is served here back to the host, after what is under way.
    #[napi]
    pub fn recall(&self, connection: u32) {
        self.engine.recall(connection);
    }

    /// Packs answers, questions and log lines into `into`: see `src/outbox.rs`. Returns how many bytes they take; `wake`
    /// is called again for what does not fit. Negative: not one fits, the first takes that many bytes.
    #[napi]
    pub fn drain(&self, mut into: BufferSlice<'_>) -> i64 {
        match self.engine.drain(&mut into) {
            Ok(length) => length as i64,
            Err(needed) => -(needed as i64),
        }
    }

    /// Moves bytes of an answer that comes in pieces into `into`; returns how many.
    #[napi]
    pub fn take(&self, call: u32, mut into: BufferSlice<'_>) -> u32 {
        self.engine.take(call, &mut into) as u32
    }

    /// What was counted, in Prometheus' text format 0.0.4.
    #[napi]
    pub fn metrics(&self) -> String {
        self.engine.metrics()
    }

    /// Whether limits are shared through Redis now; absent where they are not meant to be.
    #[napi(getter)]
    pub fn redis_up(&self) -> Option<bool> {
        self.engine.redis_up()
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

/// On which terms a client's connection is served.
#[napi(object)]
pub struct NativeTerms {
    pub mount: String,
    /// The client's address, where it matters.
    pub ip: Option<String>,
    /// The header that says it instead, in lower case.
    pub ip_header: Option<String>,
    /// How long it is kept open with nothing asked. 0: for ever.
    pub keep_alive_ms: u32,
}

/// A webhook of Sim's, without its body. Absent strings are `undefined` or `null`.
#[napi(object)]
pub struct NativeDelivery {
    pub method: String,
    /// Path below the mount point, and query.
    pub url: String,
    pub ip: Option<String>,
    pub request_id: Option<String>,
    pub signature: Option<String>,
    pub id: Option<String>,
    /// Something read the body before.
    pub parsed: Option<bool>,
    /// The host stopped reading the body, because it is larger than [`Native::max_hook_bytes`].
    pub too_large: Option<bool>,
}

#[napi]
impl Native {
    /// How much of a webhook's body is worth reading, in bytes.
    #[napi(getter)]
    pub fn max_hook_bytes(&self) -> u32 {
        hooks::MAX_BODY_BYTES as u32
    }

    /// Takes a webhook. 0, without a body: the body is worth reading. Otherwise its answer is in `answer`, packed as in
    /// [`Native::drain`], that many bytes of it.
    #[napi]
    pub fn hook(
        &self,
        delivery: NativeDelivery,
        body: Option<&[u8]>,
        mut answer: BufferSlice<'_>,
    ) -> napi::Result<u32> {
        let delivery = Delivery {
            method: &delivery.method,
            url: &delivery.url,
            ip: delivery.ip.as_deref(),
            request_id: delivery.request_id.as_deref(),
            signature: delivery.signature.as_deref(),
            id: delivery.id.as_deref(),
            parsed: delivery.parsed.unwrap_or(false),
            too_large: delivery.too_large.unwrap_or(false),
        };
        let Some(ours) = self.engine.hook(&delivery, body) else { return Ok(0) };
        let packed = outbox::pack_answer(&ours, &mut answer);
        packed.map(|length| length as u32).map_err(|_| napi::Error::from_reason("the answer does not fit"))
    }

    /// Makes the pollers of a run, else of a flow, else all of them look at Sim now. Both are Sim's ids.
    #[napi]
    pub fn nudge(&self, flow: Option<String>, run: Option<String>) {
        let flow = flow.as_deref().map_or(About::Any, About::Flow);
        self.engine.nudge(run.as_deref().map_or(flow, About::Run));
    }
}
