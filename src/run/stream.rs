//! `POST /flows/:id/run` with `mode: 'stream'`: Sim's own events as they come, under our names.

use std::future::{pending, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use tokio::runtime::Handle;
use tokio::time::{Instant, Sleep, sleep, sleep_until, timeout, timeout_at};

use super::events::Events;
use super::start::{RunRequest, Started, begin, call, explain, longest_seconds, recall, replay};
use super::watch::carry_on;
use super::{RunRef, SimRunId, json, read};
use crate::answer::Answer;
use crate::body::members;
use crate::core::{Context, Core, User};
use crate::error::Error;
use crate::upstream::EventStream;
use crate::upstream::api::{RunError, RunState, Status};
use crate::upstream::urls::without_resume_urls;

/// How long the last event waits for what only the run's record tells: times, cost.
const RECORD_WITHIN: Duration = Duration::from_secs(2);
/// The wait between two looks at the record: Sim may write it after it has told the end.
const RECORD_AGAIN: Duration = Duration::from_millis(100);

/// Starts the run and tells what Sim tells of it: `run`, then `chunk`, `reset`, `thinking`, `tool` and `error`, then
/// `final`. A run that was started before is told by its `status`.
pub async fn stream(core: &Arc<Core>, context: &Context, request: &RunRequest, head: Answer) -> Result<(), Error> {
    crate::flow::guard(core, context, &request.flow).await?;
    let upstream = core.upstream()?;
    let api = upstream.api(&context.caller).await?;
    if !api.claims() {
        // Such a generation has no streams.
        let started = begin(core, context, request).await?;
        follow(core, context, started, head).await;
        return Ok(());
    }
    let call = call(core, context, api, request)?;
    if let Some(earlier) = recall(core, context, api, request).await? {
        let started = replay(core, context, api, &request.flow, earlier).await?;
        follow(core, context, started, head).await;
        return Ok(());
    }
    match upstream.open(&context.caller, &call).await {
        Ok(told) => {
            let run = RunRef { generation: api.generation(), flow: request.flow.clone(), run: request.id.clone() };
            relay(core, context, &run, told, head).await;
        }
        Err(failure) => {
            let started = explain(core, context, api, request, failure).await?;
            follow(core, context, started, head).await;
        }
    }
    Ok(())
}

/// Tells of a run that goes on without us.
async fn follow(core: &Arc<Core>, context: &Context, started: Started, head: Answer) {
    let head = if started.replayed { head.header("idempotent-replayed", "true") } else { head };
    let mut events = Events::open(core, context, head);
    let run = started.reference;
    events.send("run", json::receipt(core, context, &run, started.state.status)).await;
    finish(core, context, &run, events).await;
}

/// Tells the run's `status` until it has ended or pauses, and then its `final`.
async fn finish(core: &Arc<Core>, context: &Context, run: &RunRef, mut events: Events) {
    match carry_on(core, context, run, &mut events).await {
        Ok(last) => events.send("final", last).await,
        Err(error) => events.fail(core, context, &error),
    }
}

/// Hands Sim's events on until its stream ends. A client that goes away drops all this, and Sim stops the run.
async fn relay(core: &Arc<Core>, context: &Context, run: &RunRef, told: EventStream, head: Answer) {
    let limit = longest_seconds(core, context).map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let mut events = Events::open(core, context, head);
    let mut slot = Slot::of(core, context, run);
    events.send("run", json::receipt(core, context, run, Status::Running)).await;
    match forward(&mut events, Source::new(told, limit)).await {
        Some(told) => {
            if !told.status.is_final() {
                slot.keep();
            }
            let state = recorded(core, context, run, told).await;
            // Whoever read the end has freed the place.
            slot.keep();
            events.send("final", json::full(core, context, run, &state)).await;
        }
        None => {
            slot.keep();
            finish(core, context, run, events).await;
        }
    }
}

/// Hands events on up to Sim's last word, which is not handed on but given back. `None`: the stream broke off before
/// that, or came to its limit, and Sim stops the run.
async fn forward(events: &mut Events, mut sim: Source) -> Option<RunState> {
    loop {
        let there = soon(pin!(sim.next()), events.holds_some()).await;
        let data = match there {
            Some(data) => data,
            None => {
                sim.during(events.flush()).await;
                loop {
                    tokio::select! {
                        data = sim.next() => break data,
                        () = events.silence() => sim.during(events.beat()).await,
                    }
                }
            }
        };
        match data.map_or(Frame::Done, Frame::read) {
            Frame::Event(name, data) => sim.during(events.add(name, data)).await,
            Frame::Ended(state) => {
                sim.during(events.flush()).await;
                sim.drain().await;
                return Some(*state);
            }
            Frame::Done => {
                drop(sim);
                events.flush().await;
                return None;
            }
            Frame::Unknown => {}
        }
    }
}

/// Sim's events of a run that may last until a limit.
struct Source {
    /// `None`: it was left, and Sim stops the run.
    told: Option<EventStream>,
    limit: Option<Pin<Box<Sleep>>>,
}

impl Source {
    fn new(told: EventStream, limit: Option<Instant>) -> Self {
        Self { told: Some(told), limit: limit.map(|limit| Box::pin(sleep_until(limit))) }
    }

    /// The next event; `None` at the end, and from the limit on.
    async fn next(&mut self) -> Option<Vec<u8>> {
        let told = self.told.as_mut()?;
        tokio::select! {
            biased;
            () = reached(&mut self.limit) => {}
            data = told.next() => return data,
        }
        self.told = None;
        None
    }

    /// Does `work`, a write to a client that may be slow. If that takes until the limit, Sim is left first: what was begun
    /// is written to its end, but the run shall not wait for it.
    async fn during(&mut self, work: impl Future<Output = ()>) {
        let mut work = pin!(work);
        tokio::select! {
            biased;
            () = &mut work => return,
            () = reached(&mut self.limit), if self.told.is_some() => self.told = None,
        }
        work.await;
    }

    /// Reads what comes after the last word: only a connection that is read to its end can be used again.
    async fn drain(self) {
        if let Some(told) = self.told {
            let _ = timeout(RECORD_WITHIN, told.drain()).await;
        }
    }
}

async fn reached(limit: &mut Option<Pin<Box<Sleep>>>) {
    match limit {
        Some(limit) => limit.await,
        None => pending().await,
    }
}

/// What is there of `next` now or, if it is worth `waiting`, after all others had their turn: the connection is read by a
/// task of its own, one event at a time.
async fn soon<T>(mut next: Pin<&mut impl Future<Output = T>>, mut waiting: bool) -> Option<T> {
    poll_fn(|context| match next.as_mut().poll(context) {
        Poll::Ready(data) => Poll::Ready(Some(data)),
        Poll::Pending if waiting => {
            waiting = false;
            context.waker().wake_by_ref();
            Poll::Pending
        }
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// The run as recorded, if that is to be had soon; the stream's own word otherwise.
async fn recorded(core: &Core, context: &Context, run: &RunRef, told: RunState) -> RunState {
    let mut context = context.clone();
    let deadline = Instant::now() + RECORD_WITHIN;
    context.caller.deadline = deadline;
    let record = async {
        loop {
            match read::state(core, &context, run).await {
                Ok(state) if !state.status.is_moving() => return state,
                _ => sleep(RECORD_AGAIN).await,
            }
        }
    };
    match timeout_at(deadline, record).await {
        Ok(mut state) => {
            if state.status == told.status {
                // A stream of selected outputs knows better what was asked for.
                state.output = told.output.or(state.output);
                state.error = state.error.or(told.error);
            }
            state
        }
        Err(_) => {
            read::seen(core, &context, run, told.status).await;
            told
        }
    }
}

/// The place of a streamed run among those its user may have at once. Dropping it frees the place: with the stream ends
/// the run, also when its client just goes and nobody sees the end.
struct Slot(Option<(Held, User, SimRunId)>);

/// What it is freed through, and what has the adapter wait until it is.
struct Held(Arc<Core>);

impl Held {
    fn of(core: &Arc<Core>) -> Self {
        core.policy.hold();
        Self(Arc::clone(core))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.policy.let_go();
    }
}

impl Slot {
    fn of(core: &Arc<Core>, context: &Context, run: &RunRef) -> Self {
        Self(Some((Held::of(core), context.user.clone(), run.run.clone())))
    }

    /// Somebody else sees the end.
    fn keep(&mut self) {
        self.0 = None;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let Some((held, user, run)) = self.0.take() else { return };
        let Ok(runtime) = Handle::try_current() else { return };
        runtime.spawn(async move {
            if let Some(subject) = user.subject() {
                held.0.policy.release(&subject, run.as_str()).await;
            }
        });
    }
}

/// One of Sim's frames, as far as it concerns a client.
enum Frame {
    Event(&'static str, Vec<u8>),
    Ended(Box<RunState>),
    Done,
    Unknown,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Told<'a> {
    event: Option<String>,
    #[serde(borrow)]
    block_id: Option<&'a RawValue>,
    #[serde(borrow)]
    chunk: Option<&'a RawValue>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    error: Option<String>,
}

/// The data of `final`.
#[derive(Deserialize)]
struct Final {
    success: Option<bool>,
    status: Option<String>,
    output: Option<Box<RawValue>>,
    error: Option<String>,
}

impl Frame {
    fn read(data: Vec<u8>) -> Self {
        if matches!(&*data, b"[DONE]" | b"\"[DONE]\"") {
            return Frame::Done;
        }
        let Ok(told) = serde_json::from_slice::<Told<'_>>(&data) else { return Frame::Unknown };
        match told.event.as_deref() {
            None if told.chunk.is_some() => Frame::Event("chunk", data),
            Some("chunk_reset") => Frame::Event("reset", without_event(&data)),
            Some("thinking") => Frame::Event("thinking", without_event(&data)),
            Some("tool") => Frame::Event("tool", without_event(&data)),
            Some("stream_error") => {
                let block = told.block_id.and_then(|raw| serde_json::from_str::<String>(raw.get()).ok());
                let event = json!({ "blockId": block, "message": told.error.unwrap_or_default() });
                Frame::Event("error", event.to_string().into_bytes())
            }
            Some("final") => Frame::ended(told.data.and_then(|raw| serde_json::from_str(raw.get()).ok())),
            Some("error") => Frame::ended(Some(Final { success: None, status: None, output: None, error: told.error })),
            _ => Frame::Unknown,
        }
    }

    fn ended(data: Option<Final>) -> Self {
        let Some(data) = data else { return Frame::Unknown };
        let told = data.status.as_deref().and_then(|word| Status::parse(word).ok());
        let status = told.unwrap_or(if data.success == Some(true) { Status::Completed } else { Status::Failed });
        let error = data.error.map(|message| RunError { message, code: None, block_id: None, block_name: None });
        let output = data.output.map(without_resume_urls);
        Frame::Ended(Box::new(RunState { output, error, ..RunState::bare(status) }))
    }
}

/// The frame without Sim's own name for it.
fn without_event(data: &[u8]) -> Vec<u8> {
    let mut out = vec![b'{'];
    for (name, value) in members(data).unwrap_or_default() {
        if name != "event" {
            if out.len() > 1 {
                out.push(b',');
            }
            out.extend_from_slice(serde_json::Value::from(name.as_ref()).to_string().as_bytes());
            out.push(b':');
            out.extend_from_slice(value.get().as_bytes());
        }
    }
    out.push(b'}');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(data: &str) -> (&'static str, String) {
        match Frame::read(data.as_bytes().to_vec()) {
            Frame::Event(name, data) => (name, String::from_utf8(data).unwrap()),
            Frame::Ended(state) => ("ended", format!("{:?}", state.status)),
            Frame::Done => ("done", String::new()),
            Frame::Unknown => ("unknown", String::new()),
        }
    }

    #[test]
    fn each_frame_of_sims_has_its_event() {
        let cases = [
            (r#"{"blockId":"b","chunk":"hi"}"#, "chunk", r#"{"blockId":"b","chunk":"hi"}"#),
            (r#"{"blockId":"b","event":"chunk_reset"}"#, "reset", r#"{"blockId":"b"}"#),
            (r#"{"blockId":"b","event":"thinking","data":"x"}"#, "thinking", r#"{"blockId":"b","data":"x"}"#),
            (
                r#"{"blockId":"b","event":"tool","phase":"start","id":"1","name":"n"}"#,
                "tool",
                r#"{"blockId":"b","phase":"start","id":"1","name":"n"}"#,
            ),
            (r#"{"event":"stream_error","blockId":"b","error":"e"}"#, "error", r#"{"blockId":"b","message":"e"}"#),
            (r#"{"event":"final","data":{"success":true,"output":{}}}"#, "ended", "Completed"),
            (r#"{"event":"final","data":{"success":true,"output":{},"status":"paused"}}"#, "ended", "Paused"),
            (r#"{"event":"final","data":{"success":false,"error":"e"}}"#, "ended", "Failed"),
            (r#"{"event":"error","error":"e"}"#, "ended", "Failed"),
            (r#""[DONE]""#, "done", ""),
            ("[DONE]", "done", ""),
            (r#"{"event":"new thing"}"#, "unknown", ""),
            ("not json", "unknown", ""),
        ];
        for (data, name, expected) in cases {
            assert_eq!(event(data), (name, expected.to_owned()), "{data}");
        }
    }
}
