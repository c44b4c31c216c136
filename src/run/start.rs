//! `POST /flows/:id/run`: exactly one run for one key, whatever the network does.
//!
//! A run id derived from the key claims the start, the same on every try. So a refusal because the id is taken is the
//! proof that the run exists, and an answer that got lost is asked for again without starting anything twice.

use std::time::{Duration, Instant as StdInstant};

use serde_json::value::RawValue;
use tokio::time::Instant;

use super::idempotency::{Fingerprint, Seen};
use super::{FlowId, RunRef, SimRunId, json, read};
use crate::answer::Answer;
use crate::body::Fields;
use crate::core::{Context, Core};
use crate::error::{Code, Error};
use crate::upstream::api::{Api, RunState, Start, Status};
use crate::upstream::{Failure, Meaning};

/// How long a run that certainly exists may take until it can be read.
const APPEARS_WITHIN: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Answer as soon as the run is started.
    Async,
    /// Answer when it has ended, or at the deadline.
    Sync,
}

/// The body `{input?, mode?, timeoutMs?}`.
#[derive(Debug)]
pub struct RunRequest {
    pub input: Box<RawValue>,
    pub mode: Mode,
    pub timeout: Option<Duration>,
    fingerprint: Fingerprint,
}

impl RunRequest {
    pub fn parse(body: &[u8]) -> Result<Self, Error> {
        let mut fields = Fields::parse(body)?;
        let input = fields.object("input").map(ToOwned::to_owned);
        let mode = fields.choice("mode", &[("async", Mode::Async), ("sync", Mode::Sync)]);
        let timeout = fields.integer("timeoutMs", 1..=600_000).map(Duration::from_millis);
        fields.finish()?;
        let input = match input {
            Some(input) => input,
            None => RawValue::from_string("{}".to_owned()).map_err(|_| Error::malformed())?,
        };
        let fingerprint = Fingerprint::of(input.get().as_bytes());
        Ok(Self { input, mode: mode.unwrap_or(Mode::Async), timeout, fingerprint })
    }
}

/// A run that exists.
struct Started {
    reference: RunRef,
    /// What is known of it so far.
    state: RunState,
    /// Whether an earlier request with the client's key had started it.
    replayed: bool,
}

/// Starts the run, waits as asked (`wait` is the client's `Prefer: wait`), and answers 202 or 200.
pub async fn start(
    core: &Core,
    context: &Context,
    flow: &FlowId,
    request: &RunRequest,
    wait: Option<Duration>,
) -> Result<Answer, Error> {
    crate::flow::guard(core, context, flow).await?;
    let began = Instant::now();
    let started = begin(core, context, flow, request).await?;
    let patience = match request.mode {
        Mode::Sync => Some(request.timeout.unwrap_or(core.config.sync_timeout)),
        Mode::Async => wait,
    };
    let reference = started.reference;
    let mut state = started.state;
    let mut waited = false;
    if let Some(patience) = patience {
        state = read::settle(core, context, &reference, state, began + patience).await;
        waited = !state.status.is_moving();
    }
    let request_id = &context.caller.request_id;
    let mut answer = if waited {
        Answer::json(200, json::full(core, context, &reference, &state), request_id)
    } else {
        Answer::json(202, json::receipt(core, context, &reference, state.status), request_id)
    };
    if started.replayed {
        answer = answer.header("idempotent-replayed", "true");
    }
    if let (Mode::Async, Some(wait)) = (request.mode, wait) {
        answer = answer.header("preference-applied", format!("wait={}", wait.as_secs()));
    }
    Ok(answer)
}

/// Starts the run, or finds the one that this key started before.
async fn begin(core: &Core, context: &Context, flow: &FlowId, request: &RunRequest) -> Result<Started, Error> {
    let upstream = core.upstream()?;
    let api = upstream.api(&context.caller).await?;
    let run = match &context.idempotency_key {
        Some(key) => core.run_ids.derive(&context.owner, flow, key.as_str()),
        None => core.run_ids.derive(&context.owner, flow, &core.run_ids.fresh_key()),
    };
    let start = Start { flow, input: &request.input, run: &run, longest_seconds: None };
    let call = api.start(&start)?;
    if context.idempotency_key.is_some() {
        match core.idempotency.begin(&run, request.fingerprint, StdInstant::now()) {
            Seen::OtherRequest => {
                let message = "the Idempotency-Key was used with another request";
                return Err(Error::new(Code::IdempotencyMismatch, message));
            }
            Seen::Before(Some(earlier)) => return replay(core, context, api, flow, earlier).await,
            Seen::Before(None) if !api.claims() => {
                return Err(Error::conflict("in_progress", "a request with this Idempotency-Key is under way"));
            }
            Seen::New | Seen::Before(None) => {}
        }
    }
    let outcome = match upstream.send(&context.caller, &call).await {
        Ok(reply) => api.read_started(&reply).map_err(Failure::unclear),
        Err(failure) => Err(failure),
    };
    match outcome {
        Ok(given) => {
            if !api.claims() {
                core.idempotency.started(&run, &given);
            }
            let reference = RunRef { generation: api.generation(), flow: flow.clone(), run: given };
            Ok(Started { reference, state: RunState::bare(Status::Queued), replayed: false })
        }
        Err(failure) if api.claims() && failure.meaning != Meaning::Plain => {
            // On a first try the id was taken by an earlier request; on a later one most likely by our own first.
            let earlier = failure.meaning == Meaning::RunIdTaken && failure.tries == 1;
            let mut started = confirm(core, context, api, flow, run).await?;
            started.replayed = earlier && context.idempotency_key.is_some();
            Ok(started)
        }
        Err(failure) if failure.unclear => {
            let reference = RunRef { generation: api.generation(), flow: flow.clone(), run };
            Err(if api.claims() { with_handle(core, context, &reference, failure.error) } else { failure.error })
        }
        Err(failure) => {
            core.idempotency.forget(&run);
            Err(failure.error)
        }
    }
}

/// The run exists, or may: reads it, and never starts another.
async fn confirm(
    core: &Core,
    context: &Context,
    api: &dyn Api,
    flow: &FlowId,
    run: SimRunId,
) -> Result<Started, Error> {
    let reference = RunRef { generation: api.generation(), flow: flow.clone(), run };
    let deadline = context.caller.deadline.min(Instant::now() + APPEARS_WITHIN);
    match read::appears(core, context, &reference, deadline).await {
        Ok(Some(state)) => Ok(Started { reference, state, replayed: false }),
        Ok(None) => {
            let error = Error::new(Code::UpstreamError, "the run was started but cannot be read yet");
            Err(with_handle(core, context, &reference, error))
        }
        Err(error) => Err(with_handle(core, context, &reference, error)),
    }
}

/// A generation without claims: the run that this process started under the key.
async fn replay(core: &Core, context: &Context, api: &dyn Api, flow: &FlowId, run: SimRunId) -> Result<Started, Error> {
    let reference = RunRef { generation: api.generation(), flow: flow.clone(), run };
    let state = read::state(core, context, &reference).await?;
    Ok(Started { reference, state, replayed: true })
}

/// Whoever cannot be told how a start went can at least ask for the run: `details.runId`.
fn with_handle(core: &Core, context: &Context, reference: &RunRef, error: Error) -> Error {
    error.with_detail("runId", core.handles.mint(&context.owner, reference))
}
