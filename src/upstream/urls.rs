//! Sim's own addresses in its answers: found by the keys Sim gives them, and removed.

use serde_json::Value;
use serde_json::value::RawValue;

/// Removes the members named `keys`, at any depth.
pub fn remove_keys(value: &mut Value, keys: &[&str]) {
    match value {
        Value::Object(map) => {
            map.retain(|key, _| !keys.contains(&key.as_str()));
            map.values_mut().for_each(|member| remove_keys(member, keys));
        }
        Value::Array(list) => list.iter_mut().for_each(|item| remove_keys(item, keys)),
        _ => {}
    }
}

/// The output of a paused run tells how to resume it at Sim's own address: that part is left out.
pub fn without_resume_urls(output: Box<RawValue>) -> Box<RawValue> {
    if !output.get().contains("\"_resume\"") {
        return output;
    }
    let Ok(mut value) = serde_json::from_str::<Value>(output.get()) else { return output };
    remove_keys(&mut value, &["_resume"]);
    serde_json::value::to_raw_value(&value).unwrap_or(output)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn named_members_go_at_any_depth() {
        let mut value = serde_json::json!({"a": [{"_resume": {"apiUrl": "x"}, "b": 1}], "_resume": 1});
        remove_keys(&mut value, &["_resume"]);
        assert_eq!(value, serde_json::json!({"a": [{"b": 1}]}));
    }
}
