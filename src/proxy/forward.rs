//! Forwards one admitted call and shows its answer as this user may see it.

use bytes::Bytes;
use serde_json::Value;

use super::rewrite::{NoJson, Rewriter, Shown, rewrite};
use crate::answer::Answer;
use crate::core::{Context, Core};
use crate::error::Error;
use crate::large::LargeOutlet;
use crate::metrics::Metrics;
use crate::policy;
use crate::run::{self, FlowId, RunRef};
use crate::upstream::{Body, Call, Large, Reply, Sized, api};

/// How much of a large answer is handed on at a time, in bytes.
const PIECE: usize = 256 * 1024;

/// A call to forward.
pub struct Forward {
    /// What plans call it.
    pub kind: policy::Operation,
    /// The flow it is about, where there is one.
    pub flow: Option<FlowId>,
    pub(super) call: Call,
    pub(super) shape: Shape,
}

/// What of its answer is for this user.
pub(super) enum Shape {
    /// All flows of a list that the user may run.
    Flows,
    /// One flow.
    Flow,
    /// The run of a handle.
    Run(RunRef),
    Plain,
}

/// Sim's status and JSON, run ids as handles, Sim's addresses removed. `None`: it was large, and went out in pieces.
/// `head` is an answer without a body of that status.
pub async fn forward(
    core: &Core,
    context: &Context,
    forward: &Forward,
    head: impl FnOnce(u16) -> Answer,
) -> Result<Option<Answer>, Error> {
    if let Some(flow) = &forward.flow {
        crate::flow::guard(core, context, flow).await?;
    }
    let upstream = core.upstream()?;
    // What decides whether the user may see an answer at all has to be read first.
    let as_it_comes = match forward.shape {
        Shape::Plain => true,
        Shape::Flow => upstream.workspace.is_none(),
        Shape::Flows | Shape::Run(_) => false,
    };
    if as_it_comes {
        return match upstream.send_or_stream(&context.caller, &forward.call).await? {
            Sized::Small(reply) => whole(context, &reply, None).map(Some),
            Sized::Large(large) => pass_on(core, context, large, head).await.map(|()| None),
        };
    }
    let reply = upstream.send(&context.caller, &forward.call).await?;
    match &forward.shape {
        Shape::Flows => {
            let body = flows(core, context, &reply).await?;
            let reply = match body {
                Some(body) => reply.with_body(body.into()),
                None => reply,
            };
            whole(context, &reply, None).map(Some)
        }
        Shape::Run(run) => {
            if let Ok(state) = api::of(run.generation).read_run(&reply) {
                run::seen(core, context, run, state.status).await;
            }
            let handle = core.handles.mint(&context.user.owner, run);
            whole(context, &reply, Some(Shown { id: run.run.as_str(), handle: &handle })).map(Some)
        }
        Shape::Flow | Shape::Plain => {
            in_workspace(&reply, upstream.workspace.as_deref())?;
            whole(context, &reply, None).map(Some)
        }
    }
}

/// Hands a large answer on as it comes. What goes wrong once it has begun ends it for the client too.
async fn pass_on(core: &Core, context: &Context, large: Large, head: impl FnOnce(u16) -> Answer) -> Result<(), Error> {
    let Large { status, body } = large;
    let head = head(status).streamed();
    carry(body, || core.host.open_large(context.call, head), &core.metrics).await
}

/// `Err`: it went wrong before anything was handed on.
async fn carry(mut body: Body, open: impl FnOnce() -> LargeOutlet, metrics: &Metrics) -> Result<(), Error> {
    let (mut rewriter, mut shown) = (Rewriter::default(), Vec::new());
    rewriter.push(body.begun(), &mut shown).map_err(|NoJson| body.no_json())?;
    // Few large pieces cost less than many small ones, and nobody reads half a JSON text.
    while length(&shown) < PIECE {
        if !read(&mut body, &mut rewriter, &mut shown).await? {
            open().finish(shown).await;
            return Ok(());
        }
    }
    let mut outlet = open();
    loop {
        if length(&shown) >= PIECE && outlet.write(&mut shown).await.is_err() {
            return Ok(());
        }
        match read(&mut body, &mut rewriter, &mut shown).await {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => {
                metrics.stream_broken();
                outlet.fail(&error);
                return Ok(());
            }
        }
    }
    outlet.finish(shown).await;
    Ok(())
}

/// Adds the next bytes to `shown`, as they may be seen. Whether there were any.
async fn read(body: &mut Body, rewriter: &mut Rewriter<'_>, shown: &mut Vec<Bytes>) -> Result<bool, Error> {
    match body.next().await? {
        Some(bytes) => rewriter.push(bytes, shown).map(|()| true),
        None => rewriter.end().map(|()| false),
    }
    .map_err(|NoJson| body.no_json())
}

fn length(pieces: &[Bytes]) -> usize {
    pieces.iter().map(Bytes::len).sum()
}

fn whole(context: &Context, reply: &Reply, run: Option<Shown<'_>>) -> Result<Answer, Error> {
    let body = rewrite(&reply.body, run).map_err(|NoJson| reply.no_json())?;
    Ok(Answer::json(reply.status, body, &context.caller.request_id))
}

/// Leaves out the flows that the user may not run. `None`: all may be shown.
async fn flows(core: &Core, context: &Context, reply: &Reply) -> Result<Option<Vec<u8>>, Error> {
    let mut body: Value = reply.read()?;
    let list = match &mut body {
        Value::Object(map) if map.contains_key("data") => map.get_mut("data"),
        Value::Object(map) => map.get_mut("flows"),
        _ => None,
    };
    let Some(Value::Array(list)) = list else { return Err(Error::malformed()) };
    let ids: Vec<Option<FlowId>> =
        list.iter().map(|flow| flow["id"].as_str().and_then(|id| FlowId::parse(id).ok())).collect();
    let shown = crate::flow::shown(core, context, &ids, list).await?;
    if shown.iter().all(|yes| *yes) {
        return Ok(None);
    }
    let mut shown = shown.into_iter();
    list.retain(|_| shown.next().unwrap_or(false));
    Ok(Some(body.to_string().into_bytes()))
}

/// A flow of another workspace does not exist here.
fn in_workspace(reply: &Reply, configured: Option<&str>) -> Result<(), Error> {
    #[derive(serde::Deserialize)]
    struct Body {
        data: Option<Data>,
    }
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Data {
        workspace_id: Option<String>,
    }
    let of_flow = reply.read::<Body>()?.data.and_then(|data| data.workspace_id);
    match (of_flow, configured) {
        (Some(of_flow), Some(ours)) if of_flow != ours => Err(Error::not_found("there is no such flow")),
        _ => Ok(()),
    }
}
