//! The deployed flows of the workspace: read once in a while for everybody, then narrowed for each user.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
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
/// Flows that the host is asked about at once.
const BATCH: usize = 100;

/// The list as last read.
#[derive(Default)]
pub struct FlowList {
    last: ArcSwapOption<Reading>,
    /// Held while reading, so that many first requests read once.
    reading: Mutex<()>,
    /// A flow was deployed since: the last reading does not have it.
    outdated: AtomicBool,
}

struct Reading {
    ended: Instant,
    outcome: Result<Arc<[Flow]>, Error>,
}

impl FlowList {
    /// The flow, if the last reading has it and is still fresh.
    pub(super) fn find(&self, id: &FlowId) -> Option<Flow> {
        let last = self.last.load();
        let reading = last.as_ref().filter(|reading| reading.ended.elapsed() < FRESH)?;
        reading.outcome.as_ref().ok()?.iter().find(|flow| flow.id == *id).cloned()
    }

    async fn all(&self, core: &Core, context: &Context) -> Result<Arc<[Flow]>, Error> {
        let arrived = Instant::now();
        let Ok(_reading) = timeout_at(context.caller.deadline, self.reading.lock()).await else {
            return Err(Error::new(Code::UpstreamTimeout, "Sim did not answer in time"));
        };
        if self.outdated.swap(false, Ordering::AcqRel) {
            self.last.store(None);
        }
        if let Some(reading) = self.last.load_full() {
            match &reading.outcome {
                Ok(flows) if reading.ended.elapsed() < FRESH => return Ok(Arc::clone(flows)),
                // Who waited for a reading that failed has its answer; a queue of them would ask one after the other.
                // A time-out was perhaps only the reader's own.
                Err(error) if reading.ended >= arrived && error.code != Code::UpstreamTimeout => {
                    return Err(error.clone());
                }
                _ => {}
            }
        }
        let outcome = fetch(core, context).await.map(Arc::from);
        self.last.store(Some(Arc::new(Reading { ended: Instant::now(), outcome: outcome.clone() })));
        outcome
    }

    /// Forgets the list, because a flow was just deployed.
    pub(super) fn forget(&self) {
        self.outdated.store(true, Ordering::Release);
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
        // A cursor that leads nowhere new would lead there for ever.
        match page.next.filter(|next| Some(next) != cursor.as_ref()) {
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
    let mut at = match &page.cursor {
        None => 0,
        Some(cursor) => all
            .iter()
            .position(|flow| flow.id.as_str() == cursor)
            .map(|position| position + 1)
            .ok_or_else(|| invalid(&[FieldError::new("cursor", "is no longer known; begin again without it")]))?,
    };
    let mut flows = Vec::new();
    while flows.len() < page.limit && at < all.len() {
        // As many at once as the largest page: whoever is shown few of many flows is not asked about one by one.
        let batch = &all[at..(at + BATCH).min(all.len())];
        let allowed = allowed(core, context, batch).await?;
        for (flow, _) in batch.iter().zip(allowed).inspect(|_| at += 1).filter(|(_, yes)| *yes) {
            flows.push(flow);
            if flows.len() == page.limit {
                break;
            }
        }
    }
    let next_cursor = (0 < at && at < all.len()).then(|| all[at - 1].id.as_str());
    Ok(serde_json::to_vec(&Body { flows, next_cursor }).unwrap_or_default())
}
