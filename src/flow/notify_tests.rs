//! Where Webhook blocks go in documents of several shapes.

use super::*;

fn target() -> Target {
    Target::new("https://host/hooks/tag".to_owned(), "secret".to_owned(), "tag".to_owned())
}

fn block(kind: &str, name: &str) -> Value {
    json!({ "type": kind, "name": name, "position": { "x": 10, "y": 20 }, "subBlocks": {}, "outputs": {} })
}

fn edge(source: &str, target: &str) -> Value {
    json!({ "id": format!("{source}{target}"), "source": source, "target": target })
}

fn state(blocks: Value, edges: &[Value]) -> Value {
    json!({ "blocks": blocks, "edges": edges })
}

fn notified(document: &Value) -> Value {
    let raw = serde_json::value::to_raw_value(document).unwrap();
    serde_json::from_str(add(Some(&raw), &target()).unwrap().get()).unwrap()
}

/// Edges as `source handle target`, blocks by their names.
fn edges(state: &Value) -> Vec<String> {
    let name = |id: &Value| state["blocks"][id.as_str().unwrap()]["name"].as_str().unwrap().to_owned();
    let mut all: Vec<_> = state["edges"]
        .as_array()
        .unwrap()
        .iter()
        .map(|edge| {
            format!(
                "{} {} {}",
                name(&edge["source"]),
                edge["sourceHandle"].as_str().unwrap_or("source"),
                name(&edge["target"])
            )
        })
        .collect();
    all.sort();
    all
}

fn called<'a>(state: &'a Value, name: &str) -> &'a Value {
    state["blocks"].as_object().unwrap().values().find(|block| block["name"] == name).unwrap()
}

#[test]
fn the_output_of_the_last_block_is_given_out_behind_the_webhook() {
    let state = notified(&state(
        json!({ "s": block("start_trigger", "Start"), "a": block("agent", "My Agent") }),
        &[edge("s", "a")],
    ));
    assert_eq!(
        edges(&state),
        ["My Agent source Notify", "Notify error Result", "Notify source Result", "Start source My Agent"]
    );
    let hook = &called(&state, "Notify")["subBlocks"];
    assert_eq!(hook["url"], json!({ "id": "url", "type": "short-input", "value": "https://host/hooks/tag" }));
    assert_eq!(hook["secret"]["value"], "secret");
    assert!(serde_json::from_str::<Value>(hook["body"]["value"].as_str().unwrap()).is_ok());
    assert_eq!(called(&state, "Result")["subBlocks"]["data"]["value"], "<myagent>");
    assert_eq!(called(&state, "Notify")["type"], "webhook_request");
}

#[test]
fn a_response_stays_the_last_word() {
    let blocks = json!({ "s": block("start_trigger", "Start"), "a": block("agent", "A"), "r": block("response", "R") });
    let state = notified(&state(blocks, &[edge("s", "a"), edge("a", "r")]));
    assert_eq!(edges(&state), ["A source Notify", "Notify error R", "Notify source R", "Start source A"]);
}

#[test]
fn each_branch_has_a_webhook_of_its_own() {
    let blocks =
        json!({ "s": block("start_trigger", "Start"), "a": block("agent", "A"), "b": block("agent", "Result") });
    let state = notified(&state(blocks, &[edge("s", "a"), edge("s", "b")]));
    assert_eq!(
        edges(&state),
        [
            "A source Notify",
            "Notify 2 error Result 3",
            "Notify 2 source Result 3",
            "Notify error Result 2",
            "Notify source Result 2",
            "Result source Notify 2",
            "Start source A",
            "Start source Result",
        ]
    );
}

#[test]
fn containers_are_left_by_their_own_exit_and_their_members_stay_inside() {
    let mut member = block("agent", "Inner");
    member["data"] = json!({ "parentId": "l" });
    let blocks = json!({ "s": block("start_trigger", "Start"), "l": block("loop", "Loop"), "i": member });
    let state = notified(&state(blocks, &[edge("s", "l"), edge("l", "i")]));
    assert!(edges(&state).contains(&"Loop loop-end-source Notify".to_owned()), "{:?}", edges(&state));
    assert!(!edges(&state).iter().any(|edge| edge.starts_with("Inner")));
}

#[test]
fn what_ends_nothing_gets_no_webhook() {
    let mut off = block("agent", "Off");
    off["enabled"] = json!(false);
    let blocks = json!({ "s": block("start_trigger", "Start"), "a": block("agent", "A"), "n": block("note", "N"), "o": off,
        "c": block("condition", "C") });
    let state = notified(&state(blocks, &[edge("s", "a"), edge("s", "c")]));
    assert_eq!(edges(&state).iter().filter(|edge| edge.ends_with(" Notify")).count(), 1);
}

#[test]
fn a_way_out_on_error_alone_is_no_way_on() {
    let mut failing = edge("a", "b");
    failing["sourceHandle"] = json!("error");
    let blocks = json!({ "s": block("start_trigger", "Start"), "a": block("agent", "A"), "b": block("agent", "B") });
    let state = notified(&state(blocks, &[edge("s", "a"), failing]));
    assert!(edges(&state).contains(&"A source Notify".to_owned()), "{:?}", edges(&state));
}

#[test]
fn a_block_that_no_reference_can_name_stays_the_last() {
    let blocks = json!({ "s": block("start_trigger", "Start"), "a": block("agent", "Agent 1.5") });
    let state = notified(&state(blocks, &[edge("s", "a")]));
    assert_eq!(edges(&state), ["Notify error Agent 1.5", "Notify source Agent 1.5", "Start source Notify"]);
}

#[test]
fn every_wrapping_that_sim_takes_is_understood() {
    let bare = state(json!({ "s": block("start_trigger", "Start") }), &[]);
    let export = json!({ "version": "1.0", "workflow": { "name": "x" }, "state": bare });
    assert_eq!(edges(&notified(&bare)), ["Notify error Result", "Notify source Result", "Start source Notify"]);
    assert_eq!(notified(&export)["workflow"]["name"], "x");
    assert_eq!(edges(&notified(&export)["state"]).len(), 3);
    assert_eq!(edges(&notified(&json!({ "data": export }))["data"]["state"]).len(), 3);
    assert_eq!(edges(&notified(&json!(export.to_string()))["state"]).len(), 3);
}

#[test]
fn without_a_document_there_is_a_start_to_go_on_from() {
    let made: Value = serde_json::from_str(add(None, &target()).unwrap().get()).unwrap();
    assert_eq!(edges(&made["state"]), ["Notify error Result", "Notify source Result", "Start source Notify"]);
}

#[test]
fn a_document_without_blocks_is_refused_by_its_name() {
    for document in [json!({}), json!({ "blocks": {} }), json!({ "blocks": [], "edges": [] }), json!("[]")] {
        let raw = serde_json::value::to_raw_value(&document).unwrap();
        let details = add(Some(&raw), &target()).unwrap_err().details.unwrap();
        assert_eq!(details["fields"][0]["path"], "document", "{document}");
    }
}

#[test]
fn very_many_blocks_are_no_more_work_than_they_are() {
    // Looking through all of them for each would take minutes.
    let blocks: Map<_, _> = (0..10_000).map(|n| (format!("b{n}"), block("response", "Notify"))).collect();
    let edges: Vec<_> = (0..10_000).map(|n| edge("gone", &format!("b{n}"))).collect();
    let state = notified(&state(Value::Object(blocks), &edges));
    assert_eq!(state["blocks"].as_object().unwrap().len(), 20_000);
    assert_eq!(state["edges"].as_array().unwrap().len(), 30_000);
}
