//! Sim's own addresses in its answers: found by the keys Sim gives them, and removed.

use serde_json::Value;

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
