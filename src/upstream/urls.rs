//! Sim's own addresses in its answers: found by the keys Sim gives them, and removed.

use serde_json::value::RawValue;

use crate::body::members;

/// Where Sim says how a paused run is resumed, with its own addresses.
const RESUME: &str = "_resume";
/// Deeper than Sim puts it. What lies deeper and may still hold it is left out whole.
const MAX_DEPTH: usize = 64;

/// The output of a paused run tells how to resume it at Sim's own address: that part is left out.
pub fn without_resume_urls(output: Box<RawValue>) -> Box<RawValue> {
    if !may_hold(output.get()) {
        return output;
    }
    let mut out = Vec::with_capacity(output.get().len());
    strip(&output, 0, &mut out);
    let stripped = String::from_utf8(out).ok().and_then(|text| RawValue::from_string(text).ok());
    stripped.unwrap_or_else(|| RawValue::NULL.to_owned())
}

fn may_hold(json: &str) -> bool {
    json.contains("\"_resume\"")
}

/// Copies `raw` without the members named [`RESUME`]; everything else keeps its bytes.
fn strip(raw: &RawValue, depth: usize, out: &mut Vec<u8>) {
    let text = raw.get();
    if !may_hold(text) {
        return out.extend_from_slice(text.as_bytes());
    }
    if depth == MAX_DEPTH {
        return out.extend_from_slice(b"null");
    }
    if let (true, Ok(members)) = (text.starts_with('{'), members(text.as_bytes())) {
        out.push(b'{');
        let kept = members.into_iter().filter(|(name, _)| name != RESUME);
        for (index, (name, value)) in kept.enumerate() {
            if index > 0 {
                out.push(b',');
            }
            out.extend_from_slice(serde_json::Value::from(name.as_ref()).to_string().as_bytes());
            out.push(b':');
            strip(value, depth + 1, out);
        }
        out.push(b'}');
    } else if let (true, Ok(items)) = (text.starts_with('['), serde_json::from_str::<Vec<&RawValue>>(text)) {
        out.push(b'[');
        for (index, item) in items.into_iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            strip(item, depth + 1, out);
        }
        out.push(b']');
    } else {
        // A string that only looks like the name.
        out.extend_from_slice(text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stripped(json: &str) -> String {
        without_resume_urls(RawValue::from_string(json.to_owned()).unwrap()).get().to_owned()
    }

    #[test]
    fn the_way_to_resume_goes_at_any_depth_and_the_rest_keeps_its_bytes() {
        assert_eq!(
            stripped(r#"{"b":[{"_resume":{"apiUrl":"http://sim"},"n":12345678901234567890123.10}],"_resume":1,"a":1}"#),
            r#"{"b":[{"n":12345678901234567890123.10}],"a":1}"#
        );
        assert_eq!(stripped(r#"["_resume"]"#), r#"["_resume"]"#);
    }

    #[test]
    fn what_is_nested_too_deeply_to_be_sure_of_is_left_out() {
        let deep = format!("{}{{\"_resume\":\"http://sim\"}}{}", "[".repeat(200), "]".repeat(200));
        let out = stripped(&format!(r#"{{"deep":{deep},"a":1}}"#));
        assert!(!out.contains("http://sim") && out.contains(r#""a":1"#), "{out}");
        let beside = format!(r#"{{"x":{}{},"_resume":{{"apiUrl":"http://sim"}}}}"#, "[".repeat(200), "]".repeat(200));
        assert!(!stripped(&beside).contains("http://sim"));
    }
}
