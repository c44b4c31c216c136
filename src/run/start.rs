//! `POST /flows/:id/run`: exactly one run for one key, whatever the network does.
//!
//! A run id derived from the key claims the start, the same on every try. So a refusal because the id is taken is the
//! proof that the run exists, and an answer that got lost is asked for again without starting anything twice.

use std::time::{Duration, Instant as StdInstant};

use serde_json::value::RawValue;
use tokio::time::Instant;

use super::idempotency::{Fingerprint, Seen};
use super::{FlowId, Owner, RunIds, RunRef, SimRunId, json, read};
use crate::answer::Answer;
use crate::arrival::Terms;
use crate::body::Fields;
use crate::core::{Context, Core};
use crate::error::{Code, Error, FieldError, invalid};
use crate::upstream::api::{Api, RunState, Start, Status};
use crate::upstream::{Call, Failure, Meaning};

/// How long a run that certainly exists may take until it can be read.
const APPEARS_WITHIN: Duration = Duration::from_secs(5);
/// Sim's own limit of `selectedOutputs`, and a length that no block's name reaches.
const MAX_SELECTED: usize = 100;
const MAX_SELECTED_LENGTH: usize = 512;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Answer as soon as the run is started.
    Async,
    /// Answer when it has ended, or at the deadline.
    Sync,
    /// Answer with its events as they come. A client that goes away stops the run.
    Stream,
}

/// A run to start: the body `{input?, mode?, timeoutMs?}`, the headers' terms, and the id that claims it. Not
/// `Debug`: it holds what users wrote.
pub struct RunRequest {
    pub flow: FlowId,
    pub input: Box<RawValue>,
    /// The same for the same client, flow and `Idempotency-Key`.
    pub id: SimRunId,
    pub mode: Mode,
    /// Whose outputs a stream tells; none named: as Sim chooses.
    pub selected_outputs: Vec<String>,
    timeout: Option<Duration>,
    /// `Prefer: wait`.
    wait: Option<Duration>,
    /// Whether the client chose the key, and so may send it again.
    has_key: bool,
}

impl RunRequest {
    pub fn parse(flow: FlowId, body: &[u8], terms: &Terms, ids: &RunIds, owner: &Owner) -> Result<Self, Error> {
        let mut fields = Fields::parse(body)?;
        let input = fields.object("input").map(ToOwned::to_owned);
        let mode = fields
            .choice("mode", &[("async", Mode::Async), ("sync", Mode::Sync), ("stream", Mode::Stream)])
            .unwrap_or(Mode::Async);
        let timeout = fields.integer("timeoutMs", 1..=600_000).map(Duration::from_millis);
        let selected_outputs = fields.strings("selectedOutputs", MAX_SELECTED, MAX_SELECTED_LENGTH);
        if selected_outputs.is_some() && mode != Mode::Stream {
            fields.fail("selectedOutputs", "goes with mode 'stream' only");
        }
        fields.finish()?;
        let mut request = Self::new(flow, input, mode, timeout, terms, ids, owner)?;
        request.selected_outputs = selected_outputs.unwrap_or_default();
        Ok(request)
    }

    /// Sim's own body to execute: v2 `{input?, async?}`, v1 (`bare`) the input itself. Always answered as `async`.
    pub fn parse_sims(
        flow: FlowId,
        body: &[u8],
        bare: bool,
        terms: &Terms,
        ids: &RunIds,
        owner: &Owner,
    ) -> Result<Self, Error> {
        let input = if bare {
            let members = crate::body::members(if body.is_empty() { b"{}" } else { body });
            members.map_err(|message| invalid(&[FieldError::new("body", message)]))?;
            serde_json::from_slice(body).ok()
        } else {
            let mut fields = Fields::parse(body)?;
            let input = fields.object("input").map(ToOwned::to_owned);
            fields.boolean("async");
            fields.finish()?;
            input
        };
        Self::new(flow, input, Mode::Async, None, terms, ids, owner)
    }

    fn new(
        flow: FlowId,
        input: Option<Box<RawValue>>,
        mode: Mode,
        timeout: Option<Duration>,
        terms: &Terms,
        ids: &RunIds,
        owner: &Owner,
    ) -> Result<Self, Error> {
        let input = match input {
            Some(input) => input,
            None => RawValue::from_string("{}".to_owned()).map_err(|_| Error::malformed())?,
        };
        let id = match &terms.idempotency_key {
            Some(key) => ids.derive(owner, &flow, key.as_str()),
            None => ids.derive(owner, &flow, &ids.fresh_key()),
        };
        let has_key = terms.idempotency_key.is_some();
        Ok(Self { flow, input, id, mode, selected_outputs: Vec::new(), timeout, wait: terms.wait, has_key })
    }

    /// How long the whole call may take, when the client says so of one that does not wait.
    pub fn limit(&self) -> Option<Duration> {
        self.timeout.filter(|_| self.mode == Mode::Async)
    }

    /// How long the answer is to wait for the run's end; `None`: not at all.
    pub fn patience(&self, longest: Duration) -> Option<Duration> {
        match self.mode {
            Mode::Sync => Some(self.timeout.unwrap_or(longest).min(longest)),
            Mode::Async => self.wait,
            Mode::Stream => None,
        }
    }
}

/// A run that exists.
pub(super) struct Started {
    pub(super) reference: RunRef,
    /// What is known of it so far.
    pub(super) state: RunState,
    /// Whether an earlier request with the client's key had started it.
    pub(super) replayed: bool,
}

/// Starts the run, waits as asked, and answers 202 or 200.
pub async fn start(core: &Core, context: &Context, request: &RunRequest) -> Result<Answer, Error> {
    crate::flow::guard(core, context, &request.flow).await?;
    let began = Instant::now();
    let started = begin(core, context, request).await?;
    let patience = request.patience(core.config.sync_timeout);
    let reference = started.reference;
    let mut state = started.state;
    let mut waited = false;
    if let Some(patience) = patience {
        state = Box::pin(read::settle(core, context, &reference, state, began + patience)).await;
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
    if let (Mode::Async, Some(wait)) = (request.mode, request.wait) {
        answer = answer.header("preference-applied", format!("wait={}", wait.as_secs()));
    }
    Ok(answer)
}

/// Starts the run, or finds the one that this key started before.
pub(super) async fn begin(core: &Core, context: &Context, request: &RunRequest) -> Result<Started, Error> {
    let upstream = core.upstream()?;
    let api = upstream.api(&context.caller).await?;
    let call = call(core, context, api, request)?;
    if let Some(earlier) = recall(core, context, api, request).await? {
        return Box::pin(replay(core, context, api, &request.flow, earlier)).await;
    }
    let outcome = match upstream.send(&context.caller, &call).await {
        Ok(reply) => api.read_started(&reply).map_err(Failure::unclear),
        Err(failure) => Err(failure),
    };
    match outcome {
        Ok(given) => {
            if !api.claims() {
                core.idempotency.started(&request.id, &given);
            }
            let reference = RunRef { generation: api.generation(), flow: request.flow.clone(), run: given };
            Ok(Started { reference, state: RunState::bare(Status::Queued), replayed: false })
        }
        Err(failure) => Box::pin(explain(core, context, api, request, failure)).await,
    }
}

/// The call that starts the run.
pub(super) fn call(core: &Core, context: &Context, api: &dyn Api, request: &RunRequest) -> Result<Call, Error> {
    api.start(&Start {
        flow: &request.flow,
        input: &request.input,
        run: &request.id,
        // Sim takes a limit for what runs without a caller only; a stream is ended by us.
        longest_seconds: longest_seconds(core, context).filter(|_| request.mode != Mode::Stream),
        stream: (request.mode == Mode::Stream).then_some(&request.selected_outputs),
    })
}

/// Looks the client's key up. `Some`: the run it started, in a generation without claims.
pub(super) async fn recall(
    core: &Core,
    context: &Context,
    api: &dyn Api,
    request: &RunRequest,
) -> Result<Option<SimRunId>, Error> {
    if !request.has_key {
        return Ok(None);
    }
    let mismatch = || Error::new(Code::IdempotencyMismatch, "the Idempotency-Key was used with another request");
    let asked = Fingerprint::of(request.input.get().as_bytes());
    let seen = core.idempotency.begin(&request.id, asked, StdInstant::now());
    if seen == Seen::New
        && let Some(subject) = context.user.subject()
        && !core.policy.is_same_request(&subject, request.id.as_str(), &asked.to_text()).await
    {
        core.idempotency.forget(&request.id);
        return Err(mismatch());
    }
    match seen {
        Seen::OtherRequest => Err(mismatch()),
        Seen::Before(None) if !api.claims() => {
            Err(Error::conflict("in_progress", "a request with this Idempotency-Key is under way"))
        }
        Seen::Before(earlier) => Ok(earlier),
        Seen::New => Ok(None),
    }
}

/// What a failed start means: the run exists all the same, it may, or it does not.
pub(super) async fn explain(
    core: &Core,
    context: &Context,
    api: &dyn Api,
    request: &RunRequest,
    failure: Failure,
) -> Result<Started, Error> {
    let (flow, run) = (request.flow.clone(), request.id.clone());
    if api.claims() && failure.meaning != Meaning::Plain {
        // On a first try the id was taken by an earlier request; on a later one most likely by our own first.
        let earlier = failure.meaning == Meaning::RunIdTaken && failure.tries == 1;
        let mut started = confirm(core, context, api, &flow, run).await?;
        started.replayed = earlier && request.has_key;
        return Ok(started);
    }
    if failure.unclear {
        let reference = RunRef { generation: api.generation(), flow, run };
        let error = failure.error.may_have_started();
        return Err(if api.claims() { with_handle(core, context, &reference, error) } else { error });
    }
    core.idempotency.forget(&run);
    if let Some(subject) = context.user.subject().filter(|_| request.has_key) {
        core.policy.forget_request(&subject, run.as_str()).await;
    }
    Err(failure.error)
}

/// The longest run of the user's plan.
pub(super) fn longest_seconds(core: &Core, context: &Context) -> Option<u64> {
    let subject = context.user.subject()?;
    core.policy.plans().of(&subject).max_run_seconds.map(u64::from)
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
pub(super) async fn replay(
    core: &Core,
    context: &Context,
    api: &dyn Api,
    flow: &FlowId,
    run: SimRunId,
) -> Result<Started, Error> {
    let reference = RunRef { generation: api.generation(), flow: flow.clone(), run };
    let state = read::state(core, context, &reference).await?;
    Ok(Started { reference, state, replayed: true })
}

/// Whoever cannot be told how a start went can at least ask for the run: `details.runId`.
fn with_handle(core: &Core, context: &Context, reference: &RunRef, error: Error) -> Error {
    error.may_have_started().with_detail("runId", core.handles.mint(&context.user.owner, reference))
}
