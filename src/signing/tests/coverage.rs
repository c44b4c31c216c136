//! A signature that covers too little, too much, or is not the only one: one way per test.

use super::*;

#[test]
fn a_parameter_that_is_missing() {
    let cut = |name: &str| {
        let mut request = Received::signed();
        let input = request.value("signature-input");
        let from = input.find(&format!(";{name}=")).unwrap();
        let to = input[from + 1..].find(';').map_or(input.len(), |length| from + 1 + length);
        input.replace_range(from..to, "");
        request.refusal()
    };
    assert_eq!(cut("created"), "created_missing");
    assert_eq!(cut("expires"), "expires_missing");
    assert_eq!(cut("nonce"), "nonce_missing");
    assert_eq!(cut("keyid"), "keyid_missing");
    assert_eq!(cut("alg"), "signature_mismatch", "optional, but covered");
}

#[test]
fn a_parameter_that_is_not_known() {
    let mut request = Received::signed();
    request.value("signature-input").push_str(";tag=\"x\"");
    assert_eq!(request.refusal(), "unknown_parameter");
}

#[test]
fn a_nonce_of_unusable_length() {
    let with = |nonce: &str| {
        let mut request = Received::signed();
        let input = request.value("signature-input");
        let from = input.find("nonce=\"").unwrap() + 7;
        let to = from + input[from..].find('"').unwrap();
        input.replace_range(from..to, nonce);
        request.refusal()
    };
    assert_eq!(with(""), "nonce_missing");
    assert_eq!(with(&"n".repeat(129)), "nonce_missing");
    assert_eq!(with(&"n".repeat(128)), "signature_mismatch");
}

#[test]
fn each_required_component_that_is_not_covered() {
    for name in crate::signing::REQUIRED_COMPONENTS {
        let mut request = Received::signed();
        let input = request.value("signature-input");
        *input = input.replace(&format!("\"{name}\" "), "").replace(&format!(" \"{name}\""), "");
        assert_eq!(request.refusal(), "component_missing", "{name}");
    }
}

#[test]
fn an_optional_header_that_is_present_but_not_signed() {
    for name in ["x-execution-id", "X-Execution-Mode"] {
        assert_eq!(Received::signed().with(name, "async").refusal(), "unsigned_header", "{name}");
    }
    let request = Received::signed().replacing("signature-input", " \"x-run-id\"", "");
    assert_eq!(request.refusal(), "unsigned_header");
}

#[test]
fn a_component_that_is_not_known() {
    for component in ["@target-uri", "@status", "@", "X-Run-Id", "", "a b"] {
        let request = Received::signed().replacing("signature-input", "(", &format!("(\"{component}\" "));
        assert_eq!(request.refusal(), "unknown_component", "{component:?}");
    }
    let request = Received::signed().replacing("signature-input", "\"x-run-id\"", "\"x-run-id\";bs");
    assert_eq!(request.refusal(), "unknown_component", "a parameter makes it another component");
}

#[test]
fn a_component_covered_twice() {
    let request = Received::signed().replacing("signature-input", "(", "(\"x-run-id\" ");
    assert_eq!(request.refusal(), "duplicate_component");
}

#[test]
fn a_header_that_occurs_twice() {
    let names = [
        "Host",
        "content-digest",
        "X-REQUEST-ID",
        "x-sim-user",
        "content-type",
        "x-run-id",
        "signature",
        "signature-input",
    ];
    for name in names {
        let mut request = Received::signed();
        let value = request.value(name).clone();
        assert_eq!(request.with(name, &value).refusal(), "duplicate_header", "{name}");
    }
    let request = Received::signed().with("x-execution-id", "a").with("x-execution-id", "b");
    assert_eq!(request.refusal(), "duplicate_header");
}

#[test]
fn no_signature() {
    assert_eq!(Received::signed().without("signature").refusal(), "missing_signature");
    assert_eq!(Received::signed().without("signature-input").refusal(), "missing_signature");
}

#[test]
fn more_than_one_signature() {
    let mut request = Received::signed();
    let (input, signature) = (request.value("signature-input").clone(), request.value("signature").clone());
    let two_inputs = format!("{input}, {}", input.replace("sim=", "other="));
    let two = format!("{signature}, {}", signature.replace("sim=", "other="));
    *request.value("signature-input") = two_inputs;
    assert_eq!(request.refusal(), "several_signatures");
    *request.value("signature-input") = input;
    *request.value("signature") = two;
    assert_eq!(request.refusal(), "several_signatures");
}

#[test]
fn labels_that_differ() {
    assert_eq!(Received::signed().replacing("signature", "sim=", "sum=").refusal(), "label_mismatch");
}

#[test]
fn any_label_will_do_when_both_agree() {
    let request = Received::signed().replacing("signature", "sim=", "*a1.b-c_d=");
    assert_eq!(request.replacing("signature-input", "sim=", "*a1.b-c_d=").refusal(), "accepted");
}
