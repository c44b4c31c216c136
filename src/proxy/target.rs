//! What a path of Sim's API does, when it is something that the adapter has an operation for.
//! It must not know what is allowed, nor do anything.
//!
//! `/proxy` carries such a request out as that operation, with its gate, limits and handle, whichever rule let it in.

use http::Method;

use super::path::CanonicalPath;
use crate::run::handle::{Handles, RunRef};
use crate::run::id::{FlowId, Generation, IdError};
use crate::run::owner::Owner;

/// Names that Sim uses where other paths have an id. No placeholder matches them: `/api/v2/workflows/folders` is a list
/// of folders, not the flow `folders`.
pub(super) const RESERVED: [&str; 2] = ["folders", "import"];

/// What a request is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// One of the adapter's operations, in the generation that the path belongs to.
    Own(Generation, OwnOperation),
    /// Something that only Sim has.
    Plain,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OwnOperation {
    ListFlows,
    GetFlow(FlowId),
    CreateFlow,
    ImportFlow,
    DeployFlow(FlowId),
    RunFlow(FlowId),
    ReadRun(RunPlace),
    CancelRun(RunPlace),
    /// `context`: which pause; v2 has it in the body.
    ResumeRun {
        run: RunPlace,
        context: Option<Box<str>>,
    },
    ListKnowledge,
    SearchKnowledge,
}

/// Where a path says that a run is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunPlace {
    pub generation: Generation,
    /// `flows` has no flow in the path of a run.
    pub flow: Option<FlowId>,
    /// As the client wrote it; perhaps no handle at all.
    pub handle: Box<str>,
}

impl RunPlace {
    /// The run, if the handle is this owner's and names the same generation and flow as the path.
    pub fn open(&self, handles: &Handles, owner: &Owner) -> Option<RunRef> {
        handles
            .open(owner, &self.handle)
            .filter(|run| run.generation == self.generation && self.flow.as_ref().is_none_or(|flow| *flow == run.flow))
    }
}

impl Target {
    /// # Errors
    /// The path is one of an operation, but what stands in a flow's place is no flow id.
    pub fn of(method: &Method, path: &CanonicalPath) -> Result<Self, IdError> {
        use Generation::{Flows, V1, V2};
        use OwnOperation as Own;

        let segments: Vec<&str> = path.segments().collect();
        let run = |generation, flow: Option<&str>, handle: &str| -> Result<RunPlace, IdError> {
            Ok(RunPlace { generation, flow: flow.map(FlowId::parse).transpose()?, handle: handle.into() })
        };
        let (generation, operation) = match (method.as_str(), segments.as_slice()) {
            ("GET", ["api", version @ ("v1" | "v2"), "workflows"]) => (versioned(version), Own::ListFlows),
            ("GET", ["api", "flows"]) => (Flows, Own::ListFlows),

            ("GET", ["api", version @ ("v1" | "v2"), "workflows", flow]) if !RESERVED.contains(flow) => {
                (versioned(version), Own::GetFlow(FlowId::parse(flow)?))
            }
            ("GET", ["api", "flows", flow]) => (Flows, Own::GetFlow(FlowId::parse(flow)?)),

            ("POST", ["api", version @ ("v1" | "v2"), "workflows"]) => (versioned(version), Own::CreateFlow),
            ("POST", ["api", "flows"]) => (Flows, Own::CreateFlow),
            ("POST", ["api", version @ ("v1" | "v2"), "workflows", "import"]) => (versioned(version), Own::ImportFlow),
            // Taking a deployment back, or going back to an earlier one, is the same right.
            ("POST" | "DELETE", ["api", version @ ("v1" | "v2"), "workflows", flow, "deploy"])
            | ("POST", ["api", version @ ("v1" | "v2"), "workflows", flow, "rollback"]) => {
                (versioned(version), Own::DeployFlow(FlowId::parse(flow)?))
            }

            ("POST", ["api", "v2", "workflows", flow, "execute"]) => (V2, Own::RunFlow(FlowId::parse(flow)?)),
            ("POST", ["api", "workflows", flow, "execute"]) => (V1, Own::RunFlow(FlowId::parse(flow)?)),
            ("POST", ["api", "flows", flow, "run"]) => (Flows, Own::RunFlow(FlowId::parse(flow)?)),

            ("GET", ["api", "v2", "workflows", flow, "runs", id]) => (V2, Own::ReadRun(run(V2, Some(flow), id)?)),
            ("GET", ["api", "workflows", flow, "executions", id]) => (V1, Own::ReadRun(run(V1, Some(flow), id)?)),
            ("GET", ["api", "runs", id]) => (Flows, Own::ReadRun(run(Flows, None, id)?)),

            ("POST", ["api", "v2", "workflows", flow, "runs", id, "cancel"]) => {
                (V2, Own::CancelRun(run(V2, Some(flow), id)?))
            }
            ("POST", ["api", "workflows", flow, "executions", id, "cancel"]) => {
                (V1, Own::CancelRun(run(V1, Some(flow), id)?))
            }

            ("POST", ["api", "v2", "workflows", flow, "runs", id, "resume"]) => {
                (V2, Own::ResumeRun { run: run(V2, Some(flow), id)?, context: None })
            }
            ("POST", ["api", "resume", flow, id, context]) => {
                (V1, Own::ResumeRun { run: run(V1, Some(flow), id)?, context: Some((*context).into()) })
            }

            ("GET", ["api", version @ ("v1" | "v2"), "knowledge"]) => (versioned(version), Own::ListKnowledge),
            ("POST", ["api", version @ ("v1" | "v2"), "knowledge", "search"]) => {
                (versioned(version), Own::SearchKnowledge)
            }
            _ => return Ok(Self::Plain),
        };
        Ok(Self::Own(generation, operation))
    }
}

fn versioned(segment: &str) -> Generation {
    if segment == "v2" { Generation::V2 } else { Generation::V1 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::id::SimRunId;
    use crate::run::keys::{RootKeys, Secret};

    fn of(method: &str, path: &str) -> String {
        let target = Target::of(&method.parse().unwrap(), &CanonicalPath::parse(path).unwrap());
        match target {
            Err(error) => format!("{error:?}"),
            Ok(Target::Plain) => "plain".into(),
            Ok(Target::Own(generation, operation)) => {
                let text = format!("{operation:?}");
                format!("{generation:?} {}", text.split([' ', '(', '{']).next().unwrap())
            }
        }
    }

    #[test]
    fn each_path_of_an_operation_is_known() {
        for (method, path, expected) in [
            ("GET", "/api/v2/workflows", "V2 ListFlows"),
            ("GET", "/api/v1/workflows", "V1 ListFlows"),
            ("GET", "/api/flows", "Flows ListFlows"),
            ("GET", "/api/v2/workflows/f", "V2 GetFlow"),
            ("GET", "/api/v1/workflows/f", "V1 GetFlow"),
            ("GET", "/api/flows/f", "Flows GetFlow"),
            ("POST", "/api/v2/workflows", "V2 CreateFlow"),
            ("POST", "/api/flows", "Flows CreateFlow"),
            ("POST", "/api/v2/workflows/import", "V2 ImportFlow"),
            ("POST", "/api/v1/workflows/import", "V1 ImportFlow"),
            ("POST", "/api/v2/workflows/f/deploy", "V2 DeployFlow"),
            ("POST", "/api/v1/workflows/f/deploy", "V1 DeployFlow"),
            ("DELETE", "/api/v2/workflows/f/deploy", "V2 DeployFlow"),
            ("POST", "/api/v2/workflows/f/rollback", "V2 DeployFlow"),
            ("POST", "/api/v2/workflows/f/execute", "V2 RunFlow"),
            ("POST", "/api/workflows/f/execute", "V1 RunFlow"),
            ("POST", "/api/flows/f/run", "Flows RunFlow"),
            ("GET", "/api/v2/workflows/f/runs/r", "V2 ReadRun"),
            ("GET", "/api/workflows/f/executions/r", "V1 ReadRun"),
            ("GET", "/api/runs/r", "Flows ReadRun"),
            ("POST", "/api/v2/workflows/f/runs/r/cancel", "V2 CancelRun"),
            ("POST", "/api/workflows/f/executions/r/cancel", "V1 CancelRun"),
            ("POST", "/api/v2/workflows/f/runs/r/resume", "V2 ResumeRun"),
            ("POST", "/api/resume/f/r/c", "V1 ResumeRun"),
            ("GET", "/api/v2/knowledge", "V2 ListKnowledge"),
            ("POST", "/api/v1/knowledge/search", "V1 SearchKnowledge"),
        ] {
            assert_eq!(of(method, path), expected, "{method} {path}");
        }
    }

    #[test]
    fn the_rest_is_plain() {
        for (method, path) in [
            ("GET", "/api/v2/logs"),
            ("GET", "/api/v2/workflows/folders"),
            ("GET", "/api/v2/workflows/f/runs"),
            ("GET", "/api/v2/workflows/f/export"),
            ("DELETE", "/api/v2/workflows/f"),
            ("GET", "/api/jobs/j"),
            ("GET", "/api/V2/workflows"),
            ("GET", "/api/v3/workflows"),
        ] {
            assert_eq!(of(method, path), "plain", "{method} {path}");
        }
    }

    #[test]
    fn what_is_no_flow_id_is_no_flow() {
        assert_eq!(of("GET", "/api/v2/workflows/a~b"), "BadCharacter");
        assert_eq!(of("POST", &format!("/api/flows/{}/run", "x".repeat(129))), "TooLong");
        assert_eq!(of("GET", "/api/workflows/a~b/executions/r"), "BadCharacter");
    }

    #[test]
    fn a_handle_opens_only_in_the_place_that_it_names() {
        let handles = Handles::new(&RootKeys::new(vec![Secret::new([1; 32])]).unwrap());
        let ann = Owner::new(None, Some("ann"));
        let (flow, id) = (FlowId::parse("f").unwrap(), SimRunId::parse("r").unwrap());
        let run = RunRef { generation: Generation::V2, flow, run: id };
        let handle: Box<str> = handles.mint(&ann, &run).into();
        let place = |generation, flow: Option<&str>, handle: &str| RunPlace {
            generation,
            flow: flow.map(|flow| FlowId::parse(flow).unwrap()),
            handle: handle.into(),
        };
        assert_eq!(place(Generation::V2, Some("f"), &handle).open(&handles, &ann), Some(run));
        for wrong in [
            place(Generation::V2, Some("other"), &handle),
            place(Generation::V1, Some("f"), &handle),
            place(Generation::Flows, None, &handle),
            place(Generation::V2, Some("f"), "r"),
        ] {
            assert_eq!(wrong.open(&handles, &ann), None, "{wrong:?}");
        }
        let bob = Owner::new(None, Some("bob"));
        assert_eq!(place(Generation::V2, Some("f"), &handle).open(&handles, &bob), None);
    }
}
