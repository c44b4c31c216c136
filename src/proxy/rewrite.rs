//! Sim's answers as a user may see them: run ids become handles, Sim's own addresses go, everything else stays the bytes
//! that came. It must not know whose answer it is.

use serde_json::value::RawValue;

use crate::body::members;
use crate::upstream::urls::without_resume_urls;

/// Members that name a run. One that is not the asked-for run cannot be shown: nobody knows whose it is.
const RUN_IDS: &[&str] = &["runId", "executionId", "jobId", "taskId", "parentRunId", "parentExecutionId"];
/// Members that hold Sim's own addresses or inner ids.
const REMOVED: &[&str] = &["statusUrl", "_resume", "pausedExecutionId"];
/// Members that hold what a flow's author made of them: not Sim's, so not touched.
const AUTHORS: &[&str] = &["output", "finalOutput", "blockOutputs", "input"];
/// Deeper than any envelope of Sim's.
const MAX_DEPTH: usize = 16;

/// The run that was asked for: Sim's id of it, and the handle to show instead.
pub(super) struct Shown<'a> {
    pub(super) id: &'a str,
    pub(super) handle: &'a str,
}

/// Rewrites `json`; `None` when there is nothing to rewrite, or it is not JSON.
pub(super) fn rewrite(json: &[u8], run: Option<&Shown<'_>>) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(json).ok()?;
    let touched = RUN_IDS.iter().chain(REMOVED).any(|name| text.contains(&format!("\"{name}\"")));
    let named = run.is_some_and(|run| text.contains(run.id));
    if !touched && !named {
        return None;
    }
    let raw: &RawValue = serde_json::from_str(text).ok()?;
    let mut out = Vec::with_capacity(json.len());
    write(raw, run, 0, &mut out);
    Some(out)
}

fn write(raw: &RawValue, run: Option<&Shown<'_>>, depth: usize, out: &mut Vec<u8>) {
    let text = raw.get();
    let object = (depth < MAX_DEPTH && text.starts_with('{')).then(|| members(text.as_bytes()).ok()).flatten();
    if let Some(members) = object {
        out.push(b'{');
        let mut first = true;
        for (name, value) in members {
            if REMOVED.contains(&name.as_ref())
                || (RUN_IDS.contains(&name.as_ref()) && value.get() != "null" && !names(value, run))
            {
                continue;
            }
            if !std::mem::take(&mut first) {
                out.push(b',');
            }
            out.extend_from_slice(serde_json::Value::from(name.as_ref()).to_string().as_bytes());
            out.push(b':');
            if AUTHORS.contains(&name.as_ref()) {
                out.extend_from_slice(without_resume_urls(value.to_owned()).get().as_bytes());
            } else {
                write(value, run, depth + 1, out);
            }
        }
        out.push(b'}');
        return;
    }
    if depth < MAX_DEPTH
        && text.starts_with('[')
        && let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(text)
    {
        out.push(b'[');
        for (index, item) in items.into_iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            write(item, run, depth + 1, out);
        }
        out.push(b']');
        return;
    }
    match run.filter(|_| names(raw, run)) {
        Some(run) => out.extend_from_slice(serde_json::Value::from(run.handle).to_string().as_bytes()),
        None => out.extend_from_slice(text.as_bytes()),
    }
}

/// Whether `value` is the asked-for run's id.
fn names(value: &RawValue, run: Option<&Shown<'_>>) -> bool {
    let text = value.get();
    // An id has no character that JSON would escape.
    run.is_some_and(|run| text.len() == run.id.len() + 2 && text[1..text.len() - 1] == *run.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(json: &str) -> String {
        let run = Shown { id: "r1", handle: "HANDLE" };
        rewrite(json.as_bytes(), Some(&run)).map_or_else(|| json.to_owned(), |out| String::from_utf8(out).unwrap())
    }

    #[test]
    fn the_asked_for_run_is_shown_by_its_handle() {
        assert_eq!(rewritten(r#"{"data":{"runId":"r1","n":1.10}}"#), r#"{"data":{"runId":"HANDLE","n":1.10}}"#);
        assert_eq!(rewritten(r#"{"id":"r1","flowId":"f"}"#), r#"{"id":"HANDLE","flowId":"f"}"#);
    }

    #[test]
    fn other_runs_and_sims_addresses_are_left_out() {
        assert_eq!(
            rewritten(r#"{"data":[{"runId":"r2","x":1,"statusUrl":"http://sim"}],"executionId":null,"paused":null}"#),
            r#"{"data":[{"x":1}],"executionId":null,"paused":null}"#
        );
    }

    #[test]
    fn an_authors_output_keeps_its_bytes() {
        let json = r#"{"runId":"r1","output":{"runId":"r9","big":12345678901234567890123}}"#;
        assert_eq!(rewritten(json), json.replace("\"r1\"", "\"HANDLE\""));
    }

    #[test]
    fn a_paused_output_loses_the_address_to_resume_at() {
        let json = r#"{"runId":"r1","output":{"data":{"_resume":{"apiUrl":"http://sim"},"a":1}}}"#;
        assert_eq!(rewritten(json), r#"{"runId":"HANDLE","output":{"data":{"a":1}}}"#);
    }

    #[test]
    fn what_has_nothing_to_rewrite_is_not_read() {
        assert!(rewrite(br#"{"data":[]}"#, None).is_none());
        assert!(rewrite(b"\"runId\" not json", None).is_none());
    }
}
