//! Forwards one admitted call and shows its answer as this user may see it.

use serde_json::Value;

use super::rewrite::{Shown, rewrite};
use crate::answer::Answer;
use crate::core::{Context, Core};
use crate::error::Error;
use crate::policy;
use crate::run::{self, FlowId, RunRef};
use crate::upstream::{Call, Reply, api};

/// A call to forward.
#[derive(Debug)]
pub struct Forward {
    /// What plans call it.
    pub kind: policy::Operation,
    /// The flow it is about, where there is one.
    pub flow: Option<FlowId>,
    pub(super) call: Call,
    pub(super) shape: Shape,
}

/// What of its answer is for this user.
#[derive(Debug)]
pub(super) enum Shape {
    /// All flows of a list that the user may run.
    Flows,
    /// One flow.
    Flow,
    /// The run of a handle.
    Run(RunRef),
    Plain,
}

/// Sim's status and JSON, run ids as handles, Sim's addresses removed.
pub async fn forward(core: &Core, context: &Context, forward: &Forward) -> Result<Answer, Error> {
    if let Some(flow) = &forward.flow {
        crate::flow::guard(core, context, flow).await?;
    }
    let upstream = core.upstream()?;
    let reply = upstream.send(&context.caller, &forward.call).await?;
    let body = match &forward.shape {
        Shape::Flows => flows(core, context, &reply).await?,
        Shape::Flow => {
            in_workspace(&reply, upstream.workspace.as_deref())?;
            None
        }
        Shape::Run(run) => {
            if let Ok(state) = api::of(run.generation).read_run(&reply) {
                run::seen(core, context, run, state.status).await;
            }
            let handle = core.handles.mint(&context.user.owner, run);
            rewrite(&reply.body, Some(&Shown { id: run.run.as_str(), handle: &handle }))
        }
        Shape::Plain => rewrite(&reply.body, None),
    };
    // What was not rewritten must still be JSON: the answer says that it is.
    if body.is_none() {
        reply.read::<&serde_json::value::RawValue>()?;
    }
    let body = body.map_or_else(|| reply.body.clone(), Into::into);
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
