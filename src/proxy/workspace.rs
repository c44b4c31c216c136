//! Keeps `/proxy` inside the one workspace that is configured.
//! It must not know what a workspace is for.

use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;
use thiserror::Error;

/// Query or body name another workspace than the configured one, or could be read to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("workspace_mismatch")]
pub struct WorkspaceMismatch;

/// Checks the `workspaceId` of query and body, where there is one. A list is a list of workspaces. A body that gives
/// the name twice is refused: readers disagree on which one counts.
///
/// # Errors
/// Any other workspace than `configured`; any at all when none is configured.
pub fn check(query: &Value, body: Option<&RawValue>, configured: Option<&str>) -> Result<(), WorkspaceMismatch> {
    let in_query = query.get("workspaceId").is_none_or(|value| match value {
        Value::Array(members) => members.iter().all(|member| is(member, configured)),
        other => is(other, configured),
    });
    if in_query && body.is_none_or(|body| body_agrees(body, configured)) { Ok(()) } else { Err(WorkspaceMismatch) }
}

fn is(value: &Value, configured: Option<&str>) -> bool {
    configured.is_some_and(|configured| value.as_str() == Some(configured))
}

fn body_agrees(body: &RawValue, configured: Option<&str>) -> bool {
    #[derive(Deserialize)]
    struct Fields {
        #[serde(default, rename = "workspaceId", deserialize_with = "present")]
        workspace_id: Option<Value>,
    }
    fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
        Value::deserialize(deserializer).map(Some)
    }
    // Only an object has fields; without this a list would be read as the fields in their order.
    if !body.get().starts_with('{') {
        return true;
    }
    serde_json::from_str::<Fields>(body.get())
        .is_ok_and(|fields| fields.workspace_id.is_none_or(|value| is(&value, configured)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const OURS: Option<&str> = Some("ws-1");

    fn body(text: &str) -> Box<RawValue> {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn the_configured_workspace_may_be_named_or_left_out() {
        for query in [json!({}), json!({"limit": 1}), json!({"workspaceId": "ws-1"}), json!({"workspaceId": ["ws-1"]})]
        {
            assert_eq!(check(&query, None, OURS), Ok(()), "{query}");
        }
        for text in [
            "{}",
            "[]",
            "null",
            r#"["ws-2"]"#,
            r#""workspaceId""#,
            r#"{"workspaceId":"ws-1"}"#,
            r#"{"input":{"workspaceId":"ws-2"}}"#,
        ] {
            assert_eq!(check(&json!({}), Some(&body(text)), OURS), Ok(()), "{text}");
        }
    }

    #[test]
    fn another_workspace_is_refused() {
        for value in [
            json!("ws-2"),
            json!("WS-1"),
            json!("ws-1 "),
            json!(""),
            json!(1),
            json!(["ws-1", "ws-2"]),
            json!([["ws-1"]]),
        ] {
            assert_eq!(check(&json!({"workspaceId": value}), None, OURS), Err(WorkspaceMismatch), "{value}");
        }
        for text in [
            r#"{"workspaceId":"ws-2"}"#,
            r#"{"workspaceId":null}"#,
            r#"{"workspaceId":["ws-1"]}"#,
            r#" {"workspaceId":"ws-2"}"#,
            r#"{"\u0077orkspaceId":"ws-2"}"#,
            r#"{"workspaceId":"ws-1","workspaceId":"ws-2"}"#,
            r#"{"workspaceId":"ws-2","workspaceId":"ws-1"}"#,
        ] {
            assert_eq!(check(&json!({}), Some(&body(text)), OURS), Err(WorkspaceMismatch), "{text}");
        }
    }

    #[test]
    fn without_a_configured_workspace_none_may_be_named() {
        assert_eq!(check(&json!({}), Some(&body("{}")), None), Ok(()));
        assert_eq!(check(&json!({"workspaceId": "ws-1"}), None, None), Err(WorkspaceMismatch));
        assert_eq!(check(&json!({}), Some(&body(r#"{"workspaceId":""}"#)), None), Err(WorkspaceMismatch));
    }
}
