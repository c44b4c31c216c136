//! The deployed flows of the workspace: read once in a while for everybody, then narrowed for each user.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::sync::Mutex;
use tokio::time::timeout_at;

use super::allowed;
use crate::core::{Context, Core};
use crate::error::{Code, Error, FieldError, invalid};
use crate::route::Page;
use crate::run::FlowId;
use crate::upstream::api::Flow;

/// How long one reading serves.
const FRESH: Duration = Duration::from_secs(30);
/// Pages of 100 that are read at the most.
const MAX_PAGES: usize = 100;

/// The list as last read. The lock is held while reading, so that many first requests read once.
#[derive(Default)]
pub struct FlowList(Mutex<Option<(Instant, Arc<[Flow]>)>>);

impl FlowList {
    /// The flow, if the last reading has it and is still fresh.
    pub(super) fn find(&self, id: &FlowId) -> Option<Flow> {
        // While it is being read again, nobody waits for it here.
        let cached = self.0.try_lock().ok()?;
        let (read, flows) = cached.as_ref()?;
        (read.elapsed() < FRESH).then(|| flows.iter().find(|flow| flow.id == *id).cloned()).flatten()
    }

    async fn all(&self, core: &Core, context: &Context) -> Result<Arc<[Flow]>, Error> {
        let Ok(mut cached) = timeout_at(context.caller.deadline, self.0.lock()).await else {
            return Err(Error::new(Code::UpstreamTimeout, "Sim did not answer in time"));
        };
        if let Some((read, flows)) = cached.as_ref()
            && read.elapsed() < FRESH
        {
            return Ok(Arc::clone(flows));
        }
        let flows: Arc<[Flow]> = fetch(core, context).await?.into();
        *cached = Some((Instant::now(), Arc::clone(&flows)));
        Ok(flows)
    }

    /// Forgets the list, because a flow was just deployed.
    pub(super) async fn forget(&self) {
        *self.0.lock().await = None;
    }
}

async fn fetch(core: &Core, context: &Context) -> Result<Vec<Flow>, Error> {
    let upstream = core.upstream()?;
    let api = upstream.api(&context.caller).await?;
    let mut flows = Vec::new();
    let mut cursor: Option<String> = None;
    for _ in 0..MAX_PAGES {
        let call = api.list_flows(upstream.workspace.as_deref(), cursor.as_deref())?;
        let page = api.read_flows(&upstream.send(&context.caller, &call).await?)?;
        flows.extend(page.flows.into_iter().filter(|flow| flow.deployed));
        match page.next {
            Some(next) => cursor = Some(next),
            None => break,
        }
    }
    Ok(flows)
}

/// `GET /flows`: one page of the flows this user may run. The cursor is the id of the last flow looked at.
pub async fn list(core: &Core, context: &Context, page: &Page) -> Result<Vec<u8>, Error> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Body<'a> {
        flows: Vec<&'a Flow>,
        next_cursor: Option<&'a str>,
    }
    let all = core.flow_list.all(core, context).await?;
    let mut rest = match &page.cursor {
        None => &all[..],
        Some(cursor) => {
            let position = all
                .iter()
                .position(|flow| flow.id.as_str() == cursor)
                .ok_or_else(|| invalid(&[FieldError::new("cursor", "is no longer known; begin again without it")]))?;
            &all[position + 1..]
        }
    };
    let mut flows = Vec::new();
    while flows.len() < page.limit && !rest.is_empty() {
        let (batch, after) = rest.split_at((page.limit - flows.len()).min(rest.len()));
        let allowed = allowed(core, context, batch).await?;
        flows.extend(batch.iter().zip(allowed).filter(|(_, yes)| *yes).map(|(flow, _)| flow));
        rest = after;
    }
    let looked_at = all.len() - rest.len();
    let next_cursor = (!rest.is_empty() && looked_at > 0).then(|| all[looked_at - 1].id.as_str());
    Ok(serde_json::to_vec(&Body { flows, next_cursor }).unwrap_or_default())
}
