//! Sim, over one HTTP client: pool, deadlines, retry, breaker, signatures. Above it nobody sees a connection; it must
//! not know users' rights or our own routes.

mod allowance;
pub mod api;
mod breaker;
mod call;
mod client;
mod detect;
mod direct;
mod flows;
mod incoming;
mod lost;
mod proxied;
mod refusal;
mod request;
mod retry;
mod sign;
mod sse;
mod tls;
pub mod urls;
mod v1;
mod v2;

use std::sync::Arc;
use std::time::{Duration, Instant as StdInstant};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use tokio::time::{Instant, timeout_at};
use url::Url;

pub use allowance::Allowance;
pub use api::Api;
pub use breaker::Circuit;
pub use call::{Call, Caller, Method, Repeat, Reply, Trace};
pub use incoming::{Answered, Body, EventStream, Large, Sized};
pub use refusal::{Failure, Meaning};

use client::{Client, Incoming};
use direct::Ahead;
use incoming::too_large;
use lost::{Lost, timed_out};

use crate::config::{Problem, SimConfig};
use crate::error::{Code, Error, Trail};
use crate::host::{Host, Level};
use crate::metrics::Metrics;
use crate::run::keys::Secret;

/// The longest that Sim may ask callers to stay away: a wrong number must not silence a host for hours.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// Silence for this long counts against Sim, however little time its caller had; half the usual time where that is less.
const PATIENCE: Duration = Duration::from_secs(1);

/// The way to Sim.
pub struct Upstream {
    client: Client,
    base: Url,
    fixed_headers: HeaderMap,
    /// `SIM_WORKSPACE_ID`: v1 and v2 need it to list and to create.
    pub workspace: Option<String>,
    timeout: Duration,
    max_answer: usize,
    breaker: breaker::Breaker,
    budget: retry::Budget,
    detection: detect::Detection,
    signing: Option<sign::Signing>,
    metrics: Arc<Metrics>,
    host: Arc<dyn Host>,
}

/// One try's answer, of whatever status.
struct Raw {
    status: u16,
    json: bool,
    /// It is an event stream.
    events: bool,
    retry_after: Option<Duration>,
    allowance: Option<Allowance>,
    body: Bytes,
    origin: client::Origin,
    /// What of the body is still to come.
    rest: Option<client::Rest>,
}

/// How much of an answer to read before it is handed on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Most {
    Whole,
    /// The rest of a large one comes later.
    Begun,
}

/// From here on an answer is large, in bytes.
const LARGE: usize = 64 * 1024;

impl From<Raw> for Reply {
    fn from(Raw { status, body, allowance, origin, .. }: Raw) -> Self {
        Self { status, body, allowance, origin }
    }
}

impl Upstream {
    /// `Err` names the part of the configuration that cannot be used.
    pub fn new(
        config: &SimConfig,
        signing_secrets: &[Secret],
        metrics: Arc<Metrics>,
        host: Arc<dyn Host>,
    ) -> Result<Self, Problem> {
        Ok(Self {
            client: Client::new(config)?,
            base: config.base_url.clone(),
            fixed_headers: request::fixed_headers(config)?,
            workspace: config.workspace_id.clone(),
            timeout: config.timeout,
            max_answer: config.max_answer_bytes,
            breaker: breaker::Breaker::new(config.circuit_open),
            budget: retry::Budget::default(),
            detection: detect::Detection::new(config.api_version),
            signing: sign::Signing::new(signing_secrets)?,
            metrics,
            host,
        })
    }

    pub fn circuit(&self) -> Circuit {
        self.breaker.circuit(StdInstant::now())
    }

    /// The generation to speak: configured, or found by asking.
    pub async fn api(&self, caller: &Caller) -> Result<&'static dyn Api, Error> {
        Ok(api::of(self.detection.generation(self, caller).await?))
    }

    /// The generation found so far, without asking.
    pub fn known_generation(&self) -> Option<crate::run::Generation> {
        self.detection.known()
    }

    /// Sends `call`, again where that is safe, until an answer of use, a refusal, or the deadline.
    pub async fn send(&self, caller: &Caller, call: &Call) -> Result<Reply, Failure> {
        let raw = self.persist(caller, call, Most::Whole, |raw| raw.json).await?;
        Ok(Reply::from(raw))
    }

    /// The same for a call whose answer may be handed on as it comes: all that has to be known is that it is JSON.
    pub async fn send_or_stream(&self, caller: &Caller, call: &Call) -> Result<Sized, Failure> {
        let raw = self.persist(caller, call, Most::Begun, |raw| raw.json).await?;
        Ok(match raw.rest {
            None => Sized::Small(Reply::from(raw)),
            Some(rest) => {
                let left = self.max_answer.saturating_sub(raw.body.len());
                let body = Body { begun: raw.body, rest, origin: raw.origin, left, patience: self.timeout };
                Sized::Large(Large { status: raw.status, body })
            }
        })
    }

    /// The same for a call that is answered with an event stream. Dropping the stream ends the call, and with it the run.
    pub async fn open(&self, caller: &Caller, call: &Call) -> Result<EventStream, Failure> {
        let raw = self.persist(caller, call, Most::Whole, |raw| raw.events).await?;
        let rest = raw.rest.ok_or_else(|| Failure::unclear(Error::malformed()))?;
        Ok(EventStream::of(rest))
    }

    /// The same for a call that Sim may answer either way.
    pub async fn send_or_open(&self, caller: &Caller, call: &Call) -> Result<Answered, Failure> {
        let raw = self.persist(caller, call, Most::Whole, |raw| raw.json || raw.events).await?;
        Ok(match raw.rest {
            Some(rest) => Answered::Events(EventStream::of(rest)),
            None => Answered::Whole(Reply::from(raw)),
        })
    }

    async fn persist(
        &self,
        caller: &Caller,
        call: &Call,
        most: Most,
        is_of_use: fn(&Raw) -> bool,
    ) -> Result<Raw, Failure> {
        let began = Instant::now();
        let deadline = caller.deadline.min(began + self.timeout);
        let mut outcome = self.insist(caller, call, most, is_of_use, deadline).await;
        if let Err(failure) = &mut outcome {
            let Failure { tries, status, .. } = *failure;
            failure.error.trail = Some(Trail { tries, status, took: began.elapsed() });
        }
        outcome
    }

    async fn insist(
        &self,
        caller: &Caller,
        call: &Call,
        most: Most,
        is_of_use: fn(&Raw) -> bool,
        deadline: Instant,
    ) -> Result<Raw, Failure> {
        self.budget.earn();
        let mut tries = 1;
        let mut earlier: Option<Failure> = None;
        loop {
            let mut failure = match self.attempt(caller, call, most, deadline).await {
                Ok(raw) if (200..300).contains(&raw.status) && is_of_use(&raw) => return Ok(raw),
                // What says 2xx but is of another type was not Sim's doing; whether Sim acted nobody knows.
                Ok(raw) if (200..300).contains(&raw.status) => {
                    Failure::unclear(Error::malformed()).answered(raw.status)
                }
                Ok(raw) => refusal::read(raw.status, raw.json, &raw.body, raw.retry_after).answered(raw.status),
                Err(failure) => failure,
            };
            failure.tries = tries;
            if let Some(earlier) = earlier {
                if failure.error.code == Code::CircuitOpen {
                    return Err(earlier);
                }
                // What an earlier try may have done, a later one cannot have undone.
                failure.unclear |= earlier.unclear;
            }
            let transient = failure.error.code != Code::UpstreamBusy
                && failure.error.code != Code::CircuitOpen
                && failure.meaning == Meaning::Plain
                && is_transient(&failure);
            let repeatable = call.repeat == Repeat::Freely || !failure.unclear;
            tries += 1;
            if !transient || !repeatable || tries > retry::MAX_TRIES {
                return Err(failure);
            }
            // A claimed start is worth asking again even when the budget is spent: it settles what is unclear.
            if !self.budget.spend() && call.method == Method::Get {
                return Err(failure);
            }
            let wake = Instant::now() + retry::backoff(tries);
            if wake >= deadline {
                return Err(failure);
            }
            tokio::time::sleep_until(wake).await;
            self.metrics.retried(caller.op);
            earlier = Some(failure);
        }
    }

    /// One try, through the breaker, within `deadline`.
    async fn attempt(&self, caller: &Caller, call: &Call, most: Most, deadline: Instant) -> Result<Raw, Failure> {
        let pass = self.breaker.admit(StdInstant::now()).map_err(|after| {
            let error = Error::new(Code::CircuitOpen, "Sim has not answered for a while; calls to it are paused");
            Failure::unsent(error.retry_after(Some(after)))
        })?;
        let measured = self.metrics.upstream(caller.op, &call.path);
        let outcome = match timeout_at(deadline, self.exchange(caller, call, most)).await {
            Ok(outcome) => outcome,
            Err(_) => {
                // A caller in a hurry does not make Sim slow: its time-outs must not close the way for the others.
                let counts = measured.began.elapsed() >= PATIENCE.min(self.timeout / 2);
                Err(Lost { failure: Failure::unclear(timed_out()), counts })
            }
        };
        match outcome {
            Ok(raw) => {
                measured.answered(raw.status);
                if matches!(raw.status, 502..=504) && raw.retry_after.is_none() && !raw.json {
                    self.failed(pass);
                } else if pass.succeeded() {
                    self.host.log(Level::Info, "circuit_closed", "Sim answers again");
                }
                Ok(raw)
            }
            Err(lost) => {
                measured.lost(lost.failure.error.code);
                if lost.counts {
                    self.failed(pass);
                }
                Err(lost.failure)
            }
        }
    }

    /// Counts a failure against Sim, and says so when it is the one that opens the circuit.
    fn failed(&self, pass: breaker::Pass<'_>) {
        if pass.failed(StdInstant::now()) {
            self.metrics.breaker_opened();
            let message = "Sim has failed several times in a row: calls to it are paused, and tried again one by one";
            self.host.log(Level::Error, "circuit_open", message);
        }
    }

    /// Sends one request and reads its answer to the end.
    async fn exchange(&self, caller: &Caller, call: &Call, most: Most) -> Result<Raw, Lost> {
        let request =
            self.request(caller, call).map_err(|error| Lost { failure: Failure::unsent(error), counts: false })?;
        let ahead = match most {
            Most::Whole => Ahead::Little,
            Most::Begun => Ahead::Much,
        };
        let Incoming { status, headers, body: mut rest, origin } = self.client.send(request, ahead).await?;
        let status = status.as_u16();
        let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        let json = kind.eq_ignore_ascii_case("application/json");
        let events = kind.eq_ignore_ascii_case("text/event-stream");
        let allowance = Allowance::read(&headers);
        let retry_after = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()).and_then(seconds);
        // Sim does not always say when to come back, but when there is more of what is used up.
        let retry_after = retry_after.or(allowance.filter(|_| status == 429).map(|left| left.resets_in()));
        if events && status == 200 {
            return Ok(Raw {
                status,
                json,
                events,
                retry_after,
                allowance,
                body: Bytes::new(),
                origin,
                rest: Some(rest),
            });
        }
        let in_pieces = most == Most::Begun && json && (200..300).contains(&status);
        let mut body = Bytes::new();
        while let Some(chunk) = rest.chunk().await? {
            if body.len() + chunk.len() > self.max_answer {
                // Dropping the response closes its connection.
                return Err(Lost { failure: Failure::unclear(too_large()), counts: false });
            }
            body = joined(body, chunk);
            if in_pieces && body.len() >= LARGE {
                return Ok(Raw { status, json, events, retry_after, allowance, body, origin, rest: Some(rest) });
            }
        }
        let raw = Raw { status, json, events: false, retry_after, allowance, body, origin, rest: None };
        // A 2xx in JSON is read by whoever asked for it; the rest is read here, to its end.
        if !raw.json || !(200..300).contains(&raw.status) && !call::is_json(&raw.body) {
            raw.origin.give_up();
        }
        Ok(raw)
    }
}

/// Most answers come as one chunk, which is not copied.
fn joined(body: Bytes, chunk: Bytes) -> Bytes {
    if body.is_empty() {
        return chunk;
    }
    let mut body = BytesMut::from(body);
    body.extend_from_slice(&chunk);
    body.freeze()
}

/// Failures that another try may mend.
fn is_transient(failure: &Failure) -> bool {
    match failure.error.code {
        Code::UpstreamUnreachable => true,
        // A 502 or 503 from in front of Sim, or an answer that was cut.
        Code::UpstreamError => failure.unclear,
        _ => false,
    }
}

/// `Retry-After` in its form of seconds. (Sim does not send the date form.)
fn seconds(text: &str) -> Option<Duration> {
    text.trim().parse().ok().map(|seconds: u64| Duration::from_secs(seconds).min(LONGEST_PAUSE))
}

/// Encodes one query value.
pub fn encode(value: &str) -> String {
    url::form_urlencoded::byte_serialize(value.as_bytes()).collect()
}
