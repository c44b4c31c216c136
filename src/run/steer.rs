//! `POST /runs/:runId/cancel` and `/resume`: stop a run, or answer what it waits for.

use serde_json::value::RawValue;

use super::{FlowId, RunRef, json, read};
use crate::body::Fields;
use crate::core::{Context, Core};
use crate::error::{Code, Error};
use crate::upstream::Answered;
use crate::upstream::api::{self, RunState, Status};

/// The body `{input?, contextId?}`. Without a `contextId` the pause is looked up.
pub struct ResumeRequest {
    input: Option<Box<RawValue>>,
    context: Option<String>,
}

impl ResumeRequest {
    pub fn parse(body: &[u8]) -> Result<Self, Error> {
        let mut fields = Fields::parse(body)?;
        let context = fields.string("contextId", 128);
        Self::read(fields, context)
    }

    /// Sim's own body to resume. v1 has the pause in the path.
    pub fn parse_sims(body: &[u8], context: Option<&str>) -> Result<Self, Error> {
        let mut fields = Fields::parse(body)?;
        let context = match context {
            Some(context) => Some(context.to_owned()),
            None => fields.string("contextId", 128),
        };
        Self::read(fields, context)
    }

    fn read(mut fields: Fields<'_>, context: Option<String>) -> Result<Self, Error> {
        let input = fields.object("input").map(ToOwned::to_owned);
        // It becomes part of a path in v1, so it has the alphabet of Sim's other ids.
        if context.as_deref().is_some_and(|id| FlowId::parse(id).is_err()) {
            fields.fail("contextId", "must be 1 to 128 of A-Z a-z 0-9 . _ : -");
        }
        fields.finish()?;
        Ok(Self { input, context })
    }
}

fn cannot() -> Error {
    Error::conflict("unsupported", "this generation of Sim's API cannot do it")
}

/// Cancels, and answers with the run as it is then.
pub async fn cancel(core: &Core, context: &Context, reference: &RunRef) -> Result<Vec<u8>, Error> {
    let api = api::of(reference.generation);
    let call = api.cancel(&reference.flow, &reference.run).ok_or_else(cannot)?;
    let reply = core.upstream()?.send(&context.caller, &call).await?;
    api.read_cancelled(&reply)?;
    core.watches.moved(reference).await;
    // The cancellation is recorded; a run that cannot be read just now is cancelled all the same.
    let state = read::state(core, context, reference).await.unwrap_or(RunState::bare(Status::Cancelled));
    Ok(json::full(core, context, reference, &state))
}

/// Resumes a paused run. Sim gives the continuation an id of its own, but the first run tells its end, so the caller's
/// handle stays the one to ask.
pub async fn resume(
    core: &Core,
    context: &Context,
    reference: &RunRef,
    request: &ResumeRequest,
) -> Result<Vec<u8>, Error> {
    let api = api::of(reference.generation);
    if !api.resumes() {
        return Err(cannot());
    }
    let pause = match &request.context {
        Some(pause) => pause.clone(),
        None => waiting_for(read::state(core, context, reference).await?)?,
    };
    let call = api.resume(&reference.flow, &reference.run, &pause, request.input.as_deref()).ok_or_else(cannot)?;
    let state = match core.upstream()?.send_or_open(&context.caller, &call).await? {
        Answered::Whole(reply) => api.read_resumed(&reply)?,
        // What began as a stream goes on as one (v1). It is told by its status, so the stream is only kept open.
        Answered::Events(events) => {
            tokio::spawn(events.drain());
            RunState::bare(Status::Running)
        }
    };
    core.watches.moved(reference).await;
    Ok(json::full(core, context, reference, &state))
}

/// The context of the pause that a human can answer.
fn waiting_for(state: RunState) -> Result<String, Error> {
    let pause = state.paused.and_then(|paused| paused.context_id);
    match (state.status, pause) {
        (Status::Paused, Some(pause)) if FlowId::parse(&pause).is_ok() => Ok(pause),
        (Status::Paused, _) => Err(Error::new(Code::UpstreamError, "Sim does not say what the run waits for")),
        (Status::Completed | Status::Failed | Status::Cancelled, _) => {
            Err(Error::conflict("already_finished", "the run has already ended"))
        }
        _ => Err(Error::conflict("not_paused", "the run is not paused")),
    }
}
