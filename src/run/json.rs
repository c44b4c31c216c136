//! The JSON of a run in our answers. `output` and `cost` go through as the bytes that came.

use serde::Serialize;
use serde_json::value::RawValue;

use super::RunRef;
use crate::core::{Context, Core};
use crate::upstream::api::{Pause, RunError, RunState, Status};

#[derive(Serialize)]
struct Outer<T> {
    run: T,
}

/// `{run: {id, flowId, status, startedAt, endedAt, durationMs, output, error, cost, paused}}`.
pub(super) fn full(core: &Core, context: &Context, reference: &RunRef, state: &RunState) -> Vec<u8> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Run<'a> {
        id: String,
        flow_id: &'a str,
        status: Status,
        started_at: Option<&'a str>,
        ended_at: Option<&'a str>,
        duration_ms: Option<u64>,
        output: Option<&'a RawValue>,
        error: Option<&'a RunError>,
        cost: Option<&'a RawValue>,
        paused: Option<&'a Pause>,
    }
    let run = Run {
        id: core.handles.mint(&context.user.owner, reference),
        flow_id: reference.flow.as_str(),
        status: state.status,
        started_at: state.started_at.as_deref(),
        ended_at: state.ended_at.as_deref(),
        duration_ms: state.duration_ms,
        output: state.output.as_deref(),
        error: state.error.as_ref(),
        cost: state.cost.as_deref(),
        paused: state.paused.as_ref(),
    };
    serde_json::to_vec(&Outer { run }).unwrap_or_default()
}

/// `{run: {id, status, statusUrl, eventsUrl}}`: a run that goes on, and where to ask for it.
pub(super) fn receipt(core: &Core, context: &Context, reference: &RunRef, status: Status) -> Vec<u8> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Run {
        id: String,
        status: Status,
        status_url: String,
        events_url: String,
    }
    let id = core.handles.mint(&context.user.owner, reference);
    let status_url = format!("{}/runs/{id}/status", context.mount);
    let events_url = format!("{}/runs/{id}/events", context.mount);
    serde_json::to_vec(&Outer { run: Run { id, status, status_url, events_url } }).unwrap_or_default()
}
