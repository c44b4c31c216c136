//! Reading a run: once, or until it stops moving.

use std::time::Duration;

use serde_json::value::RawValue;
use tokio::time::{Instant, sleep_until};

use super::{RunRef, json};
use crate::core::{Context, Core};
use crate::error::{Code, Error};
use crate::upstream::Allowance;
use crate::upstream::api::{self, RunState, Status};

/// `GET /runs/:runId/status`.
pub async fn read(core: &Core, context: &Context, reference: &RunRef) -> Result<Vec<u8>, Error> {
    let state = state(core, context, reference).await?;
    Ok(json::full(core, context, reference, &state))
}

/// The run as Sim tells it now, asked of the generation in its handle.
pub(super) async fn state(core: &Core, context: &Context, reference: &RunRef) -> Result<RunState, Error> {
    Ok(look(core, context, reference).await?.0)
}

/// The same, and how often Sim may be asked again.
pub(super) async fn look(
    core: &Core,
    context: &Context,
    reference: &RunRef,
) -> Result<(RunState, Option<Allowance>), Error> {
    let api = api::of(reference.generation);
    let call = api.run(&reference.flow, &reference.run);
    let reply = core.upstream()?.send(&context.caller, &call).await?;
    let mut state = api.read_run(&reply)?;
    if state.status == Status::Paused && state.output.is_none() {
        state.output = asked(core, context, reference, &state).await;
    }
    seen(core, context, reference, state.status).await;
    Ok((state, reply.allowance))
}

/// Whoever sees the end of a run frees its slot.
pub async fn seen(core: &Core, context: &Context, reference: &RunRef, status: Status) {
    if status.is_final()
        && let Some(subject) = context.user.subject()
    {
        core.policy.release(&subject, reference.run.as_str()).await;
    }
}

/// What a pause asks of a person. Without it the run can still be resumed, so a failure is no failure of the read.
async fn asked(core: &Core, context: &Context, reference: &RunRef, state: &RunState) -> Option<Box<RawValue>> {
    let api = api::of(reference.generation);
    let pause = state.paused.as_ref()?.context_id.as_ref()?;
    let call = api.pause(&reference.flow, &reference.run)?;
    let reply = core.upstream().ok()?.send(&context.caller, &call).await.ok()?;
    api.read_pause(&reply, pause)
}

/// What a last look before a deadline needs to be answered in time.
const LAST_LOOK: Duration = Duration::from_millis(50);

/// When to look again: after `wait`, or just before `deadline` if that is sooner. `None`: there is no time left.
pub fn next_look(wait: Duration, deadline: Instant) -> Option<Instant> {
    let (now, last) = (Instant::now(), deadline.checked_sub(LAST_LOOK)?);
    (now < last).then(|| last.min(now + wait))
}

/// Reads a run that certainly exists: Sim may need some seconds until it can be read. `None`: not within `deadline`.
pub(super) async fn appears(
    core: &Core,
    context: &Context,
    reference: &RunRef,
    deadline: Instant,
) -> Result<Option<RunState>, Error> {
    let mut wait = Duration::from_millis(100);
    loop {
        match state(core, context, reference).await {
            Ok(state) => return Ok(Some(state)),
            Err(error) if error.code == Code::NotFound => {}
            Err(error) => return Err(error),
        }
        let Some(wake) = next_look(wait, deadline) else { return Ok(None) };
        sleep_until(wake).await;
        wait = (wait * 2).min(Duration::from_secs(1));
    }
}

/// Reads a run until its status stops moving or `deadline` comes, and gives the last state seen. A read that fails is
/// no reason to say that the run did: the next one may work.
pub(super) async fn settle(
    core: &Core,
    context: &Context,
    reference: &RunRef,
    mut last: RunState,
    deadline: Instant,
) -> RunState {
    let mut wait = Duration::from_millis(50);
    while last.status.is_moving() {
        let Some(wake) = next_look(wait, deadline) else { break };
        sleep_until(wake).await;
        wait = (wait * 3 / 2).min(Duration::from_secs(1));
        match tokio::time::timeout_at(deadline, state(core, context, reference)).await {
            Ok(Ok(state)) => last = state,
            // Sim may say when to come back.
            Ok(Err(error)) => wait = wait.max(error.retry_after.unwrap_or_default()),
            Err(_) => break,
        }
    }
    last
}
