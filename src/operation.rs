//! A route with its body read: what is to be done, typed and valid. It must not do it.

use std::time::Duration;

use crate::error::Error;
use crate::flow::DraftRequest;
use crate::route::{Page, Route};
use crate::run::{FlowId, Handles, Owner, ResumeRequest, RunRef, RunRequest};

#[derive(Debug)]
pub enum Operation {
    Health,
    ListFlows(Page),
    CreateFlow(DraftRequest),
    GetFlow(FlowId),
    RunFlow { flow: FlowId, request: RunRequest, wait: Option<Duration> },
    RunStatus(RunRef),
    CancelRun(RunRef),
    ResumeRun(RunRef, ResumeRequest),
}

impl Operation {
    /// Reads the body that `route` takes. A handle that does not open for `owner` is not found, whatever it is.
    pub fn read(
        route: Route,
        body: &[u8],
        wait: Option<Duration>,
        handles: &Handles,
        owner: &Owner,
    ) -> Result<Self, Error> {
        let open = |handle: &str| handles.open(owner, handle).ok_or_else(|| Error::not_found("there is no such run"));
        Ok(match route {
            Route::Health => Operation::Health,
            Route::ListFlows(page) => Operation::ListFlows(page),
            Route::CreateFlow => Operation::CreateFlow(DraftRequest::parse(body)?),
            Route::GetFlow(flow) => Operation::GetFlow(flow),
            Route::RunFlow(flow) => Operation::RunFlow { flow, request: RunRequest::parse(body)?, wait },
            Route::RunStatus(handle) => Operation::RunStatus(open(&handle)?),
            Route::CancelRun(handle) => Operation::CancelRun(open(&handle)?),
            Route::ResumeRun(handle) => Operation::ResumeRun(open(&handle)?, ResumeRequest::parse(body)?),
            Route::Proxy => return Err(Error::not_found("there is no such route")),
        })
    }
}
