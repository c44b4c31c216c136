//! `notify: true`: puts Webhook blocks into a workflow document, so that Sim says when a run nears its end. It knows the
//! form of Sim's documents (version 1.0) and of the block `webhook_request`, nothing of where hooks go.
//!
//! What a run gives out is the output of its last block. So that it stays so, the Webhook stands before a Response block
//! that ends the flow; behind any other last block a Response block follows it, with that block's whole output as `data`.
//! Both ways out of the Webhook, success and error, lead on: a hook that cannot be delivered fails no run.

use std::collections::{HashMap, HashSet};

use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::error::{Error, FieldError, invalid};
use crate::hooks::Target;

/// A document with one block, to begin with.
const EMPTY: &str = r#"{"state":{"blocks":{"start":{"id":"start","type":"start_trigger","name":"Start",
    "position":{"x":0,"y":0},"enabled":true,"subBlocks":{},"outputs":{}}},"edges":[],"loops":{},"parallels":{}}}"#;

/// How far to the right of its predecessor a block is drawn.
const STEP: f64 = 320.0;

/// The document, an object or a string that holds one, with the blocks in it. Without one: a start and the blocks.
pub(super) fn add(document: Option<&RawValue>, target: &Target) -> Result<Box<RawValue>, Error> {
    let unreadable = || invalid(&[FieldError::new("document", "needs state.blocks and state.edges for notify")]);
    let mut value: Value = serde_json::from_str(document.map_or(EMPTY, RawValue::get)).map_err(|_| unreadable())?;
    if let Value::String(text) = &value {
        value = serde_json::from_str(text).map_err(|_| unreadable())?;
    }
    let state = state_of(&mut value).ok_or_else(unreadable)?;
    let graph = Graph::take(state).ok_or_else(unreadable)?;
    graph.notified(target).put(state);
    serde_json::value::to_raw_value(&value).map_err(|_| unreadable())
}

/// Where the blocks are: Sim takes a bare state, an export around it, and `{data}` around either.
fn state_of(value: &mut Value) -> Option<&mut Map<String, Value>> {
    let value = if value["data"].is_object() { value.get_mut("data")? } else { value };
    let value = if value["state"].is_object() { value.get_mut("state")? } else { value };
    value.as_object_mut()
}

/// A document may have very many blocks, so whatever is looked for in all of them is looked for once.
struct Graph {
    blocks: Map<String, Value>,
    edges: Vec<Value>,
    /// Names as Sim refers to them.
    references: HashSet<String>,
    /// How many blocks of a name, or of a kind, there were tries for.
    tries: HashMap<&'static str, usize>,
}

impl Graph {
    fn take(state: &mut Map<String, Value>) -> Option<Self> {
        match (state.get_mut("blocks")?.take(), state.get_mut("edges")?.take()) {
            (Value::Object(blocks), Value::Array(edges)) => {
                let references = blocks.values().filter_map(|block| block["name"].as_str()).map(reference).collect();
                Some(Self { blocks, edges, references, tries: HashMap::new() })
            }
            _ => None,
        }
    }

    fn put(self, state: &mut Map<String, Value>) {
        state.insert("blocks".to_owned(), Value::Object(self.blocks));
        state.insert("edges".to_owned(), Value::Array(self.edges));
    }

    fn notified(mut self, target: &Target) -> Self {
        let mut ways_to: HashMap<String, Vec<usize>> = HashMap::new();
        for (at, edge) in self.edges.iter().enumerate() {
            ways_to.entry(edge["target"].as_str().unwrap_or_default().to_owned()).or_default().push(at);
        }
        for id in self.last() {
            let block = &self.blocks[&id];
            let name = block["name"].as_str().unwrap_or_default().to_owned();
            let kind = block["type"].as_str().unwrap_or_default().to_owned();
            let at = (block["position"]["x"].as_f64().unwrap_or(0.0), block["position"]["y"].as_f64().unwrap_or(0.0));
            // Only a name without these can be referred to.
            let named = !name.is_empty() && !name.contains(['<', '>', '.']);
            if kind == "response" || !(named || is_start(&kind)) {
                let hook = self.add_webhook(target, (at.0 - STEP / 2.0, at.1 + STEP / 2.0));
                for at in ways_to.remove(&id).unwrap_or_default() {
                    self.edges[at]["target"] = json!(hook);
                }
                self.lead_on(&hook, &id);
            } else {
                let hook = self.add_webhook(target, (at.0 + STEP, at.1));
                let reference = if is_start(&kind) { "start".to_owned() } else { reference(&name) };
                let result = self.add_result(&reference, (at.0 + 2.0 * STEP, at.1));
                self.connect(&id, exit_of(&kind), &hook);
                self.lead_on(&hook, &result);
            }
        }
        self
    }

    /// The blocks that a run can end with: they do something, stand in no container, and nothing follows them.
    fn last(&self) -> Vec<String> {
        let parent_of = |id: &str| self.blocks.get(id)?["data"]["parentId"].as_str();
        let goes_on: HashSet<&str> = self
            .edges
            .iter()
            .filter(|edge| edge["sourceHandle"] != "error")
            .filter_map(|edge| Some((edge["source"].as_str()?, edge["target"].as_str().unwrap_or_default())))
            .filter(|(source, target)| parent_of(target) != Some(source))
            .map(|(source, _)| source)
            .collect();
        let is_last = |(id, block): &(&String, &Value)| {
            // A choice leads on by handles of its own, which only its author can name.
            let choice = matches!(block["type"].as_str(), Some("condition" | "router" | "router_v2" | "note") | None);
            let on = block["enabled"] != false && block["data"]["parentId"].is_null();
            on && !choice && !goes_on.contains(id.as_str())
        };
        self.blocks.iter().filter(is_last).map(|(id, _)| id.clone()).collect()
    }

    fn add_webhook(&mut self, target: &Target, at: (f64, f64)) -> String {
        let fields = [
            ("url", "short-input", json!(target.url)),
            ("body", "code", json!("{\n  \"event\": \"run.moved\"\n}")),
            ("secret", "short-input", json!(target.secret)),
            ("headers", "table", json!([])),
        ];
        self.add("webhook_request", "Notify", at, &fields)
    }

    fn add_result(&mut self, reference: &str, at: (f64, f64)) -> String {
        let fields = [
            ("dataMode", "dropdown", json!("json")),
            ("data", "code", json!(format!("<{reference}>"))),
            ("status", "short-input", json!("200")),
            ("headers", "table", json!([])),
        ];
        self.add("response", "Result", at, &fields)
    }

    fn add(
        &mut self,
        kind: &'static str,
        name: &'static str,
        at: (f64, f64),
        fields: &[(&str, &str, Value)],
    ) -> String {
        let name = loop {
            let name = match self.number(name) {
                1 => name.to_owned(),
                number => format!("{name} {number}"),
            };
            if self.references.insert(reference(&name)) {
                break name;
            }
        };
        let id = loop {
            let id = format!("{kind}-{}", self.number(kind));
            if !self.blocks.contains_key(&id) {
                break id;
            }
        };
        let fields: Map<_, _> = fields
            .iter()
            .map(|(id, kind, value)| ((*id).to_owned(), json!({ "id": id, "type": kind, "value": value })))
            .collect();
        let block = json!({
            "id": id, "type": kind, "name": name, "position": { "x": at.0, "y": at.1 }, "enabled": true,
            "horizontalHandles": true, "advancedMode": false, "errorEnabled": kind == "webhook_request",
            "triggerMode": false, "height": 0, "subBlocks": fields, "data": {}, "locked": false,
            "outputs": { "data": { "type": "json" }, "status": { "type": "number" }, "headers": { "type": "json" } },
        });
        self.blocks.insert(id.clone(), block);
        id
    }

    /// 1, 2, 3 … for each of `what`.
    fn number(&mut self, what: &'static str) -> usize {
        let tries = self.tries.entry(what).or_default();
        *tries += 1;
        *tries
    }

    /// From a Webhook to what follows it, whatever became of the hook.
    fn lead_on(&mut self, hook: &str, next: &str) {
        self.connect(hook, "source", next);
        self.connect(hook, "error", next);
    }

    fn connect(&mut self, source: &str, handle: &str, target: &str) {
        self.edges.push(json!({
            "id": format!("{source}-{handle}-{target}"), "source": source, "target": target,
            "sourceHandle": handle, "targetHandle": "target", "type": "default", "data": {},
        }));
    }
}

fn is_start(kind: &str) -> bool {
    matches!(kind, "start_trigger" | "starter")
}

/// Where a block's success leads on from.
fn exit_of(kind: &str) -> &'static str {
    match kind {
        "loop" => "loop-end-source",
        "parallel" => "parallel-end-source",
        _ => "source",
    }
}

/// How Sim refers to a block of that name.
fn reference(name: &str) -> String {
    name.to_lowercase().split_whitespace().collect()
}

#[cfg(test)]
#[path = "notify_tests.rs"]
mod tests;
