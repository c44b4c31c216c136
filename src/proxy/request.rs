//! The body of `POST /proxy` -> what it asks for: an operation of the adapter, or a call to forward.

use serde_json::Value;
use serde_json::value::RawValue;

use super::forward::{Forward, Shape};
use super::path::CanonicalPath;
use super::rules::{Denied, parse_method};
use super::target::{OwnOperation, RESERVED, RunPlace, Target};
use super::{query, workspace};
use crate::arrival::Terms;
use crate::body::Fields;
use crate::core::Core;
use crate::error::{Code, Error, FieldError, invalid};
use crate::flow::DraftRequest;
use crate::operation::Operation;
use crate::policy;
use crate::run::{FlowId, Generation, Owner, ResumeRequest, RunRef, RunRequest};
use crate::upstream::{Call, Method};

/// The longest path that is looked at, in characters; the allow-list's own limit is lower and has its reason.
const MAX_PATH: usize = 65_536;

/// Reads `{method, path, query?, body?}`, checks it against the allow-list, and says what is to be done.
pub fn read(body: &[u8], terms: &Terms, core: &Core, owner: &Owner) -> Result<Operation, Error> {
    let mut fields = Fields::parse(body)?;
    let method = fields.string("method", 8);
    let path = fields.string("path", MAX_PATH);
    let query = fields.any("query");
    let body = fields.any("body");
    for (name, missing) in [("method", method.is_none()), ("path", path.is_none())] {
        if missing && !fields.failed(name) {
            fields.fail(name, "is required");
        }
    }
    fields.finish()?;
    let (method, path) = (method.unwrap_or_default(), path.unwrap_or_default());
    let refused = |reason: String| {
        Error::new(Code::PathNotAllowed, "the path is not on the allow-list").with_detail("reason", reason)
    };
    let verb = parse_method(&method).ok_or_else(|| refused("method".to_owned()))?;
    let path = CanonicalPath::parse(&path).map_err(|error| refused(error.to_string()))?;
    let target = core.rules.admit(&verb, &path).map_err(|denied| match denied {
        Denied::NoRule => refused(denied.to_string()),
        Denied::NoSuchFlow => Error::not_found("there is no such flow"),
    })?;
    let query: Value = query
        .map_or(Ok(Value::Null), |raw| serde_json::from_str(raw.get()))
        .map_err(|_| invalid(&[FieldError::new("query", "is nested too deeply")]))?;
    let configured = core.upstream()?.workspace.as_deref();
    workspace::check(&query, body, configured)
        .map_err(|_| Error::new(Code::Forbidden, "the workspace is not the configured one"))?;
    let encoded = encode(&query)?;
    let method = read_method(&method).ok_or_else(|| refused("method".to_owned()))?;
    if method == Method::Get && body.is_some() {
        return Err(invalid(&[FieldError::new("body", "a GET has no body")]));
    }
    let request = Request { method, path, query: encoded, body, terms, core, owner };
    match target {
        Target::Own(generation, operation) => request.own(generation, operation),
        Target::Plain => {
            let flow = flow_of(&request.path)?;
            Ok(request.forward(policy::Operation::Proxy, flow, Shape::Plain))
        }
    }
}

/// The flow that a plain path is about: what plan and host hide of it is hidden there too.
fn flow_of(path: &CanonicalPath) -> Result<Option<FlowId>, Error> {
    let segments: Vec<&str> = path.segments().collect();
    let flow = match segments.as_slice() {
        ["api", "v1" | "v2", "workflows", flow, ..] | ["api", "workflows" | "flows", flow, ..]
            if !RESERVED.contains(flow) =>
        {
            flow
        }
        _ => return Ok(None),
    };
    FlowId::parse(flow).map(Some).map_err(|_| Error::not_found("there is no such flow"))
}

fn encode(query: &Value) -> Result<String, Error> {
    if query.is_null() {
        return Ok(String::new());
    }
    query::encode(query).map_err(|errors| {
        let fields: Vec<_> = errors.into_iter().map(|e| FieldError::new(e.path, e.problem.to_string())).collect();
        invalid(&fields)
    })
}

fn read_method(text: &str) -> Option<Method> {
    [Method::Get, Method::Post, Method::Put, Method::Patch, Method::Delete].into_iter().find(|m| m.as_str() == text)
}

struct Request<'a> {
    method: Method,
    path: CanonicalPath,
    query: String,
    body: Option<&'a RawValue>,
    terms: &'a Terms,
    core: &'a Core,
    owner: &'a Owner,
}

impl Request<'_> {
    /// A path of one of the adapter's operations is carried out as that operation, whichever rule let it in.
    fn own(self, generation: Generation, operation: OwnOperation) -> Result<Operation, Error> {
        use policy::Operation as Kind;
        let body = self.body.map(|raw| raw.get().as_bytes()).unwrap_or_default();
        Ok(match operation {
            OwnOperation::ListFlows => {
                let request = self.in_workspace(generation);
                request.forward(Kind::FlowsList, None, Shape::Flows)
            }
            OwnOperation::GetFlow(flow) => self.forward(Kind::FlowsGet, Some(flow), Shape::Flow),
            OwnOperation::DeployFlow(flow) => self.forward(Kind::FlowsDeploy, Some(flow), Shape::Plain),
            OwnOperation::CreateFlow | OwnOperation::ImportFlow => {
                Operation::CreateFlow(DraftRequest::parse_sims(body)?)
            }
            OwnOperation::RunFlow(flow) => {
                let bare = generation == Generation::V1;
                Operation::RunFlow(RunRequest::parse_sims(
                    flow,
                    body,
                    bare,
                    self.terms,
                    &self.core.run_ids,
                    self.owner,
                )?)
            }
            OwnOperation::ReadRun(place) => {
                let run = self.open(&place)?;
                let flow = run.flow.clone();
                self.forward(Kind::RunsRead, Some(flow), Shape::Run(run))
            }
            OwnOperation::CancelRun(place) => Operation::CancelRun(self.open(&place)?),
            OwnOperation::ResumeRun { run, context } => {
                let run = self.open(&run)?;
                Operation::ResumeRun(run, ResumeRequest::parse_sims(body, context.as_deref())?)
            }
            OwnOperation::ListKnowledge | OwnOperation::SearchKnowledge => {
                self.forward(Kind::Knowledge, None, Shape::Plain)
            }
        })
    }

    fn open(&self, place: &RunPlace) -> Result<RunRef, Error> {
        place.open(&self.core.handles, self.owner).ok_or_else(|| Error::not_found("there is no such run"))
    }

    /// A list without a workspace would be one of every workspace that the key can see.
    fn in_workspace(mut self, generation: Generation) -> Self {
        let configured = self.core.upstream.as_ref().and_then(|upstream| upstream.workspace.as_deref());
        let named = self.query.split('&').any(|pair| pair.starts_with("workspaceId="));
        if let Some(workspace) = configured.filter(|_| generation != Generation::Flows && !named) {
            let separator = if self.query.is_empty() { "" } else { "&" };
            self.query = format!("{}{separator}workspaceId={}", self.query, crate::upstream::encode(workspace));
        }
        self
    }

    fn forward(self, kind: policy::Operation, flow: Option<FlowId>, shape: Shape) -> Operation {
        let path = match &shape {
            // The handle's place in the path is the run's.
            Shape::Run(run) => {
                self.path.as_str().rsplit_once('/').map_or_else(String::new, |(head, _)| format!("{head}/{}", run.run))
            }
            _ => self.path.as_str().to_owned(),
        };
        let body = self.body.map(|raw| raw.get().as_bytes().to_vec());
        let mut call = match self.method {
            Method::Get => Call::get(path),
            method => Call { method, ..Call::post(path, body) },
        };
        if !self.query.is_empty() {
            call = call.query(self.query);
        }
        Operation::Forward(Forward { kind, flow, call, shape })
    }
}
