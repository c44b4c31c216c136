//! Sim's refusals -> our codes: the one table. It must not repeat anything of Sim's answer but field paths.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use crate::error::{Code, Error};

/// What a refusal means beyond its error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// The run id is taken: proof that the run was started under it.
    RunIdTaken,
    /// The run may or may not have been queued; its id can be asked for.
    MaybeStarted,
    /// Nothing more than the error says.
    Plain,
}

/// Why a call to Sim brought no answer of use.
#[derive(Clone, Debug)]
pub struct Failure {
    pub error: Error,
    pub meaning: Meaning,
    /// Whether Sim may have carried the call out all the same.
    pub unclear: bool,
    /// How often it was tried.
    pub tries: u32,
    /// Of Sim's answer, if there was one.
    pub status: Option<u16>,
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Error {
        failure.error
    }
}

impl Failure {
    /// A failure before any byte of the call was sent.
    pub fn unsent(error: Error) -> Self {
        Self { error, meaning: Meaning::Plain, unclear: false, tries: 1, status: None }
    }

    /// A failure after which nobody knows whether Sim acted.
    pub fn unclear(error: Error) -> Self {
        Self { error, meaning: Meaning::Plain, unclear: true, tries: 1, status: None }
    }

    pub(super) fn answered(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }
}

/// The error bodies of both generations: v2 `{error: {code, message, details?}}`, v1 `{error: "…", code?, details?}`.
#[derive(Default, Deserialize)]
struct ErrorBody {
    error: Option<ErrorPart>,
    code: Option<String>,
    details: Option<Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum ErrorPart {
    Text(String),
    Object { code: Option<String>, message: Option<String>, details: Option<Value> },
}

struct Said {
    text: String,
    codes: Vec<String>,
    details: Option<Value>,
}

impl Said {
    fn read(body: &[u8]) -> Self {
        let body: ErrorBody = serde_json::from_slice(body).unwrap_or_default();
        let mut codes: Vec<String> = body.code.into_iter().collect();
        let (text, details) = match body.error {
            Some(ErrorPart::Object { code, message, details }) => {
                codes.extend(code);
                (message.unwrap_or_default(), details)
            }
            Some(ErrorPart::Text(text)) => (text, body.details),
            None => (String::new(), body.details),
        };
        let inner = details.as_ref().and_then(|d| d.get("code")).and_then(Value::as_str);
        codes.extend(inner.map(str::to_owned));
        Self { text, codes, details }
    }

    fn has(&self, code: &str) -> bool {
        self.codes.iter().any(|c| c == code)
    }
}

/// Reads a non-2xx answer. `json` is what its content type says; `retry_after` is Sim's header, already parsed.
pub(super) fn read(status: u16, json: bool, body: &[u8], retry_after: Option<Duration>) -> Failure {
    let said = Said::read(body);
    let (error, meaning) = match status {
        // Sim speaks JSON. A page that says such a thing comes from in front of it, and says nothing about flows and runs.
        400 | 404 | 409 | 415 | 422 | 423 if !json => {
            (Error::new(Code::UpstreamError, "something in front of Sim answered with an error"), Meaning::Plain)
        }
        400 | 415 | 422 => (invalid(&said), Meaning::Plain),
        403 if said.has("WORKFLOW_NOT_DEPLOYED") || said.text == "Workflow is not deployed" => {
            (Error::new(Code::FlowNotDeployed, "the flow is not deployed in Sim"), Meaning::Plain)
        }
        401 | 403 => (Error::new(Code::UpstreamAuth, "Sim does not accept the service key for this"), Meaning::Plain),
        402 => (Error::new(Code::UpstreamQuota, "Sim's usage limit is reached"), Meaning::Plain),
        404 => (Error::not_found("Sim does not know it"), Meaning::Plain),
        408 | 504 => (Error::new(Code::UpstreamTimeout, "Sim gave up waiting"), Meaning::Plain),
        409 if said.has("RUN_ID_CONFLICT") || said.has("EXECUTION_ID_CONFLICT") => {
            (Error::conflict("run_id_taken", "the run id is already used"), Meaning::RunIdTaken)
        }
        409 => (Error::conflict(conflict_reason(&said), "Sim refuses this in the present state"), Meaning::Plain),
        413 => (Error::new(Code::PayloadTooLarge, "the request is too large for Sim"), Meaning::Plain),
        423 => (Error::conflict("locked", "it is locked in Sim"), Meaning::Plain),
        429 => (busy(retry_after), Meaning::Plain),
        503 if said.has("ASYNC_ENQUEUE_AMBIGUOUS") => {
            (Error::new(Code::UpstreamError, "Sim cannot say whether the run was queued"), Meaning::MaybeStarted)
        }
        503 if retry_after.is_some() || said.has("ADMISSION_GATE_CAPACITY") => (busy(retry_after), Meaning::Plain),
        _ => (Error::new(Code::UpstreamError, "Sim answered with an error"), Meaning::Plain),
    };
    let unclear = status >= 500 || status == 408 || meaning == Meaning::MaybeStarted;
    Failure { error, meaning, unclear, tries: 1, status: None }
}

fn busy(retry_after: Option<Duration>) -> Error {
    // Sim's rate limit comes without Retry-After on some routes; its window is a minute, its bursts shorter.
    let after = retry_after.unwrap_or(Duration::from_secs(5));
    Error::new(Code::UpstreamBusy, "Sim is busy").retry_after(Some(after))
}

/// Reasons that a client can act on; the text they are read from is not passed on.
fn conflict_reason(said: &Said) -> &'static str {
    let text = said.text.to_ascii_lowercase();
    match () {
        () if text.contains("resume") || text.contains("paused") => "already_resumed",
        () if ["completed", "cancel", "finished", "already failed"].iter().any(|word| text.contains(word)) => {
            "already_finished"
        }
        () if text.contains("lock") => "locked",
        () => "state",
    }
}

/// The most paths that are passed on.
const MAX_PATHS: usize = 100;

/// 400 with the paths that Sim names, and nothing else of what it says.
fn invalid(said: &Said) -> Error {
    let issues = match &said.details {
        Some(Value::Array(list)) => list.as_slice(),
        Some(Value::Object(map)) => map.get("issues").and_then(Value::as_array).map_or(&[][..], Vec::as_slice),
        _ => &[],
    };
    let fields: Vec<Value> = issues
        .iter()
        .filter_map(|issue| path(&issue["path"]))
        .take(MAX_PATHS)
        .map(|path| serde_json::json!({ "path": path, "message": "is refused by Sim" }))
        .collect();
    Error::new(Code::InvalidRequest, "Sim refuses the request as invalid").with_detail("fields", fields)
}

/// A path of plain names and numbers, whatever its form; other text is Sim's or a user's own and not passed on.
fn path(value: &Value) -> Option<String> {
    let parts: Vec<String> = match value {
        Value::String(path) => path.split('.').map(str::to_owned).collect(),
        Value::Array(parts) => parts.iter().map(|p| p.as_str().map_or_else(|| p.to_string(), str::to_owned)).collect(),
        _ => return None,
    };
    let plain = |part: &String| {
        (1..=64).contains(&part.len())
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'$' | b'-' | b'[' | b']'))
    };
    (parts.len() <= 16 && parts.iter().all(plain)).then(|| parts.join("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_json(status: u16, body: Value) -> Failure {
        read(status, true, body.to_string().as_bytes(), None)
    }

    #[test]
    fn each_refusal_has_its_code() {
        use serde_json::json;
        let cases = [
            (400, json!({"error": "Invalid"}), Code::InvalidRequest),
            (401, json!({"error": "Unauthorized"}), Code::UpstreamAuth),
            (402, json!({"error": {"code": "USAGE_LIMIT_EXCEEDED", "message": ""}}), Code::UpstreamQuota),
            (403, json!({"error": "Workflow is not deployed"}), Code::FlowNotDeployed),
            (
                403,
                json!({"error": {"code": "FORBIDDEN", "message": "x", "details": {"code": "WORKFLOW_NOT_DEPLOYED"}}}),
                Code::FlowNotDeployed,
            ),
            (403, json!({"error": "API key is not authorized for this workspace"}), Code::UpstreamAuth),
            (404, json!({"error": {"code": "NOT_FOUND", "message": "x"}}), Code::NotFound),
            (408, json!({}), Code::UpstreamTimeout),
            (409, json!({"error": "x"}), Code::Conflict),
            (413, json!({}), Code::PayloadTooLarge),
            (423, json!({}), Code::Conflict),
            (429, json!({}), Code::UpstreamBusy),
            (499, json!({}), Code::UpstreamError),
            (500, json!({"success": false, "error": "boom"}), Code::UpstreamError),
            (503, json!({"error": "x"}), Code::UpstreamError),
            (302, json!(null), Code::UpstreamError),
        ];
        for (status, body, code) in cases {
            assert_eq!(read_json(status, body.clone()).error.code, code, "{status} {body}");
        }
    }

    #[test]
    fn only_a_run_id_conflict_proves_a_start() {
        use serde_json::json;
        let v1 = json!({"error": "x", "code": "EXECUTION_ID_CONFLICT", "executionId": "e"});
        let v2 = json!({"error": {"code": "CONFLICT", "message": "x", "details": {"code": "RUN_ID_CONFLICT"}}});
        let other = json!({"error": {"code": "CONFLICT", "message": "x", "details": {"code": "CALL_CHAIN"}}});
        assert_eq!(read_json(409, v1).meaning, Meaning::RunIdTaken);
        assert_eq!(read_json(409, v2.clone()).meaning, Meaning::RunIdTaken);
        assert_eq!(read_json(409, other).meaning, Meaning::Plain);
        assert_eq!(read_json(403, v2).meaning, Meaning::Plain);
    }

    #[test]
    fn an_invalid_request_names_paths_and_nothing_else_of_sims() {
        use serde_json::json;
        let body = json!({"error": "secret text", "details": [{"path": ["input", 0, "a"], "message": "secret"},
            {"path": "name", "message": "secret"}, {"path": "http://secret.host/", "message": "x"}]});
        let error = read_json(400, body).error;
        let shown = serde_json::to_string(&error.details).unwrap() + &error.message;
        assert!(shown.contains("input.0.a") && shown.contains("name") && !shown.contains("secret"), "{shown}");
    }

    #[test]
    fn a_page_from_in_front_of_sim_says_nothing_about_flows_and_runs() {
        for status in [400, 404, 409, 415, 422, 423, 500] {
            assert_eq!(read(status, false, b"<html>", None).error.code, Code::UpstreamError, "{status}");
        }
        for (status, code) in [(401, Code::UpstreamAuth), (413, Code::PayloadTooLarge), (429, Code::UpstreamBusy)] {
            assert_eq!(read(status, false, &[0xff, 0xfe], None).error.code, code);
        }
    }
}
