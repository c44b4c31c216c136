//! Sim's v1 API (`openapi-core.json` and what a running Sim showed): its paths, bodies and answers.
//! Runs are always started asynchronously: a Response block chooses status and body of v1's own synchronous answer.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use super::api::{
    Api, Created, Deployment, Draft, FlowDetail, FlowPage, Pause, RunError, RunState, Start, Status, id, json, millis,
    required, some,
};
use super::urls::without_resume_urls;
use super::v2::{Cancelled, Import, List, Paused, Workflow, list_query, read_cancelled};
use super::{Call, Reply};
use crate::body::members;
use crate::error::{Error, FieldError, invalid};
use crate::run::{FlowId, Generation, SimRunId};

pub(super) struct V1;

/// The top-level keys of an execute body that steer the run instead of feeding it. A user's input must not hold one.
const CONTROL_KEYS: &[&str] = &[
    "selectedOutputs",
    "stream",
    "includeThinking",
    "includeToolCalls",
    "includeFileBase64",
    "base64MaxBytes",
    "triggerBlockId",
    "startBlockId",
    "stopAfterBlockId",
    "triggerType",
    "useDraftState",
    "workflowStateOverride",
    "isClientSession",
    "runFromBlock",
];

/// v1 creates by import only; this is the document of an empty flow, with a start block as Sim's editor makes it.
static EMPTY_DOCUMENT: LazyLock<Option<Box<RawValue>>> = LazyLock::new(|| {
    to_raw_value(&serde_json::json!({
        "version": "1.0",
        "state": {
            "blocks": {"start": {
                "id": "start", "type": "start_trigger", "name": "Start", "position": {"x": 0, "y": 0},
                "subBlocks": {"inputFormat": {"id": "inputFormat", "type": "input-format", "value": []}},
                "outputs": {}, "enabled": true
            }},
            "edges": [], "loops": {}, "parallels": {}
        }
    }))
    .ok()
});

/// `getWorkflowExecution`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Execution {
    status: String,
    started_at: Option<String>,
    ended_at: Option<String>,
    total_duration_ms: Option<f64>,
    paused: Option<Paused>,
    cost: Option<Box<RawValue>>,
    error: Option<String>,
    final_output: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Started {
    execution_id: String,
}

/// `ResumeResult`; without a status it is the receipt of a queue.
#[derive(Deserialize)]
struct Resumed {
    status: Option<String>,
    output: Option<Box<RawValue>>,
    error: Option<String>,
    metadata: Option<Timing>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Timing {
    duration: Option<f64>,
    start_time: Option<String>,
    end_time: Option<String>,
}

/// The input, and beside its keys the control keys of a stream.
fn body(input: &RawValue, stream: Option<&[String]>) -> Vec<u8> {
    let input = input.get().as_bytes();
    let Some(selected) = stream else { return input.to_vec() };
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Control<'a> {
        include_thinking: bool,
        include_tool_calls: bool,
        #[serde(skip_serializing_if = "<[String]>::is_empty")]
        selected_outputs: &'a [String],
    }
    let mut body = json(&Control { include_thinking: true, include_tool_calls: true, selected_outputs: selected });
    let inner = input.strip_prefix(b"{").unwrap_or(input);
    body.pop();
    if !inner.trim_ascii_start().starts_with(b"}") {
        body.push(b',');
    }
    body.extend_from_slice(inner);
    body
}

fn run_error(message: String) -> RunError {
    RunError { message, code: None, block_id: None, block_name: None }
}

impl Api for V1 {
    fn generation(&self) -> Generation {
        Generation::V1
    }

    fn list_flows(&self, workspace: Option<&str>, cursor: Option<&str>) -> Result<Call, Error> {
        Ok(Call::get("/api/v1/workflows".to_owned()).query(list_query(required(workspace)?, cursor)))
    }

    fn read_flows(&self, reply: &Reply) -> Result<FlowPage, Error> {
        reply.read::<List>()?.into_page()
    }

    fn get_flow(&self, id: &FlowId) -> Call {
        Call::get(format!("/api/v1/workflows/{id}"))
    }

    fn read_flow(&self, reply: &Reply) -> Result<FlowDetail, Error> {
        reply.read_data::<Workflow>()?.into_flow()
    }

    fn create(&self, workspace: Option<&str>, draft: &Draft) -> Result<Call, Error> {
        let workflow = draft.document.as_deref().or(EMPTY_DOCUMENT.as_deref()).ok_or_else(Error::malformed)?;
        let import = Import {
            workspace_id: required(workspace)?,
            workflow,
            name: draft.name.as_deref(),
            description: draft.description.as_deref(),
        };
        Ok(Call::post("/api/v1/workflows/import".to_owned(), Some(json(&import))))
    }

    fn read_created(&self, reply: &Reply) -> Result<Created, Error> {
        let detail = reply.read_data::<Workflow>()?.into_flow()?;
        Ok(Created { id: detail.flow.id, name: detail.flow.name })
    }

    fn deploy(&self, id: &FlowId) -> Option<Call> {
        Some(Call::post(format!("/api/v1/workflows/{id}/deploy"), None))
    }

    fn deployment(&self, id: &FlowId) -> Call {
        self.get_flow(id)
    }

    fn read_deployment(&self, reply: &Reply) -> Result<Deployment, Error> {
        let deployed = self.read_flow(reply)?.flow.deployed;
        Ok(if deployed { Deployment::Live } else { Deployment::Pending })
    }

    fn claims(&self) -> bool {
        true
    }

    fn start(&self, start: &Start<'_>) -> Result<Call, Error> {
        let keys =
            members(start.input.get().as_bytes()).map_err(|message| invalid(&[FieldError::new("input", message)]))?;
        let taken: Vec<FieldError> = keys
            .iter()
            .filter(|(key, _)| CONTROL_KEYS.contains(&key.as_ref()))
            .map(|(key, _)| FieldError::new(format!("input.{key}"), "is a control key of Sim's v1 API"))
            .collect();
        if !taken.is_empty() {
            return Err(invalid(&taken));
        }
        let path = format!("/api/workflows/{}/execute", start.flow);
        let mut call = Call::post(path, Some(body(start.input, start.stream)))
            .header("x-execution-id", start.run.as_str())
            .repeatable();
        call = match start.stream {
            None => call.header("x-execution-mode", "async"),
            Some(_) => call.header("x-stream-response", "true").header("x-sim-stream-protocol", "agent-events-v1"),
        };
        if let Some(seconds) = start.longest_seconds {
            call = call.header("x-execution-timeout-seconds", seconds.to_string());
        }
        Ok(call)
    }

    fn read_started(&self, reply: &Reply) -> Result<SimRunId, Error> {
        id(&reply.read::<Started>()?.execution_id)
    }

    fn pause(&self, flow: &FlowId, run: &SimRunId) -> Option<Call> {
        Some(Call::get(format!("/api/workflows/{flow}/paused/{run}")))
    }

    fn read_pause(&self, reply: &Reply, context: &str) -> Option<Box<RawValue>> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Paused {
            pause_points: Vec<Point>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Point {
            context_id: String,
            response: Option<Response>,
        }
        #[derive(Deserialize)]
        struct Response {
            data: Option<Asked>,
        }
        // Only what a form needs: the rest of a pause is Sim's.
        #[derive(Deserialize, Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Asked {
            operation: Option<Box<RawValue>>,
            input_format: Option<Box<RawValue>>,
            response_structure: Option<Box<RawValue>>,
        }
        let paused = reply.read::<Paused>().ok()?;
        let point = paused.pause_points.into_iter().find(|point| point.context_id == context)?;
        to_raw_value(&serde_json::json!({ "data": point.response?.data? })).ok()
    }

    fn run(&self, flow: &FlowId, run: &SimRunId) -> Call {
        Call::get(format!("/api/workflows/{flow}/executions/{run}")).query("includeOutput=true".to_owned())
    }

    fn read_run(&self, reply: &Reply) -> Result<RunState, Error> {
        let execution = reply.read::<Execution>()?;
        Ok(RunState {
            status: Status::parse(&execution.status)?,
            started_at: execution.started_at,
            ended_at: execution.ended_at,
            duration_ms: millis(execution.total_duration_ms),
            output: some(execution.final_output).map(without_resume_urls),
            error: execution.error.map(run_error),
            cost: some(execution.cost),
            paused: execution.paused.map(Pause::from),
        })
    }

    fn cancel(&self, flow: &FlowId, run: &SimRunId) -> Option<Call> {
        Some(Call::post(format!("/api/workflows/{flow}/executions/{run}/cancel"), None).repeatable())
    }

    fn read_cancelled(&self, reply: &Reply) -> Result<(), Error> {
        read_cancelled(reply.read::<Cancelled>()?)
    }

    fn resume(&self, flow: &FlowId, run: &SimRunId, context: &str, input: Option<&RawValue>) -> Option<Call> {
        #[derive(serde::Serialize)]
        struct Resume<'a> {
            #[serde(skip_serializing_if = "Option::is_none")]
            input: Option<&'a RawValue>,
        }
        Some(Call::post(format!("/api/resume/{flow}/{run}/{context}"), Some(json(&Resume { input }))))
    }

    fn read_resumed(&self, reply: &Reply) -> Result<RunState, Error> {
        let resumed = reply.read::<Resumed>()?;
        let status = match resumed.status.as_deref() {
            None => Status::Queued,
            // Resume alone says so.
            Some("started") => Status::Running,
            Some(word) => Status::parse(word)?,
        };
        let timing = resumed.metadata.unwrap_or_default();
        Ok(RunState {
            started_at: timing.start_time,
            ended_at: timing.end_time,
            duration_ms: millis(timing.duration),
            output: some(resumed.output).map(without_resume_urls),
            error: resumed.error.map(run_error),
            ..RunState::bare(status)
        })
    }
}
