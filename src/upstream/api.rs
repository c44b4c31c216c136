//! What the three generations of Sim's API have in common: calls made and answers read, without a connection.
//! A generation's own paths and shapes stay in its file.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Call, Reply};
use crate::error::{Code, Error};
use crate::run::{FlowId, Generation, SimRunId};

/// A flow to create. At least one of `name` and `document` is set. Not `Debug`: it holds what users wrote.
#[derive(Clone)]
pub struct Draft {
    pub name: Option<String>,
    pub description: Option<String>,
    /// A Sim export: a JSON object, or a JSON string that holds one.
    pub document: Option<Box<RawValue>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Created {
    pub id: FlowId,
    pub name: String,
}

/// A flow as lists show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Flow {
    pub id: FlowId,
    pub name: String,
    pub description: Option<String>,
    pub deployed: bool,
    #[serde(skip)]
    pub workspace: Option<String>,
}

/// One input of a flow's start block.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Input {
    pub name: String,
    #[serde(rename = "type")]
    pub kind: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FlowDetail {
    #[serde(flatten)]
    pub flow: Flow,
    pub inputs: Vec<Input>,
}

#[derive(Debug)]
pub struct FlowPage {
    pub flows: Vec<Flow>,
    pub next: Option<String>,
}

/// Whether a flow that was deployed can run yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deployment {
    Live,
    Pending,
    Failed,
}

/// The one vocabulary of run statuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Queued,
    Pending,
    Running,
    Paused,
    Completed,
    Failed,
    Cancelled,
}

impl Status {
    /// Reads Sim's word. `redacting` is a run whose output is being cleaned; `processing` is a job's word.
    pub fn parse(word: &str) -> Result<Self, Error> {
        Ok(match word {
            "queued" => Status::Queued,
            "pending" => Status::Pending,
            "running" | "redacting" | "processing" => Status::Running,
            "paused" => Status::Paused,
            "completed" | "success" => Status::Completed,
            "failed" | "error" => Status::Failed,
            "cancelled" | "canceled" => Status::Cancelled,
            _ => return Err(Error::malformed()),
        })
    }

    /// Whether waiting longer may bring another status by itself.
    pub fn is_moving(self) -> bool {
        matches!(self, Status::Queued | Status::Pending | Status::Running)
    }

    /// Whether the run has ended.
    pub fn is_final(self) -> bool {
        matches!(self, Status::Completed | Status::Failed | Status::Cancelled)
    }
}

/// Why a run failed, as its flow's author sees it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunError {
    pub message: String,
    pub code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub block_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub block_name: Option<String>,
}

/// A pause: what it waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Pause {
    pub context_id: Option<String>,
    /// `human` or `time`.
    pub kind: Option<String>,
    pub paused_at: Option<String>,
    pub resume_at: Option<String>,
}

/// A run's state as Sim tells it. `output` and `cost` stay the bytes that came. Not `Debug`, for their sake.
pub struct RunState {
    pub status: Status,
    pub started_at: Option<String>,
    pub ended_at: Option<String>,
    pub duration_ms: Option<u64>,
    pub output: Option<Box<RawValue>>,
    pub error: Option<RunError>,
    pub cost: Option<Box<RawValue>>,
    pub paused: Option<Pause>,
}

impl RunState {
    /// A run of which only the status is known.
    pub fn bare(status: Status) -> Self {
        Self {
            status,
            started_at: None,
            ended_at: None,
            duration_ms: None,
            output: None,
            error: None,
            cost: None,
            paused: None,
        }
    }
}

/// How a run is to be started.
pub struct Start<'a> {
    pub flow: &'a FlowId,
    /// A JSON object.
    pub input: &'a RawValue,
    /// The claim. A generation without claims ignores it.
    pub run: &'a SimRunId,
    /// How long the run may take in Sim.
    pub longest_seconds: Option<u64>,
    /// Answer with an event stream, of these blocks' outputs; none named: as Sim chooses.
    pub stream: Option<&'a [String]>,
}

/// One generation of Sim's API: makes calls and reads answers.
pub trait Api: Sync {
    fn generation(&self) -> Generation;

    fn list_flows(&self, workspace: Option<&str>, cursor: Option<&str>) -> Result<Call, Error>;
    fn read_flows(&self, reply: &Reply) -> Result<FlowPage, Error>;
    fn get_flow(&self, id: &FlowId) -> Call;
    fn read_flow(&self, reply: &Reply) -> Result<FlowDetail, Error>;

    fn create(&self, workspace: Option<&str>, draft: &Draft) -> Result<Call, Error>;
    fn read_created(&self, reply: &Reply) -> Result<Created, Error>;
    /// `None`: a flow is deployed as it is created.
    fn deploy(&self, id: &FlowId) -> Option<Call>;
    fn deployment(&self, id: &FlowId) -> Call;
    fn read_deployment(&self, reply: &Reply) -> Result<Deployment, Error>;

    /// Whether a run id claims a start, so that sending it twice starts one run.
    fn claims(&self) -> bool;
    fn start(&self, start: &Start<'_>) -> Result<Call, Error>;
    /// Where a pause tells what it asks for; `None`: nowhere.
    fn pause(&self, flow: &FlowId, run: &SimRunId) -> Option<Call>;
    /// The output of the pause `context`: `{data: {operation, inputFormat, responseStructure}}`.
    fn read_pause(&self, reply: &Reply, context: &str) -> Option<Box<RawValue>>;
    /// The id of the run that was started.
    fn read_started(&self, reply: &Reply) -> Result<SimRunId, Error>;
    fn run(&self, flow: &FlowId, run: &SimRunId) -> Call;
    fn read_run(&self, reply: &Reply) -> Result<RunState, Error>;

    /// `None`: this generation cannot.
    fn cancel(&self, flow: &FlowId, run: &SimRunId) -> Option<Call>;
    /// Whether the run was cancelled by this call or before; `conflict` when it had ended otherwise.
    fn read_cancelled(&self, reply: &Reply) -> Result<(), Error>;
    /// Whether this generation can resume at all.
    fn resumes(&self) -> bool {
        true
    }
    fn resume(&self, flow: &FlowId, run: &SimRunId, context: &str, input: Option<&RawValue>) -> Option<Call>;
    /// The state of the resumed run, which Sim gives an id of its own.
    fn read_resumed(&self, reply: &Reply) -> Result<RunState, Error>;
}

/// The generation's implementation.
pub fn of(generation: Generation) -> &'static dyn Api {
    match generation {
        Generation::V2 => &super::v2::V2,
        Generation::V1 => &super::v1::V1,
        Generation::Flows => &super::flows::Flows,
    }
}

/// What v1 and v2 need to list and to create.
pub(super) fn required(workspace: Option<&str>) -> Result<&str, Error> {
    workspace.ok_or_else(|| Error::new(Code::NotConfigured, "SIM_WORKSPACE_ID is not set"))
}

pub(super) fn json<T: Serialize>(value: &T) -> Vec<u8> {
    // Strings and raw JSON only, which cannot fail to serialise.
    serde_json::to_vec(value).unwrap_or_default()
}

/// A raw JSON value that says something.
pub(super) fn some(value: Option<Box<RawValue>>) -> Option<Box<RawValue>> {
    value.filter(|raw| raw.get() != "null")
}

pub(super) fn id<T: std::str::FromStr>(text: &str) -> Result<T, Error> {
    text.parse().map_err(|_| Error::malformed())
}

/// Milliseconds, whole: Sim's are measured to the nanosecond.
pub(super) fn millis(number: Option<f64>) -> Option<u64> {
    number.filter(|n| n.is_finite() && *n >= 0.0).map(|n| n.round() as u64)
}
