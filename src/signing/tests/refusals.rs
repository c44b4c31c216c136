//! A request that was changed, or came at the wrong time: one way per test.

use super::*;

#[test]
fn an_untouched_request_is_accepted_and_tells_its_user() {
    let head = Received::signed().verify().unwrap();
    assert_eq!(head.user, SimUser::Person { tenant: Some("acme".into()), user: "65f0c0ffee".into() });
}

#[test]
fn another_method() {
    let request = Received { method: "PUT".into(), ..Received::signed() };
    assert_eq!(request.refusal(), "signature_mismatch");
}

#[test]
fn another_path() {
    let request = Received { target: "/api/v2/workflows/wf-2/execute?b=2&a=1".into(), ..Received::signed() };
    assert_eq!(request.refusal(), "signature_mismatch");
}

#[test]
fn another_order_of_the_query() {
    let request = Received { target: "/api/v2/workflows/wf-1/execute?a=1&b=2".into(), ..Received::signed() };
    assert_eq!(request.refusal(), "signature_mismatch");
}

#[test]
fn no_query_where_there_was_one() {
    let request = Received { target: "/api/v2/workflows/wf-1/execute".into(), ..Received::signed() };
    assert_eq!(request.refusal(), "signature_mismatch");
}

#[test]
fn a_target_that_is_no_path() {
    for target in ["", "*", "http://sim.internal:3000/x", "/a#b", "/a b", "/\u{e9}"] {
        let request = Received { target: target.into(), ..Received::signed() };
        assert_eq!(request.refusal(), "malformed_target", "{target:?}");
    }
}

#[test]
fn another_authority() {
    assert_eq!(Received::signed().replacing("host", "internal", "elsewhere").refusal(), "signature_mismatch");
    assert_eq!(Received::signed().without("host").refusal(), "header_missing");
}

#[test]
fn the_authority_may_differ_in_case_and_default_port() {
    assert_eq!(Received::signed().replacing("host", "sim", "SIM").refusal(), "accepted");
    let mut request = Received::signed();
    request.value("host").push_str(":80");
    assert_eq!(request.refusal(), "accepted", "port 80 is what http leaves out");
}

#[test]
fn another_body() {
    let request = Received { body: br#"{"input":{"message":"ho"}}"#.to_vec(), ..Received::signed() };
    assert_eq!(request.refusal(), "digest_mismatch");
    assert_eq!(Received { body: Vec::new(), ..Received::signed() }.refusal(), "digest_mismatch");
}

#[test]
fn another_digest() {
    let other = ContentDigest::of(b"other").to_header();
    let mut request = Received::signed();
    *request.value("content-digest") = other;
    request.body = b"other".to_vec();
    assert_eq!(request.refusal(), "signature_mismatch");
    assert_eq!(Received::signed().without("content-digest").refusal(), "header_missing");
}

#[test]
fn another_user() {
    let mut request = Received::signed();
    *request.value("x-sim-user") = SimUser::to_header(Some("acme"), "somebody-else").unwrap();
    assert_eq!(request.refusal(), "signature_mismatch");
    assert_eq!(Received::signed().without("x-sim-user").refusal(), "header_missing");
}

#[test]
fn another_request_id() {
    assert_eq!(Received::signed().replacing("x-request-id", "req-1", "req-2").refusal(), "signature_mismatch");
}

#[test]
fn another_content_type() {
    assert_eq!(Received::signed().replacing("content-type", "json", "xml").refusal(), "signature_mismatch");
}

#[test]
fn another_run_id() {
    assert_eq!(Received::signed().replacing("x-run-id", "run-1", "run-2").refusal(), "signature_mismatch");
    assert_eq!(Received::signed().without("x-run-id").refusal(), "header_missing");
}

#[test]
fn another_created_time() {
    let request = Received::signed().replacing("signature-input", "created=1800000000", "created=1800000001");
    assert_eq!(request.refusal(), "signature_mismatch");
}

#[test]
fn another_expires_time() {
    let request = Received::signed().replacing("signature-input", "expires=1800000060", "expires=1800009999");
    assert_eq!(request.refusal(), "signature_mismatch");
}

#[test]
fn another_nonce() {
    let mut request = Received::signed();
    let input = request.value("signature-input");
    let at = input.find("nonce=\"").unwrap() + 7;
    input.replace_range(at..at + 4, "AAAA");
    assert_eq!(request.refusal(), "signature_mismatch");
}

#[test]
fn another_keyid() {
    let (known, other) = (secrets(&[SECRET]), secrets(&[OLD_SECRET]));
    let request = Received::signed().replacing("signature-input", known.newest().keyid(), other.newest().keyid());
    assert_eq!(request.refusal(), "unknown_key");
    let both = Verifier::new(secrets(&[SECRET, OLD_SECRET]), Window::default());
    assert_eq!(request.verify_at(&both, NOW, &ReplayMemory::new(1)), Err(Refusal::SignatureMismatch));
}

#[test]
fn another_algorithm() {
    for alg in ["none", "hmac-sha512", "ed25519", "HMAC-SHA256", ""] {
        let request = Received::signed().replacing("signature-input", "hmac-sha256", alg);
        assert_eq!(request.refusal(), "unsupported_algorithm", "{alg:?}");
    }
}

#[test]
fn times_outside_the_window() {
    let request = Received::signed();
    let at = |now: u64, window: Window| {
        let verifier = Verifier::new(secrets(&[SECRET]), window);
        request.verify_at(&verifier, now, &ReplayMemory::new(1)).map_or_else(Refusal::reason, |_| "accepted")
    };
    let window = Window { max_age: 60, skew: 30 };
    assert_eq!(at(NOW - 30, window), "accepted");
    assert_eq!(at(NOW - 31, window), "not_yet_valid");
    assert_eq!(at(NOW + 90, window), "accepted");
    assert_eq!(at(NOW + 91, window), "expired");
    assert_eq!(at(NOW + 41, Window { max_age: 10, skew: 30 }), "too_old");
    assert_eq!(at(NOW + 40, Window { max_age: 10, skew: 30 }), "accepted");
    assert_eq!(at(u64::MAX, window), "expired");
    assert_eq!(at(0, window), "not_yet_valid");
}

#[test]
fn an_end_before_the_beginning() {
    let request = Received::signed().replacing("signature-input", "expires=1800000060", "expires=1799999999");
    assert_eq!(request.refusal(), "invalid_lifetime");
}

#[test]
fn a_signature_of_another_secret() {
    let forged = Received::signed_with(&Signer::new(&secrets(&[OLD_SECRET])));
    let (known, other) = (secrets(&[SECRET]), secrets(&[OLD_SECRET]));
    let request = forged.replacing("signature-input", other.newest().keyid(), known.newest().keyid());
    assert_eq!(request.refusal(), "signature_mismatch");
}

#[test]
fn a_signed_user_or_digest_that_is_out_of_form() {
    use crate::signing::{Component, Parameters, sign_components};
    let list = secrets(&[SECRET]);
    let resign = |name: &str, value: &str| {
        let mut request = Received::signed();
        *request.value(name) = value.to_owned();
        let names: Vec<&'static str> =
            crate::signing::REQUIRED_COMPONENTS.into_iter().chain(["content-type", "x-run-id"]).collect();
        let values: Vec<String> = names
            .iter()
            .map(|name| request.with_message(|message| message.component(name).unwrap().into_owned()))
            .collect();
        let components: Vec<_> = names.iter().zip(&values).map(|(name, value)| Component { name, value }).collect();
        let parameters = Parameters {
            created: Some(NOW),
            expires: Some(NOW),
            nonce: Some("n"),
            keyid: Some(list.newest().keyid()),
            alg: None,
        };
        let (input, signature) =
            sign_components(list.newest(), "sim", &components, &parameters, &mut Vec::new()).unwrap();
        *request.value("signature-input") = input;
        *request.value("signature") = signature;
        request.refusal()
    };
    assert_eq!(resign("x-sim-user", "-"), "accepted");
    for user in ["=", "YWNtZQ", "AA", "YQA=", "__8"] {
        assert_eq!(resign("x-sim-user", user), "malformed_user", "{user}");
    }
    let good = ContentDigest::of(BODY).to_header();
    assert_eq!(resign("content-digest", &format!("sha-512=:AA==:, {good}")), "accepted");
    for digest in
        ["", "x", "sha-512=:AA==:", "sha-256=:AA==:", "sha-256=AA", &format!("{good},"), &format!("{good}, {good}")]
    {
        assert_eq!(resign("content-digest", digest), "malformed_digest", "{digest}");
    }
}

#[test]
fn a_signed_header_that_is_not_ascii() {
    for value in ["r\u{e9}q", "a\u{7f}", "a\nb"] {
        let mut request = Received::signed();
        *request.value("x-request-id") = value.into();
        assert_eq!(request.refusal(), "malformed_header", "{value:?}");
    }
}

#[test]
fn blanks_around_a_value_do_not_count() {
    let mut request = Received::signed();
    *request.value("x-request-id") = " \treq-1\t ".into();
    assert_eq!(request.refusal(), "accepted");
}
