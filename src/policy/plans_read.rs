//! Reads plans from JSON or YAML and reports everything that is wrong with them, each with its path. Decides nothing else.

use std::fmt;
use std::fs;
use std::path::Path;

use serde_json::{Map, Value};

use super::ask::{Bucket, Operation};
use super::plans::{Operations, Plan, Plans};
use super::rate::Rate;

/// One thing that is wrong with the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// `plans.free.rates.run.max`
    pub path: String,
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

const PLAN_KEYS: [&str; 7] =
    ["operations", "flows", "rates", "runsPerDay", "concurrentRuns", "maxRunSeconds", "maxInputBytes"];
const LONGEST_RUN_SECONDS: u64 = 7 * 24 * 60 * 60;

impl Plans {
    /// From a file of JSON or YAML.
    pub fn from_file(path: &Path) -> Result<Plans, Vec<Problem>> {
        let text = fs::read_to_string(path)
            .map_err(|error| one("SIM_PLANS_FILE", format!("cannot be read: {}", error.kind())))?;
        Plans::from_text(&text)
    }

    /// From JSON, when it begins with a brace, or YAML.
    pub fn from_text(text: &str) -> Result<Plans, Vec<Problem>> {
        let value = if text.trim_start().starts_with('{') {
            serde_json::from_str(text).map_err(|error| one("plans", format!("not JSON: {error}")))?
        } else {
            serde_saphyr::from_str(text)
                .map_err(|error| one("plans", format!("not YAML: {}", error.without_snippet())))?
        };
        Plans::from_value(&value)
    }

    /// From an object: plan name → plan.
    pub fn from_value(value: &Value) -> Result<Plans, Vec<Problem>> {
        let mut reader = Reader { problems: Vec::new() };
        let plans: Vec<Plan> = match reader.object("plans", value) {
            Some(map) if map.is_empty() => {
                reader.wrong("plans", "names no plan");
                Vec::new()
            }
            Some(map) => map.iter().map(|(name, plan)| reader.plan(name, plan)).collect(),
            None => Vec::new(),
        };
        if reader.problems.is_empty() { Ok(Plans::configured(plans)) } else { Err(reader.problems) }
    }
}

fn one(path: &str, message: String) -> Vec<Problem> {
    vec![Problem { path: path.to_owned(), message }]
}

struct Reader {
    problems: Vec<Problem>,
}

impl Reader {
    fn wrong(&mut self, path: &str, message: impl Into<String>) {
        self.problems.push(Problem { path: path.to_owned(), message: message.into() });
    }

    fn object<'v>(&mut self, path: &str, value: &'v Value) -> Option<&'v Map<String, Value>> {
        let object = value.as_object();
        if object.is_none() {
            self.wrong(path, format!("must be an object, not {}", kind(value)));
        }
        object
    }

    fn only(&mut self, path: &str, map: &Map<String, Value>, known: &[&str]) {
        for key in map.keys().filter(|key| !known.contains(&key.as_str())) {
            self.wrong(&format!("{path}.{key}"), format!("is not known here; known are {}", known.join(", ")));
        }
    }

    fn plan(&mut self, name: &str, value: &Value) -> Plan {
        let path = format!("plans.{name}");
        let mut plan = Plan::unlimited(name);
        if name.is_empty() {
            self.wrong(&path, "a plan needs a name");
        }
        let Some(map) = self.object(&path, value) else {
            return plan;
        };
        self.only(&path, map, &PLAN_KEYS);
        if let Some(list) = map.get("operations") {
            plan.operations = Operations::Listed(self.operations(&format!("{path}.operations"), list));
        }
        plan.flows = map.get("flows").map(|list| self.flows(&format!("{path}.flows"), list));
        if let Some(rates) = map.get("rates") {
            plan.rates = self.rates(&format!("{path}.rates"), rates);
        }
        let mut limit = |key, most| self.integer(&path, map, key, most);
        plan.runs_per_day = limit("runsPerDay", 1_000_000).map(|n| n as u32);
        plan.concurrent_runs = limit("concurrentRuns", 10_000).map(|n| n as u32);
        plan.max_run_seconds = limit("maxRunSeconds", LONGEST_RUN_SECONDS).map(|n| n as u32);
        plan.max_input_bytes = limit("maxInputBytes", u64::from(u32::MAX));
        if map.contains_key("concurrentRuns") && !map.contains_key("maxRunSeconds") {
            self.wrong(
                &format!("{path}.maxRunSeconds"),
                "is needed with concurrentRuns: a slot is held no longer than this",
            );
        }
        plan
    }

    fn strings<'v>(&mut self, path: &str, value: &'v Value) -> Vec<(String, &'v str)> {
        let Some(list) = value.as_array() else {
            self.wrong(path, format!("must be a list, not {}", kind(value)));
            return Vec::new();
        };
        let mut strings = Vec::new();
        for (index, item) in list.iter().enumerate() {
            let path = format!("{path}[{index}]");
            match item.as_str() {
                Some(text) => strings.push((path, text)),
                None => self.wrong(&path, format!("must be text, not {}", kind(item))),
            }
        }
        strings
    }

    fn operations(&mut self, path: &str, value: &Value) -> u16 {
        let mut bits = 0;
        for (path, name) in self.strings(path, value) {
            match Operation::ALL.iter().find(|operation| operation.name() == name) {
                Some(&operation) => bits |= 1 << operation as u16,
                None => {
                    let known: Vec<_> = Operation::ALL.iter().map(|operation| operation.name()).collect();
                    self.wrong(&path, format!("is no operation; operations are {}", known.join(", ")));
                }
            }
        }
        bits
    }

    fn flows(&mut self, path: &str, value: &Value) -> Vec<String> {
        let patterns = self.strings(path, value);
        for (path, _) in patterns.iter().filter(|(_, pattern)| pattern.is_empty()) {
            self.wrong(path, "must not be empty");
        }
        patterns.into_iter().map(|(_, pattern)| pattern.to_owned()).collect()
    }

    fn rates(&mut self, path: &str, value: &Value) -> [Option<Rate>; 3] {
        let Some(map) = self.object(path, value) else {
            return [None; 3];
        };
        self.only(path, map, &Bucket::ALL.map(Bucket::name));
        Bucket::ALL
            .map(|bucket| map.get(bucket.name()).and_then(|rate| self.rate(&format!("{path}.{}", bucket.name()), rate)))
    }

    fn rate(&mut self, path: &str, value: &Value) -> Option<Rate> {
        let map = self.object(path, value)?;
        self.only(path, map, &["max", "windowMinutes"]);
        for key in ["max", "windowMinutes"].into_iter().filter(|key| !map.contains_key(*key)) {
            self.wrong(&format!("{path}.{key}"), "is missing");
        }
        let max = self.integer(path, map, "max", u64::from(Rate::LARGEST_MAX));
        let minutes = self.integer(path, map, "windowMinutes", u64::from(Rate::LONGEST_WINDOW));
        Rate::new(max? as u32, minutes? as u32)
    }

    /// A whole number from 1 to `most`.
    fn integer(&mut self, path: &str, map: &Map<String, Value>, key: &str, most: u64) -> Option<u64> {
        let value = map.get(key)?;
        let number = value.as_u64().filter(|number| (1..=most).contains(number));
        if number.is_none() {
            self.wrong(&format!("{path}.{key}"), format!("must be a whole number from 1 to {most}"));
        }
        number
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        Plans::from_text(text).expect_err("these plans are wrong").iter().map(Problem::to_string).collect()
    }

    #[test]
    fn every_problem_is_reported_with_its_path() {
        let found = problems(
            r#"{
                "free": {
                    "operations": ["flows.run", "flows.fly", 7],
                    "flows": ["", "ok*"],
                    "rates": { "run": { "max": 0 }, "walk": {}, "read": [] },
                    "runsPerDay": 2.5,
                    "concurrentRuns": 3,
                    "maxInputBytes": "big",
                    "price": 1
                },
                "pro": []
            }"#,
        );
        let paths: Vec<_> = found.iter().map(|problem| problem.split_once(": ").map_or("", |(path, _)| path)).collect();
        let mut expected = vec![
            "plans.free.price",
            "plans.free.operations[1]",
            "plans.free.operations[2]",
            "plans.free.flows[0]",
            "plans.free.rates.walk",
            "plans.free.rates.run.windowMinutes",
            "plans.free.rates.run.max",
            "plans.free.rates.read",
            "plans.free.runsPerDay",
            "plans.free.maxInputBytes",
            "plans.free.maxRunSeconds",
            "plans.pro",
        ];
        let mut sorted = paths.clone();
        sorted.sort_unstable();
        expected.sort_unstable();
        assert_eq!(sorted, expected, "{found:#?}");
    }

    #[test]
    fn json_and_yaml_say_the_same() {
        let yaml = "free:\n  operations: [flows.run]\n  flows: ['team-*']\n  rates:\n    run: {max: 5, windowMinutes: 1}\n  runsPerDay: 20\n";
        let json = r#"{"free":{"operations":["flows.run"],"flows":["team-*"],"rates":{"run":{"max":5,"windowMinutes":1}},"runsPerDay":20}}"#;
        let read = |text| format!("{:?}", Plans::from_text(text).expect("good plans").all());
        assert_eq!(read(yaml), read(json));
    }

    #[test]
    fn what_is_neither_json_nor_yaml_is_refused_with_the_place() {
        assert!(problems("{\"free\": ")[0].starts_with("plans: not JSON: "), "{:?}", problems("{\"free\": "));
        assert!(problems("free: [")[0].starts_with("plans: not YAML: "), "{:?}", problems("free: ["));
        assert!(problems("a: 1\na: 2")[0].contains("dupl"), "{:?}", problems("a: 1\na: 2"));
        assert_eq!(problems("{}"), ["plans: names no plan"]);
        assert_eq!(problems(""), ["plans: must be an object, not nothing"]);
        assert_eq!(problems("- a"), ["plans: must be an object, not a list"]);
    }

    #[test]
    fn a_file_that_is_not_there_is_named_by_its_setting() {
        let missing = Plans::from_file(Path::new("/nonexistent/plans.yaml")).expect_err("no such file");
        assert_eq!(missing[0].path, "SIM_PLANS_FILE");
    }
}
