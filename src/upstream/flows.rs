//! The API of older forks of the integration: `/api/flows`, `/api/runs`. It has no claims, no cancel and no resume.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::api::{
    Api, Created, Deployment, Draft, Flow, FlowDetail, FlowPage, Input, RunError, RunState, Start, Status, id, json,
    some,
};
use super::{Call, Reply};
use crate::error::Error;
use crate::run::{FlowId, Generation, SimRunId};

pub(super) struct Flows;

#[derive(Deserialize)]
struct Entry {
    id: String,
    name: String,
    description: Option<String>,
    deployed: Option<bool>,
    #[serde(default)]
    inputs: Vec<Input>,
}

impl Entry {
    fn into_flow(self) -> Result<FlowDetail, Error> {
        let flow = Flow {
            id: id(&self.id)?,
            name: self.name,
            description: self.description.filter(|text| !text.is_empty()),
            deployed: self.deployed.unwrap_or(true),
            workspace: None,
        };
        Ok(FlowDetail { flow, inputs: self.inputs })
    }
}

#[derive(Deserialize)]
struct One {
    flow: Entry,
}

/// What a flow is called that brings no name.
const UNTITLED: &str = "Untitled";

/// The name in an export document: this API needs one, where the others take the document's.
fn name_of(document: &RawValue) -> String {
    #[derive(Deserialize)]
    struct Export {
        workflow: Option<Metadata>,
    }
    #[derive(Deserialize)]
    struct Metadata {
        name: Option<String>,
    }
    let text = serde_json::from_str::<String>(document.get());
    let export = serde_json::from_str::<Export>(text.as_deref().unwrap_or(document.get()));
    let name = export.ok().and_then(|export| export.workflow?.name);
    name.unwrap_or_else(|| UNTITLED.to_owned())
}

impl Api for Flows {
    fn generation(&self) -> Generation {
        Generation::Flows
    }

    fn list_flows(&self, _: Option<&str>, _: Option<&str>) -> Result<Call, Error> {
        Ok(Call::get("/api/flows".to_owned()))
    }

    fn read_flows(&self, reply: &Reply) -> Result<FlowPage, Error> {
        #[derive(Deserialize)]
        struct Many {
            flows: Vec<Entry>,
        }
        let flows = reply.read::<Many>()?.flows.into_iter().map(|entry| entry.into_flow().map(|detail| detail.flow));
        Ok(FlowPage { flows: flows.collect::<Result<_, _>>()?, next: None })
    }

    fn get_flow(&self, id: &FlowId) -> Call {
        Call::get(format!("/api/flows/{id}"))
    }

    fn read_flow(&self, reply: &Reply) -> Result<FlowDetail, Error> {
        reply.read::<One>()?.flow.into_flow()
    }

    fn create(&self, _: Option<&str>, draft: &Draft) -> Result<Call, Error> {
        #[derive(Serialize)]
        struct Create<'a> {
            name: Cow<'a, str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            description: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            workflow: Option<&'a RawValue>,
        }
        let body = Create {
            name: match (&draft.name, &draft.document) {
                (Some(name), _) => Cow::Borrowed(name),
                (None, Some(document)) => Cow::Owned(name_of(document)),
                (None, None) => Cow::Borrowed(UNTITLED),
            },
            description: draft.description.as_deref(),
            workflow: draft.document.as_deref(),
        };
        Ok(Call::post("/api/flows".to_owned(), Some(json(&body))))
    }

    fn read_created(&self, reply: &Reply) -> Result<Created, Error> {
        let detail = reply.read::<One>()?.flow.into_flow()?;
        Ok(Created { id: detail.flow.id, name: detail.flow.name })
    }

    fn deploy(&self, _: &FlowId) -> Option<Call> {
        None
    }

    fn deployment(&self, id: &FlowId) -> Call {
        self.get_flow(id)
    }

    fn read_deployment(&self, reply: &Reply) -> Result<Deployment, Error> {
        let deployed = self.read_flow(reply)?.flow.deployed;
        Ok(if deployed { Deployment::Live } else { Deployment::Pending })
    }

    fn claims(&self) -> bool {
        false
    }

    fn start(&self, start: &Start<'_>) -> Result<Call, Error> {
        #[derive(Serialize)]
        struct Run<'a> {
            input: &'a RawValue,
        }
        Ok(Call::post(format!("/api/flows/{}/run", start.flow), Some(json(&Run { input: start.input }))))
    }

    fn read_started(&self, reply: &Reply) -> Result<SimRunId, Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Started {
            run_id: String,
        }
        id(&reply.read::<Started>()?.run_id)
    }

    fn pause(&self, _: &FlowId, _: &SimRunId) -> Option<Call> {
        None
    }

    fn read_pause(&self, _: &Reply, _: &str) -> Option<Box<RawValue>> {
        None
    }

    fn run(&self, _: &FlowId, run: &SimRunId) -> Call {
        Call::get(format!("/api/runs/{run}"))
    }

    fn read_run(&self, reply: &Reply) -> Result<RunState, Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Run {
            status: String,
            started_at: Option<String>,
            ended_at: Option<String>,
            output: Option<Box<RawValue>>,
            error: Option<String>,
        }
        let run = reply.read::<Run>()?;
        Ok(RunState {
            started_at: run.started_at,
            ended_at: run.ended_at,
            output: some(run.output),
            error: run.error.map(|message| RunError { message, code: None, block_id: None, block_name: None }),
            ..RunState::bare(Status::parse(&run.status)?)
        })
    }

    fn cancel(&self, _: &FlowId, _: &SimRunId) -> Option<Call> {
        None
    }

    fn read_cancelled(&self, _: &Reply) -> Result<(), Error> {
        Ok(())
    }

    fn resumes(&self) -> bool {
        false
    }

    fn resume(&self, _: &FlowId, _: &SimRunId, _: &str, _: Option<&RawValue>) -> Option<Call> {
        None
    }

    fn read_resumed(&self, _: &Reply) -> Result<RunState, Error> {
        Err(Error::malformed())
    }
}
