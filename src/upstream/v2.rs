//! Sim's v2 API (`openapi-v2-workflows.json`): its paths, bodies and answers.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::api::{
    Api, Created, Deployment, Draft, Flow, FlowDetail, FlowPage, Input, Pause, RunError, RunState, Start, Status, id,
    json, millis, required, some,
};
use super::urls::without_resume_urls;
use super::{Call, Reply};
use crate::error::Error;
use crate::run::{FlowId, Generation, SimRunId};

pub(super) struct V2;

/// `WorkflowListItem` and `WorkflowDetail`; other members are of no use here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Workflow {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) description: Option<String>,
    pub(super) is_deployed: Option<bool>,
    pub(super) workspace_id: Option<String>,
    pub(super) inputs: Option<Vec<Input>>,
}

impl Workflow {
    pub(super) fn into_flow(self) -> Result<FlowDetail, Error> {
        let flow = Flow {
            id: id(&self.id)?,
            name: self.name,
            description: self.description.filter(|text| !text.is_empty()),
            deployed: self.is_deployed.unwrap_or(false),
            workspace: self.workspace_id,
        };
        Ok(FlowDetail { flow, inputs: self.inputs.unwrap_or_default() })
    }
}

/// `{data: [Workflow], nextCursor?}`, the same in v1.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct List {
    data: Vec<Workflow>,
    next_cursor: Option<String>,
}

impl List {
    pub(super) fn into_page(self) -> Result<FlowPage, Error> {
        // One entry that cannot be used is no reason to show none.
        let flows = self.data.into_iter().filter_map(|workflow| workflow.into_flow().ok().map(|detail| detail.flow));
        Ok(FlowPage { flows: flows.collect(), next: self.next_cursor })
    }
}

/// The query of both generations' lists: deployed flows of one workspace, the largest page.
pub(super) fn list_query(workspace: &str, cursor: Option<&str>) -> String {
    let mut query = format!("workspaceId={}&deployedOnly=true&limit=100", super::encode(workspace));
    if let Some(cursor) = cursor {
        query.push_str("&cursor=");
        query.push_str(&super::encode(cursor));
    }
    query
}

/// `ImportWorkflowRequest`, the same in v1.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Import<'a> {
    pub(super) workspace_id: &'a str,
    pub(super) workflow: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<&'a str>,
}

/// `WorkflowRunStatus` and the synchronous answer of resume.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Run {
    status: String,
    started_at: Option<String>,
    ended_at: Option<String>,
    duration_ms: Option<f64>,
    paused: Option<Paused>,
    cost: Option<Box<RawValue>>,
    error: Option<FlowError>,
    output: Option<Box<RawValue>>,
}

/// A pause, the same in v1.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Paused {
    context_id: Option<String>,
    pause_kind: Option<String>,
    paused_at: Option<String>,
    resume_at: Option<String>,
}

impl From<Paused> for Pause {
    fn from(paused: Paused) -> Self {
        Pause {
            context_id: paused.context_id,
            kind: paused.pause_kind,
            paused_at: paused.paused_at,
            resume_at: paused.resume_at,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FlowError {
    message: String,
    code: Option<String>,
    block_id: Option<String>,
    block_name: Option<String>,
}

impl Run {
    fn into_state(self) -> Result<RunState, Error> {
        Ok(RunState {
            status: Status::parse(&self.status)?,
            started_at: self.started_at,
            ended_at: self.ended_at,
            duration_ms: millis(self.duration_ms),
            output: some(self.output).map(without_resume_urls),
            error: self.error.map(|e| RunError {
                message: e.message,
                code: e.code,
                block_id: e.block_id,
                block_name: e.block_name,
            }),
            cost: some(self.cost),
            paused: self.paused.map(Pause::from),
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RunId {
    run_id: String,
}

impl Api for V2 {
    fn generation(&self) -> Generation {
        Generation::V2
    }

    fn list_flows(&self, workspace: Option<&str>, cursor: Option<&str>) -> Result<Call, Error> {
        Ok(Call::get("/api/v2/workflows".to_owned()).query(list_query(required(workspace)?, cursor)))
    }

    fn read_flows(&self, reply: &Reply) -> Result<FlowPage, Error> {
        reply.read::<List>()?.into_page()
    }

    fn get_flow(&self, id: &FlowId) -> Call {
        Call::get(format!("/api/v2/workflows/{id}"))
    }

    fn read_flow(&self, reply: &Reply) -> Result<FlowDetail, Error> {
        reply.read_data::<Workflow>()?.into_flow()
    }

    fn create(&self, workspace: Option<&str>, draft: &Draft) -> Result<Call, Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Create<'a> {
            workspace_id: &'a str,
            name: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            description: Option<&'a str>,
        }
        let workspace_id = required(workspace)?;
        let (name, description) = (draft.name.as_deref(), draft.description.as_deref());
        Ok(match &draft.document {
            Some(workflow) => {
                let import = Import { workspace_id, workflow, name, description };
                Call::post("/api/v2/workflows/import".to_owned(), Some(json(&import)))
            }
            None => {
                let create = Create { workspace_id, name: name.unwrap_or_default(), description };
                Call::post("/api/v2/workflows".to_owned(), Some(json(&create)))
            }
        })
    }

    fn read_created(&self, reply: &Reply) -> Result<Created, Error> {
        let detail = reply.read_data::<Workflow>()?.into_flow()?;
        Ok(Created { id: detail.flow.id, name: detail.flow.name })
    }

    fn deploy(&self, id: &FlowId) -> Option<Call> {
        Some(Call::post(format!("/api/v2/workflows/{id}/deploy"), None))
    }

    fn deployment(&self, id: &FlowId) -> Call {
        Call::get(format!("/api/v2/workflows/{id}/deployment"))
    }

    fn read_deployment(&self, reply: &Reply) -> Result<Deployment, Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Data {
            is_deployed: bool,
            latest_deployment_attempt: Option<Attempt>,
        }
        #[derive(Deserialize)]
        struct Attempt {
            status: String,
        }
        let data = reply.read_data::<Data>()?;
        let attempt = data.latest_deployment_attempt.map(|attempt| attempt.status);
        Ok(match attempt.as_deref() {
            Some("failed" | "superseded") if !data.is_deployed => Deployment::Failed,
            Some("preparing" | "activating") => Deployment::Pending,
            _ if data.is_deployed => Deployment::Live,
            _ => Deployment::Pending,
        })
    }

    fn claims(&self) -> bool {
        true
    }

    fn start(&self, start: &Start<'_>) -> Result<Call, Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Execute<'a> {
            input: &'a RawValue,
            #[serde(skip_serializing_if = "std::ops::Not::not")]
            r#async: bool,
            #[serde(flatten)]
            stream: Option<Stream<'a>>,
            #[serde(skip_serializing_if = "Option::is_none")]
            execution_timeout_seconds: Option<u64>,
        }
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Stream<'a> {
            stream: bool,
            include_thinking: bool,
            include_tool_calls: bool,
            #[serde(skip_serializing_if = "<[String]>::is_empty")]
            selected_outputs: &'a [String],
        }
        let stream = start.stream.map(|selected_outputs| Stream {
            stream: true,
            include_thinking: true,
            include_tool_calls: true,
            selected_outputs,
        });
        let body = Execute {
            input: start.input,
            r#async: stream.is_none(),
            stream,
            execution_timeout_seconds: start.longest_seconds,
        };
        let path = format!("/api/v2/workflows/{}/execute", start.flow);
        let call = Call::post(path, Some(json(&body))).header("x-run-id", start.run.as_str()).repeatable();
        // Without it Sim refuses to tell of thoughts and tools.
        Ok(if start.stream.is_some() { call.header("x-sim-stream-protocol", "agent-events-v1") } else { call })
    }

    fn read_started(&self, reply: &Reply) -> Result<SimRunId, Error> {
        id(&reply.read_data::<RunId>()?.run_id)
    }

    fn pause(&self, flow: &FlowId, run: &SimRunId) -> Option<Call> {
        super::v1::V1.pause(flow, run)
    }

    fn read_pause(&self, reply: &Reply, context: &str) -> Option<Box<RawValue>> {
        super::v1::V1.read_pause(reply, context)
    }

    fn run(&self, flow: &FlowId, run: &SimRunId) -> Call {
        Call::get(format!("/api/v2/workflows/{flow}/runs/{run}")).query("includeOutput=true".to_owned())
    }

    fn read_run(&self, reply: &Reply) -> Result<RunState, Error> {
        reply.read_data::<Run>()?.into_state()
    }

    fn cancel(&self, flow: &FlowId, run: &SimRunId) -> Option<Call> {
        Some(Call::post(format!("/api/v2/workflows/{flow}/runs/{run}/cancel"), None).repeatable())
    }

    fn read_cancelled(&self, reply: &Reply) -> Result<(), Error> {
        read_cancelled(reply.read_data()?)
    }

    fn resume(&self, flow: &FlowId, run: &SimRunId, context: &str, input: Option<&RawValue>) -> Option<Call> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Resume<'a> {
            context_id: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            input: Option<&'a RawValue>,
        }
        let body = json(&Resume { context_id: context, input });
        Some(Call::post(format!("/api/v2/workflows/{flow}/runs/{run}/resume"), Some(body)))
    }

    fn read_resumed(&self, reply: &Reply) -> Result<RunState, Error> {
        // Without a status it is the receipt of a queue.
        if reply.status == 202 {
            reply.read_data::<RunId>()?;
            return Ok(RunState::bare(Status::Queued));
        }
        reply.read_data::<Run>()?.into_state()
    }
}

/// The outcome of a cancel, the same in v1.
#[derive(Deserialize)]
pub(super) struct Cancelled {
    success: bool,
    reason: Option<String>,
}

pub(super) fn read_cancelled(outcome: Cancelled) -> Result<(), Error> {
    match outcome.reason.as_deref() {
        Some("already_completed" | "already_failed") => {
            Err(Error::conflict("already_finished", "the run has already ended"))
        }
        Some("already_cancelled") => Ok(()),
        _ if outcome.success => Ok(()),
        _ => Err(Error::new(crate::error::Code::UpstreamError, "Sim could not record the cancellation")),
    }
}
