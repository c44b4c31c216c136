use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn shown() -> Option<Shown<'static>> {
    Some(Shown { id: "r1", handle: "HANDLE" })
}

fn rewritten(json: &str) -> String {
    let out = rewrite(&Bytes::copy_from_slice(json.as_bytes()), shown()).unwrap();
    String::from_utf8(out.to_vec()).unwrap()
}

/// The same, one byte at a time.
fn in_bytes(json: &str) -> Result<String, NoJson> {
    let mut rewriter = Rewriter { run: shown(), ..Rewriter::default() };
    let mut out = Vec::new();
    for byte in json.as_bytes() {
        rewriter.push(Bytes::copy_from_slice(&[*byte]), &mut out)?;
    }
    rewriter.end()?;
    Ok(String::from_utf8(out.concat()).unwrap())
}

const CASES: &[(&str, &str)] = &[
    // The asked-for run is shown by its handle.
    (r#"{"data":{"runId":"r1","n":1.10}}"#, r#"{"data":{"runId":"HANDLE","n":1.10}}"#),
    (r#"{"id":"r1","flowId":"f"}"#, r#"{"id":"HANDLE","flowId":"f"}"#),
    (r#"["r1","r11",{"a":"r1"}]"#, r#"["HANDLE","r11",{"a":"HANDLE"}]"#),
    // Other runs and Sim's addresses are left out.
    (
        r#"{"data":[{"runId":"r2","x":1,"statusUrl":"http://sim"}],"executionId":null,"paused":null}"#,
        r#"{"data":[{"x":1}],"executionId":null,"paused":null}"#,
    ),
    (r#"{ "runId" : "r2" , "a" : 1 , "jobId" : 7 }"#, r#"{  "a" : 1  }"#),
    (r#"{"runId":"r2"}"#, "{}"),
    (r#"{"statusUrl":{"deep":[1,{"x":"}"}]},"jobId":"","a":[ ]}"#, r#"{"a":[ ]}"#),
    (r#"{"\u0072unId":"r2","a":1}"#, r#"{"a":1}"#),
    // An author's output keeps its bytes, but for the address to resume at.
    (
        r#"{"runId":"r1","output":{"runId":"r9","id":"r1","big":12345678901234567890123}}"#,
        r#"{"runId":"HANDLE","output":{"runId":"r9","id":"r1","big":12345678901234567890123}}"#,
    ),
    (
        r#"{"runId":"r1","output":{"data":{"_resume":{"apiUrl":"http://sim"},"a":1}}}"#,
        r#"{"runId":"HANDLE","output":{"data":{"a":1}}}"#,
    ),
    (r#"{"output":["_resume"],"b":"x\\\"y\\"}"#, r#"{"output":["_resume"],"b":"x\\\"y\\"}"#),
    (r#"{"a":"\u00fc\n\ud83d\ude00","jobId":"\u0041"}"#, r#"{"a":"\u00fc\n\ud83d\ude00"}"#),
    (r#" {"a":"ü","b":-1.5e+3,"c":true} "#, r#" {"a":"ü","b":-1.5e+3,"c":true} "#),
];

#[test]
fn only_what_a_user_may_see_is_left() {
    for (json, expected) in CASES {
        assert_eq!(rewritten(json), *expected, "{json}");
    }
}

#[test]
fn it_does_not_matter_where_the_network_cuts() {
    for (json, expected) in CASES {
        assert_eq!(in_bytes(json).as_deref(), Ok(*expected), "{json}");
    }
}

#[test]
fn what_is_not_touched_is_not_copied() {
    let json = Bytes::from_static(br#"{"data":[1,2,3]}"#);
    assert_eq!(rewrite(&json, shown()).unwrap().as_ptr(), json.as_ptr());
}

#[test]
fn what_is_no_json_or_not_all_of_it_is_refused() {
    let deep = "[".repeat(MAX_DEPTH + 1);
    for json in [
        "",
        " ",
        "{",
        "[1",
        r#"{"a""#,
        r#"{"a":"#,
        r#"{"a":1"#,
        r#"{"a":"b"#,
        "{}{}",
        "[1,]",
        "{,}",
        r#"{"a":1,}"#,
        "[1}",
        r#"{"a"}"#,
        "[tru]",
        "<html>",
        "null",
        "12",
        r#""a""#,
        r#"{"a":1 "b":2}"#,
        "[1 2]",
        r#"{1:2}"#,
        "]",
        &deep,
        r#"{"runId":"#,
        r#"{"runId":"r2""#,
        r#"["\"#,
        r#"["\x"]"#,
        r#"["\u12g4"]"#,
        "[\"a\nb\"]",
        "[1.2.3]",
        "[01]",
        "[-]",
        r#"{"a\q":1}"#,
        r#"["\u12"]"#,
    ] {
        assert_eq!(rewrite(&Bytes::copy_from_slice(json.as_bytes()), shown()), Err(NoJson), "{json:.40}");
        assert_eq!(in_bytes(json), Err(NoJson), "{json:.40}, in bytes");
    }
}

/// Any JSON with the names that matter in any place.
fn json() -> impl Strategy<Value = Value> {
    let names = || {
        prop::sample::select(vec!["runId", "jobId", "statusUrl", "_resume", "output", "a", "b\"\\", "ü"])
            .prop_map(str::to_owned)
    };
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        prop::sample::select(vec!["r1", "r2", "", "x\\", "\"}", "{\"runId\":"]).prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 60, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(names(), inner, 0..6).prop_map(|map| map.into_iter().collect()),
        ]
    })
    .prop_filter("a text of Sim's is an object or array", |value| value.is_object() || value.is_array())
}

/// What must come out, said on the value as a whole.
fn expected(value: &Value, authors: bool) -> Value {
    match value {
        Value::Object(map) => {
            let kept = map.iter().filter(|(name, value)| match authors {
                true => *name != "_resume",
                false => {
                    !REMOVED.contains(&name.as_str())
                        && (!RUN_IDS.contains(&name.as_str()) || value.is_null() || *value == "r1")
                }
            });
            kept.map(|(name, value)| (name.clone(), expected(value, authors || AUTHORS.contains(&name.as_str()))))
                .collect()
        }
        Value::Array(items) => items.iter().map(|item| expected(item, authors)).collect(),
        Value::String(text) if text == "r1" && !authors => Value::from("HANDLE"),
        other => other.clone(),
    }
}

proptest! {
    #[test]
    fn any_json_cut_anywhere_comes_out_as_it_should(
        value in json(), pretty in any::<bool>(), cuts in prop::collection::vec(1usize..9, 1..60)
    ) {
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
        let mut rewriter = Rewriter { run: shown(), ..Rewriter::default() };
        let (mut out, mut rest) = (Vec::new(), Bytes::from(text.clone()));
        let mut cuts = cuts.into_iter().cycle();
        while !rest.is_empty() {
            let cut = cuts.next().unwrap_or(1).min(rest.len());
            rewriter.push(rest.split_to(cut), &mut out).unwrap();
        }
        prop_assert_eq!(rewriter.end(), Ok(()));
        let shown_in_pieces = out.concat();
        let told: Value = serde_json::from_slice(&shown_in_pieces).unwrap();
        prop_assert_eq!(&told, &expected(&value, false));
        let whole = rewrite(&Bytes::from(text), shown()).unwrap();
        prop_assert_eq!(whole.as_ref(), shown_in_pieces.as_slice());
    }
}
