//! A route with its body read: what is to be done, typed and valid. It must not do it.

use std::time::Duration;

use crate::arrival::Terms;
use crate::core::Core;
use crate::error::Error;
use crate::flow::DraftRequest;
use crate::metrics::Op;
use crate::policy;
use crate::proxy::{self, forward::Forward};
use crate::route::{Page, Route};
use crate::run::{FlowId, Mode, Owner, ResumeRequest, RunRef, RunRequest};

/// Not `Debug`: it holds what users wrote.
pub enum Operation {
    Health,
    Config,
    ListFlows(Page),
    CreateFlow(DraftRequest),
    GetFlow(FlowId),
    RunFlow(RunRequest),
    RunStatus(RunRef),
    WatchRun(RunRef, Option<String>),
    CancelRun(RunRef),
    ResumeRun(RunRef, ResumeRequest),
    /// Through `/proxy`, and none of the others.
    Forward(Forward),
}

impl Operation {
    /// Reads the body that `route` takes. A handle that does not open for `owner` is not found, whatever it is.
    pub fn read(route: Route, body: &[u8], terms: &Terms, core: &Core, owner: &Owner) -> Result<Self, Error> {
        let open =
            |handle: &str| core.handles.open(owner, handle).ok_or_else(|| Error::not_found("there is no such run"));
        Ok(match route {
            Route::Health => Operation::Health,
            Route::Config => Operation::Config,
            Route::ListFlows(page) => Operation::ListFlows(page),
            Route::CreateFlow => {
                let request = DraftRequest::parse(body)?;
                if request.notify {
                    core.hooks.can_notify()?;
                }
                Operation::CreateFlow(request)
            }
            Route::GetFlow(flow) => Operation::GetFlow(flow),
            Route::RunFlow(flow) => Operation::RunFlow(RunRequest::parse(flow, body, terms, &core.run_ids, owner)?),
            Route::RunStatus(handle) => Operation::RunStatus(open(&handle)?),
            Route::RunEvents(handle) => Operation::WatchRun(open(&handle)?, terms.last_event_id.clone()),
            Route::CancelRun(handle) => Operation::CancelRun(open(&handle)?),
            Route::ResumeRun(handle) => Operation::ResumeRun(open(&handle)?, ResumeRequest::parse(body)?),
            Route::Proxy => proxy::request::read(body, terms, core, owner)?,
        })
    }

    /// What plans call it.
    pub fn kind(&self) -> policy::Operation {
        match self {
            // Whoever may ask for the one may ask for the other.
            Operation::Health | Operation::Config => policy::Operation::Health,
            Operation::ListFlows(_) => policy::Operation::FlowsList,
            Operation::GetFlow(_) => policy::Operation::FlowsGet,
            Operation::CreateFlow(request) if request.deploy => policy::Operation::FlowsDeploy,
            Operation::CreateFlow(_) => policy::Operation::FlowsCreate,
            Operation::RunFlow(_) => policy::Operation::FlowsRun,
            Operation::RunStatus(_) | Operation::WatchRun(..) => policy::Operation::RunsRead,
            Operation::CancelRun(_) => policy::Operation::RunsCancel,
            Operation::ResumeRun(..) => policy::Operation::RunsResume,
            Operation::Forward(forward) => forward.kind,
        }
    }

    /// What it is counted as.
    pub fn op(&self) -> Op {
        match self {
            Operation::Health => Op::Health,
            Operation::Config => Op::Config,
            Operation::ListFlows(_) => Op::FlowsList,
            Operation::CreateFlow(_) => Op::FlowsCreate,
            Operation::GetFlow(_) => Op::FlowsGet,
            Operation::RunFlow(request) => match request.mode {
                Mode::Async => Op::FlowsRun,
                Mode::Sync => Op::FlowsRunSync,
                Mode::Stream => Op::FlowsRunStream,
            },
            Operation::RunStatus(_) => Op::RunsStatus,
            Operation::WatchRun(..) => Op::RunsEvents,
            Operation::CancelRun(_) => Op::RunsCancel,
            Operation::ResumeRun(..) => Op::RunsResume,
            Operation::Forward(_) => Op::Proxy,
        }
    }

    /// The flow it is about, where there is one.
    pub fn flow(&self) -> Option<&str> {
        match self {
            Operation::GetFlow(flow) => Some(flow.as_str()),
            Operation::RunFlow(request) => Some(request.flow.as_str()),
            Operation::RunStatus(run)
            | Operation::WatchRun(run, _)
            | Operation::CancelRun(run)
            | Operation::ResumeRun(run, _) => Some(run.flow.as_str()),
            Operation::Forward(forward) => forward.flow.as_ref().map(FlowId::as_str),
            Operation::Health | Operation::Config | Operation::ListFlows(_) | Operation::CreateFlow(_) => None,
        }
    }

    /// How long it may take, when its body says so.
    pub fn limit(&self) -> Option<Duration> {
        match self {
            Operation::RunFlow(request) => request.limit(),
            _ => None,
        }
    }

    /// How long its answer is to wait for a run, if it is.
    pub fn patience(&self, longest: Duration) -> Option<Duration> {
        match self {
            Operation::RunFlow(request) => request.patience(longest),
            _ => None,
        }
    }
}
