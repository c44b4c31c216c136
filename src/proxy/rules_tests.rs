//! What the allow-list promises: the corpus of paths, and the properties of whatever is admitted.

use proptest::prelude::*;
use serde_json::Value;
use url::Url;

use super::*;

const CORPUS: &str = include_str!("../../__test__/security/corpus/paths.json");

/// What the adapter says to a request: a reason, or `admitted`.
fn answer(rules: &Rules, method: &str, path: &str) -> String {
    let Some(method) = parse_method(method) else {
        return "method".into();
    };
    match CanonicalPath::parse(path).map(|path| rules.admit(&method, &path)) {
        Err(reason) => reason.to_string(),
        Ok(Err(denied)) => denied.to_string(),
        Ok(Ok(_)) => "admitted".into(),
    }
}

fn defaults() -> Rules {
    Rules::new::<&str>(&[]).unwrap()
}

/// Rules as wide as configuration can make them.
fn wide() -> Rules {
    let rules: Vec<String> = METHODS
        .iter()
        .flat_map(|method| (1..6).map(move |depth| format!("{method} /api/v2{}", "/{any}".repeat(depth))))
        .chain((1..6).map(|depth| format!("GET /api/workflows{}", "/{any}".repeat(depth))))
        .collect();
    Rules::new(&rules).unwrap()
}

/// Holds what was admitted against a second reader: joined to the base, it must come out as it went in.
fn assert_sent_as_matched(base: &str, path: &CanonicalPath) {
    let base = Url::parse(base).unwrap();
    let sub_path = base.path().trim_end_matches('/');
    let joined = Url::parse(&format!("{}{path}", base.as_str().trim_end_matches('/'))).unwrap();
    assert_eq!((joined.scheme(), joined.host(), joined.port()), (base.scheme(), base.host(), base.port()));
    assert_eq!((joined.username(), joined.password(), joined.query(), joined.fragment()), ("", None, None, None));
    assert_eq!(joined.path(), format!("{sub_path}{path}"));
    // Also when the path is resolved as a reference, as a redirect or a careless client would.
    assert_eq!(base.join(path.as_str()).unwrap().path(), path.as_str());
    assert_eq!(base.join(path.as_str()).unwrap().host(), base.host());
}

fn assert_admitted_is_safe(rules: &Rules, prefixes: &[&str], method: &Method, raw: &str) {
    let Ok(path) = CanonicalPath::parse(raw) else {
        return;
    };
    assert_eq!(path.as_str(), raw, "nothing is repaired");
    for base in
        ["http://sim.internal:3000", "https://sim.internal/", "https://sim.internal/sub/path", "http://[::1]:1/s/"]
    {
        assert_sent_as_matched(base, &path);
    }
    if rules.admit(method, &path).is_ok() {
        assert!(prefixes.iter().any(|prefix| raw == *prefix || raw.starts_with(&format!("{prefix}/"))), "{raw}");
    }
}

const DEFAULT_PREFIXES: [&str; 5] =
    ["/api/v2/workflows", "/api/v1/workflows", "/api/workflows", "/api/flows", "/api/runs"];
const WIDE_PREFIXES: [&str; 5] = ["/api/v2", "/api/v1/workflows", "/api/workflows", "/api/flows", "/api/runs"];

#[test]
fn the_corpus_of_paths_gets_the_expected_answers() {
    let corpus: Value = serde_json::from_str(CORPUS).unwrap();
    let cases = corpus["cases"].as_array().unwrap();
    assert!(cases.len() > 150);
    let mut wrong = Vec::new();
    for case in cases {
        let extra: Vec<&str> =
            case["rules"].as_array().map_or(vec![], |rules| rules.iter().map(|rule| rule.as_str().unwrap()).collect());
        let method = case["method"].as_str().unwrap_or("GET");
        let path = match case["repeat"].as_array() {
            Some(repeat) => case["path"]
                .as_str()
                .unwrap()
                .replace("{…}", &repeat[0].as_str().unwrap().repeat(repeat[1].as_u64().unwrap() as usize)),
            None => case["path"].as_str().unwrap().to_owned(),
        };
        let (seen, expected) = (answer(&Rules::new(&extra).unwrap(), method, &path), case["expect"].as_str().unwrap());
        if seen != expected {
            wrong.push(format!("{}: expected {expected}, got {seen}", case["name"]));
        }
        assert_admitted_is_safe(&wide(), &WIDE_PREFIXES, &Method::GET, &path);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn by_default_only_flows_and_one_run_are_read() {
    let rules = defaults();
    assert!(DEFAULT.iter().all(|rule| rule.starts_with("GET ")));
    for rule in DEFAULT {
        let path = rule.trim_start_matches("GET ").replace("{flow}", "f").replace("{run}", "r");
        assert_eq!(answer(&rules, "GET", &path), "admitted", "{path}");
        for method in ["POST", "PUT", "PATCH", "DELETE"] {
            assert_eq!(answer(&rules, method, &path), "no_rule", "{method} {path}");
        }
    }
}

#[test]
fn a_configured_rule_admits_its_own_method_and_shape_only() {
    let rules = Rules::new(&["POST /api/v2/workflows/{id}/execute", "GET /api/v2/logs"]).unwrap();
    assert_eq!(answer(&rules, "POST", "/api/v2/workflows/f/execute"), "admitted");
    assert_eq!(answer(&rules, "GET", "/api/v2/logs"), "admitted");
    for (method, path) in [
        ("GET", "/api/v2/workflows/f/execute"),
        ("POST", "/api/v2/workflows/f/execute/x"),
        ("POST", "/api/v2/workflows/f/executes"),
        ("POST", "/api/v2/logs"),
        ("GET", "/api/v2/logs/x"),
        ("GET", "/api/v2/Logs"),
    ] {
        assert_eq!(answer(&rules, method, path), "no_rule", "{method} {path}");
    }
}

#[test]
fn a_wide_rule_still_executes_an_operation_as_that_operation() {
    use crate::proxy::target::OwnOperation;
    let admit = |path: &str| wide().admit(&Method::POST, &CanonicalPath::parse(path).unwrap()).unwrap();
    assert!(matches!(admit("/api/v2/workflows/f/execute"), Target::Own(_, OwnOperation::RunFlow(_))));
    assert!(matches!(admit("/api/v2/workflows/f/deploy"), Target::Own(_, OwnOperation::DeployFlow(_))));
    assert!(matches!(admit("/api/v2/workflows/f/runs/r/cancel"), Target::Own(_, OwnOperation::CancelRun(_))));
    assert!(matches!(admit("/api/v2/workflows/f/rollback"), Target::Own(_, OwnOperation::DeployFlow(_))));
    assert_eq!(admit("/api/v2/workflows/f/duplicate"), Target::Plain);
}

#[test]
fn a_snapshot_of_an_execution_is_never_forwarded() {
    let rules = Rules::new(&["POST /api/resume/{flow}/{run}/{context}"]).unwrap();
    assert_eq!(answer(&rules, "POST", "/api/resume/f/r/c"), "admitted");
    assert_eq!(answer(&rules, "GET", "/api/resume/f/r/c"), "no_rule");
}

#[test]
fn every_configured_rule_that_is_none_is_listed() {
    let errors = Rules::new(&[
        "GET /api/v2/logs",
        "/api/v2/logs",
        "get /api/v2/logs",
        "TRACE /api/v2/logs",
        "GET  /api/v2/logs",
        "GET api/v2/logs",
        "GET /api/v2/logs/",
        "GET /api/../admin",
        "GET /api/v2/*",
        "GET /api/v2/logs?x=1",
        "GET /api/v2/{id",
        "GET /api/v2/{}",
        "GET /api/v2/x{id}",
        "GET /api/v2/{a-b}",
        "GET /api",
        "GET /api/{any}",
        "GET /{any}/v2",
        "GET /admin/users",
        "GET /api/resume/{flow}/{run}/{context}",
    ])
    .unwrap_err();
    let problems: Vec<(usize, RuleProblem)> =
        errors.iter().map(|error| (error.number, error.problem.clone())).collect();
    use RuleProblem::*;
    assert_eq!(
        problems,
        [
            (2, Form),
            (3, Method),
            (4, Method),
            (5, Path(PathError::Character)),
            (6, Path(PathError::Relative)),
            (7, Path(PathError::EmptySegment)),
            (8, Path(PathError::DotSegment)),
            (9, Path(PathError::Character)),
            (10, Path(PathError::Query)),
            (11, Placeholder),
            (12, Placeholder),
            (13, Placeholder),
            (14, Placeholder),
            (15, Prefix),
            (16, Prefix),
            (17, Prefix),
            (18, Prefix),
            (19, Snapshot),
        ]
    );
    assert_eq!(
        errors[1].to_string(),
        "rule 3, \"get /api/v2/logs\": the method must be GET, POST, PUT, PATCH or DELETE"
    );
}

/// Pieces that attacks are made of, and what they are put between.
fn hostile_path() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        8 => proptest::sample::select(vec![
            "/", "/api", "/v2", "/v1", "/workflows", "/flows", "/runs", "/executions", "/f-1", ".", "..", "%2e", "%2F",
            "%5c", "%252e", "\\", "//", "@", ":", ";", "?", "#", "%00", "\r\n", "\t", "\u{ff0e}", "\u{2215}", "~", "...",
        ]).prop_map(str::to_owned),
        2 => "[ -~]{1,4}",
        1 => ".{1,3}",
    ];
    proptest::collection::vec(piece, 1..10).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn whatever_is_admitted_is_sent_to_the_same_host_as_matched(raw in hostile_path(), wild in ".{0,60}") {
        for raw in [&raw, &wild, &format!("/api/v2/workflows{raw}"), &format!("/api/v2/workflows/{wild}")] {
            for method in [Method::GET, Method::POST] {
                assert_admitted_is_safe(&defaults(), &DEFAULT_PREFIXES, &method, raw);
                assert_admitted_is_safe(&wide(), &WIDE_PREFIXES, &method, raw);
            }
        }
    }

    #[test]
    fn any_rule_text_is_answered(text in "(GET |POST )?[ -~]{0,40}") {
        let _ = Rules::new(&[text]);
    }
}
