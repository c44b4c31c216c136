//! Flows: listing, reading, creating. It knows Sim's generations by their trait only.

mod create;
mod list;
mod notify;

use serde_json::json;

pub use create::{DraftRequest, create};
pub use list::{FlowList, list};

use crate::core::{Context, Core};
use crate::error::Error;
use crate::host::{Question, ask};
use crate::run::FlowId;
use crate::upstream::api::{Flow, FlowDetail};

/// What a user may not see does not exist for them.
fn hidden() -> Error {
    Error::not_found("there is no such flow")
}

/// `GET /flows/:id`: the flow with its inputs.
pub async fn get(core: &Core, context: &Context, id: &FlowId) -> Result<Vec<u8>, Error> {
    let detail = fetch(core, context, id).await?;
    check(core, context, std::slice::from_ref(&detail.flow)).await?;
    Ok(serde_json::to_vec(&json!({ "flow": detail })).unwrap_or_default())
}

/// Whether the host has a say: in what its users do, not in its own calls.
fn asks_host(core: &Core, context: &Context) -> bool {
    core.config.asks_can_run_flow && context.user.owner.user.is_some()
}

/// Refuses a flow that the user may not run. Costs nothing when the host has no say in it.
pub async fn guard(core: &Core, context: &Context, id: &FlowId) -> Result<(), Error> {
    if !asks_host(core, context) {
        return Ok(());
    }
    let listed = core.flow_list.find(id);
    let flow = match listed {
        Some(flow) => flow,
        None => Box::pin(fetch(core, context, id)).await?.flow,
    };
    Box::pin(check(core, context, std::slice::from_ref(&flow))).await
}

async fn fetch(core: &Core, context: &Context, id: &FlowId) -> Result<FlowDetail, Error> {
    let upstream = core.upstream()?;
    let api = upstream.api(&context.caller).await?;
    let reply = upstream.send(&context.caller, &api.get_flow(id)).await?;
    let detail = api.read_flow(&reply)?;
    let elsewhere = match (&detail.flow.workspace, &upstream.workspace) {
        (Some(of_flow), Some(ours)) => of_flow != ours,
        _ => false,
    };
    if elsewhere { Err(hidden()) } else { Ok(detail) }
}

/// Refuses unless the user may run every one of `flows`.
async fn check(core: &Core, context: &Context, flows: &[Flow]) -> Result<(), Error> {
    let allowed = allowed(core, context, flows).await?;
    if allowed.iter().all(|yes| *yes) { Ok(()) } else { Err(hidden()) }
}

/// The same for flows as Sim lists them. What has no id is nobody's.
pub async fn shown(
    core: &Core,
    context: &Context,
    ids: &[Option<FlowId>],
    listed: &[serde_json::Value],
) -> Result<Vec<bool>, Error> {
    let flows: Vec<Flow> = ids
        .iter()
        .zip(listed)
        .filter_map(|(id, entry)| {
            Some(Flow {
                id: id.clone()?,
                name: entry["name"].as_str().unwrap_or_default().to_owned(),
                description: entry["description"].as_str().map(str::to_owned),
                deployed: entry["isDeployed"].as_bool().or(entry["deployed"].as_bool()).unwrap_or(false),
                workspace: None,
            })
        })
        .collect();
    let mut allowed = allowed(core, context, &flows).await?.into_iter();
    Ok(ids.iter().map(|id| id.is_some() && allowed.next().unwrap_or(false)).collect())
}

/// For each of `flows`, whether the user may see and run it: by the plan's patterns, then by the host.
async fn allowed(core: &Core, context: &Context, flows: &[Flow]) -> Result<Vec<bool>, Error> {
    let plan = context.user.subject().map(|subject| core.policy.plans().of(&subject));
    let by_plan: Vec<bool> =
        flows.iter().map(|flow| plan.is_none_or(|plan| plan.shows_flow(flow.id.as_str()))).collect();
    if !asks_host(core, context) || flows.is_empty() {
        return Ok(by_plan);
    }
    let about = json!({ "user": context.user.resolved, "flows": flows });
    let answer = ask(&*core.host, context.call, Question::CanRunFlow, about, context.caller.deadline).await?;
    let by_host = answer.as_array().map(Vec::as_slice).unwrap_or_default();
    let yes = |index: usize| by_host.get(index).and_then(serde_json::Value::as_bool) == Some(true);
    Ok(by_plan.into_iter().enumerate().map(|(index, allowed)| allowed && yes(index)).collect())
}
