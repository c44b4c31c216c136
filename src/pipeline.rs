//! The way of a request, top to bottom: route -> user -> limit -> body -> forward -> answer.
//!
//! [`Pipeline::admit`] is what happens on Node's main thread, and decides all that can be decided without waiting.
//! [`Pipeline::carry_out`] is the rest, on the runtime's own thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use tokio::time::Instant;

use crate::answer::Answer;
use crate::core::{Context, Core};
use crate::error::{Code, Error};
use crate::operation::Operation;
use crate::route::Route;
use crate::run::{Key, Owner};
use crate::upstream::Caller;
use crate::{flow, health, run};

/// Bodies up to this size are read on Node's main thread, so that a bad one is refused at once; larger ones elsewhere.
const READ_AT_ONCE: usize = 16 * 1024;
/// What an answer may take beyond the wait that was asked for.
const ANSWER_MARGIN: Duration = Duration::from_secs(2);

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asker<'a> {
    /// The host itself, through the functions of the package.
    Host,
    /// A user whom the host has signed in.
    User {
        id: &'a str,
        tenant: Option<&'a str>,
    },
    Nobody,
}

/// A request as it came to the host.
#[derive(Debug)]
pub struct Request<'a> {
    pub method: &'a str,
    /// Path below the mount point, and query.
    pub url: &'a str,
    pub mount: &'a str,
    pub asker: Asker<'a>,
    pub request_id: Option<&'a str>,
    pub idempotency_key: Option<&'a str>,
    pub prefer: Option<&'a str>,
    pub traceparent: Option<&'a str>,
    /// The whole call's limit, when the caller set one.
    pub timeout: Option<Duration>,
    pub body: Bytes,
    /// The host did not read the body, because it is too large.
    pub too_large: bool,
}

/// What became of a request at once.
pub enum Admission {
    /// It is answered.
    Answered(Answer),
    /// It goes on.
    Admitted(Work),
}

/// An admitted request.
pub struct Work {
    context: Context,
    wait: Option<Duration>,
    task: Task,
}

enum Task {
    Ready(Operation),
    /// The body is still to be read.
    Unread(Route, Bytes),
}

pub struct Pipeline {
    core: Core,
    /// Makes the request ids of this process its own.
    seed: u64,
    count: AtomicU64,
}

impl Pipeline {
    pub fn new(core: Core) -> Self {
        let mut seed = [0; 8];
        // Without randomness ids are only less unique.
        let _ = getrandom::fill(&mut seed);
        Self { core, seed: u64::from_be_bytes(seed), count: AtomicU64::new(0) }
    }

    pub fn max_body_bytes(&self) -> usize {
        self.core.config.max_body_bytes
    }

    /// Decides what can be decided at once. `call` is the host's number for the request.
    pub fn admit(&self, call: u32, request: Request<'_>) -> Admission {
        let request_id = self.request_id(request.request_id);
        match self.try_admit(call, request, &request_id) {
            Ok(work) => Admission::Admitted(work),
            Err(error) => Admission::Answered(Answer::error(&error, &request_id)),
        }
    }

    fn try_admit(&self, call: u32, request: Request<'_>, request_id: &str) -> Result<Work, Error> {
        let route = Route::parse(request.method, request.url)?;
        let owner = owner(request.asker)?;
        self.core.upstream()?;
        if request.too_large || request.body.len() > self.max_body_bytes() {
            return Err(Error::new(Code::PayloadTooLarge, "the body is larger than SIM_MAX_BODY_BYTES"));
        }
        let idempotency_key = self.idempotency_key(request.idempotency_key)?;
        let wait = request.prefer.and_then(preferred_wait).map(|wait| wait.min(self.core.config.sync_timeout));
        let task = if request.body.len() <= READ_AT_ONCE {
            Task::Ready(Operation::read(route, &request.body, wait, &self.core.handles, &owner)?)
        } else {
            Task::Unread(route, request.body)
        };
        let longest = match (&task, request.timeout) {
            (_, Some(timeout)) => timeout,
            (Task::Ready(operation), None) => self.longest(operation, wait),
            (Task::Unread(..), None) => self.core.config.sync_timeout + ANSWER_MARGIN,
        };
        let caller = Caller {
            request_id: request_id.to_owned(),
            sim_user: sim_user(&owner),
            traceparent: request.traceparent.filter(|text| is_traceparent(text)).map(str::to_owned),
            deadline: Instant::now() + longest,
        };
        let context = Context { call, caller, owner, mount: request.mount.to_owned(), idempotency_key };
        Ok(Work { context, wait, task })
    }

    /// Does what was admitted, and always answers.
    pub async fn carry_out(self: Arc<Self>, work: Work) -> Answer {
        let Work { context, wait, task } = work;
        let operation = match task {
            Task::Ready(operation) => Ok(operation),
            Task::Unread(route, body) => Operation::read(route, &body, wait, &self.core.handles, &context.owner),
        };
        let outcome = match operation {
            Ok(operation) => self.perform(&context, operation).await,
            Err(error) => Err(error),
        };
        outcome.unwrap_or_else(|error| Answer::error(&error, &context.caller.request_id))
    }

    async fn perform(&self, context: &Context, operation: Operation) -> Result<Answer, Error> {
        let core = &self.core;
        let (status, body) = match operation {
            Operation::Health => health::health(core, context).await?,
            Operation::ListFlows(page) => (200, flow::list(core, context, &page).await?),
            Operation::GetFlow(id) => (200, flow::get(core, context, &id).await?),
            Operation::CreateFlow(request) => (201, flow::create(core, context, &request).await?),
            Operation::RunFlow { flow, request, wait } => {
                return run::start(core, context, &flow, &request, wait).await;
            }
            Operation::RunStatus(run) => (200, run::read(core, context, &run).await?),
            Operation::CancelRun(run) => (200, run::cancel(core, context, &run).await?),
            Operation::ResumeRun(run, request) => (200, run::resume(core, context, &run, &request).await?),
        };
        Ok(Answer::json(status, body, &context.caller.request_id))
    }

    /// How long an operation may take when the caller did not say.
    fn longest(&self, operation: &Operation, wait: Option<Duration>) -> Duration {
        let config = &self.core.config;
        let timeout = config.sim.as_ref().map_or(config.sync_timeout, |sim| sim.timeout);
        let patience = match operation {
            Operation::RunFlow { request, .. } if request.mode == run::Mode::Sync => {
                request.timeout.unwrap_or(config.sync_timeout)
            }
            _ => wait.unwrap_or_default(),
        };
        timeout.max(patience + ANSWER_MARGIN)
    }

    fn idempotency_key(&self, header: Option<&str>) -> Result<Option<Key>, Error> {
        let Some(header) = header else { return Ok(None) };
        let key = Key::parse(header).ok_or_else(|| {
            let field = crate::error::FieldError::new("Idempotency-Key", "must be 1 to 255 visible ASCII characters");
            crate::error::invalid(&[field])
        })?;
        if self.core.keys_are_random {
            let message = "an Idempotency-Key needs SIM_HANDLE_SECRET or SIM_SIGNING_SECRET on this server";
            return Err(Error::new(Code::NotConfigured, message));
        }
        Ok(Some(key))
    }

    /// The caller's request id, if it is one that can be passed on; else a new one.
    fn request_id(&self, given: Option<&str>) -> String {
        let safe = |id: &&str| {
            (1..=128).contains(&id.len())
                && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b':' | b'-'))
        };
        match given.filter(safe) {
            Some(id) => id.to_owned(),
            None => format!("{:016x}{:08x}", self.seed, self.count.fetch_add(1, Ordering::Relaxed)),
        }
    }
}

/// The longest user id and tenant id taken.
const MAX_USER: usize = 256;

fn owner(asker: Asker<'_>) -> Result<Owner, Error> {
    match asker {
        Asker::Host => Ok(Owner::new(None, None)),
        Asker::User { id, tenant }
            if (1..=MAX_USER).contains(&id.len()) && tenant.is_none_or(|t| t.len() <= MAX_USER) =>
        {
            Ok(Owner::new(tenant, Some(id)))
        }
        _ => Err(Error::new(Code::Unauthenticated, "sign in first")),
    }
}

/// The value of `x-sim-user`: base64url(tenant NUL user), or `-` for the host's own calls.
fn sim_user(owner: &Owner) -> String {
    match &owner.user {
        None => "-".to_owned(),
        Some(user) => {
            let tenant = owner.tenant.as_deref().unwrap_or_default();
            URL_SAFE_NO_PAD.encode([tenant.as_bytes(), &[0], user.as_bytes()].concat())
        }
    }
}

/// `Prefer: wait=<seconds>` (RFC 7240 §4.3), among other preferences.
fn preferred_wait(header: &str) -> Option<Duration> {
    let mut preferences = header.split([',', ';']).map(str::trim);
    preferences.find_map(|preference| {
        let (name, value) = preference.split_once('=')?;
        let wait = name.trim().eq_ignore_ascii_case("wait").then(|| value.trim().trim_matches('"').parse().ok())?;
        wait.map(Duration::from_secs)
    })
}

/// `traceparent` of W3C Trace Context: 55 characters of lower-case hex and dashes, or a longer future form.
fn is_traceparent(text: &str) -> bool {
    text.len() >= 55 && text.len() <= 128 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_found_among_preferences() {
        assert_eq!(preferred_wait("respond-async, wait=10"), Some(Duration::from_secs(10)));
        assert_eq!(preferred_wait("WAIT = \"3\""), Some(Duration::from_secs(3)));
        for none in ["", "wait", "wait=soon", "await=3", "wait=-1"] {
            assert_eq!(preferred_wait(none), None, "{none}");
        }
    }

    #[test]
    fn only_a_signed_in_user_or_the_host_owns_anything() {
        let long = "x".repeat(257);
        for nobody in [Asker::Nobody, Asker::User { id: "", tenant: None }, Asker::User { id: &long, tenant: None }] {
            assert_eq!(owner(nobody).unwrap_err().code, Code::Unauthenticated);
        }
        assert_eq!(sim_user(&owner(Asker::Host).unwrap()), "-");
        let ann = owner(Asker::User { id: "ann", tenant: Some("t") }).unwrap();
        assert_eq!(URL_SAFE_NO_PAD.decode(sim_user(&ann)).unwrap(), b"t\0ann");
    }
}
