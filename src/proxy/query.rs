//! The field `query` of `POST /proxy` -> a query string.
//! It must not know which parameters Sim takes.

use serde_json::{Map, Value};
use thiserror::Error;
use url::form_urlencoded;

/// The longest query string, in bytes.
pub const MAX_QUERY_LENGTH: usize = 8 * 1024;
/// The longest name of a parameter, in bytes.
pub const MAX_NAME_LENGTH: usize = 128;

/// Why a query is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum QueryProblem {
    #[error("must be an object")]
    NotAnObject,
    #[error("must be a string, a number, a boolean, or a list of these")]
    Type,
    #[error("a name has 1 to 128 bytes")]
    Name,
    #[error("has more than 8192 bytes when encoded")]
    TooLong,
}

/// A problem and the JSON path of what has it: `query`, `query.limit`, `query.tags[1]`.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{path}: {problem}")]
pub struct QueryError {
    pub path: String,
    pub problem: QueryProblem,
}

/// Encodes `query` as `application/x-www-form-urlencoded`, in the object's order; a list repeats its name. Empty when
/// there is nothing to encode.
///
/// # Errors
/// Every problem.
pub fn encode(query: &Value) -> Result<String, Vec<QueryError>> {
    let error = |path: String, problem| QueryError { path, problem };
    let Value::Object(parameters) = query else {
        return Err(vec![error("query".into(), QueryProblem::NotAnObject)]);
    };
    let mut errors = Vec::new();
    let mut encoder = form_urlencoded::Serializer::new(String::new());
    for (path, name, value) in pairs(parameters) {
        if name.is_empty() || name.len() > MAX_NAME_LENGTH {
            errors.push(error("query".into(), QueryProblem::Name));
            continue;
        }
        match value {
            Value::String(text) => encoder.append_pair(name, text),
            Value::Number(number) => encoder.append_pair(name, &number.to_string()),
            Value::Bool(flag) => encoder.append_pair(name, if *flag { "true" } else { "false" }),
            Value::Null | Value::Array(_) | Value::Object(_) => {
                errors.push(error(path, QueryProblem::Type));
                continue;
            }
        };
    }
    let text = encoder.finish();
    if text.len() > MAX_QUERY_LENGTH {
        errors.push(error("query".into(), QueryProblem::TooLong));
    }
    if errors.is_empty() { Ok(text) } else { Err(errors) }
}

/// Each parameter with its JSON path; a list gives one for each of its members.
fn pairs(parameters: &Map<String, Value>) -> Vec<(String, &str, &Value)> {
    let mut pairs = Vec::with_capacity(parameters.len());
    for (name, value) in parameters {
        match value {
            Value::Array(members) => {
                let path = |at| format!("{}[{at}]", member_path(name));
                pairs.extend(members.iter().enumerate().map(|(at, member)| (path(at), name.as_str(), member)));
            }
            _ => pairs.push((member_path(name), name, value)),
        }
    }
    pairs
}

fn member_path(name: &str) -> String {
    if name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-')) {
        format!("query.{name}")
    } else {
        format!("query[{}]", Value::from(name))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn problems(query: &Value) -> Vec<String> {
        encode(query).unwrap_err().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn scalars_and_lists_are_encoded() {
        assert_eq!(encode(&json!({})), Ok(String::new()));
        assert_eq!(encode(&json!({"none": []})), Ok(String::new()));
        assert_eq!(
            encode(&json!({"a": "x y&z=1#?/%2e", "b": 7, "c": -1.5, "d": true, "e": [1, "2", false]})),
            Ok("a=x+y%26z%3D1%23%3F%2F%252e&b=7&c=-1.5&d=true&e=1&e=2&e=false".into())
        );
    }

    #[test]
    fn every_value_of_another_type_is_named() {
        let query = json!({"a": null, "b": {"x": 1}, "c": [1, [2], null], "d e": {}, "f": 1});
        assert_eq!(
            problems(&query),
            ["query.a", "query.b", "query.c[1]", "query.c[2]", "query[\"d e\"]"]
                .map(|path| format!("{path}: {}", QueryProblem::Type))
        );
        for query in [json!(null), json!([]), json!("a=1"), json!(1)] {
            assert_eq!(problems(&query), ["query: must be an object"]);
        }
    }

    #[test]
    fn names_and_length_are_bounded() {
        assert_eq!(problems(&json!({"": 1})), ["query: a name has 1 to 128 bytes"]);
        assert_eq!(problems(&json!({"x".repeat(129): 1})), ["query: a name has 1 to 128 bytes"]);
        assert_eq!(problems(&json!({"a": "x".repeat(8191)})), ["query: has more than 8192 bytes when encoded"]);
        assert!(encode(&json!({"a": "x".repeat(8190)})).is_ok());
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_read_as_it_was_meant(
            pairs in proptest::collection::btree_map(".{1,20}", ".{0,40}", 0..8)
        ) {
            let query = Value::from(Map::from_iter(pairs.iter().map(|(k, v)| (k.clone(), Value::from(v.as_str())))));
            let mut url = url::Url::parse("http://sim.internal/api").unwrap();
            let text = encode(&query).unwrap();
            url.set_query(Some(&text));
            prop_assert_eq!(url.query(), Some(text.as_str()));
            prop_assert_eq!((url.path(), url.fragment()), ("/api", None));
            let read: std::collections::BTreeMap<_, _> =
                url.query_pairs().map(|(k, v)| (k.into_owned(), v.into_owned())).collect();
            prop_assert_eq!(read, pairs);
        }
    }
}
