//! Only canonical text is read.

use super::*;

#[test]
fn signature_input_in_any_other_form_is_refused() {
    let bad = [
        "",
        "sim",
        "sim=",
        "sim=(",
        "sim=()x",
        "=()",
        "Sim=()",
        "1=()",
        "sim=(\"a\"",
        "sim=(\"a)",
        "sim=(a)",
        "sim=(\"a\"  \"b\")",
        "sim=( \"a\")",
        "sim=(\"a\" )",
        "sim=(\"a\"\"b\")",
        "sim=(\"a\\\"\")",
        "sim=();created",
        "sim=();created=",
        "sim=();created=x",
        "sim=();created=-1",
        "sim=();created=01",
        "sim=();created=1.0",
        "sim=();created=1234567890123456",
        "sim=();created=\"1\"",
        "sim=();nonce=1",
        "sim=();nonce=\"a",
        "sim=();nonce=a",
        "sim=();created=1;created=1",
        "sim=(); created=1",
        "sim=();created=1 ;expires=2",
        "sim=();CREATED=1",
        "sim=();created=1;",
        "sim=();keyid=\"\u{e9}\"",
        "sim=?1",
        "sim=:AA==:",
    ];
    for text in bad {
        let mut request = Received::signed();
        *request.value("signature-input") = text.to_owned();
        let reason = request.refusal();
        assert!(matches!(reason, "malformed_signature_input" | "malformed_header"), "{text:?}: {reason}");
    }
}

#[test]
fn more_components_than_any_signature_needs_are_refused() {
    let list: Vec<_> = (0..33).map(|index| format!("\"h{index}\"")).collect();
    let mut request = Received::signed();
    *request.value("signature-input") = format!("sim=({})", list.join(" "));
    assert_eq!(request.refusal(), "malformed_signature_input");
}

#[test]
fn a_signature_in_any_other_form_is_refused() {
    let good = Received::signed().value("signature").clone();
    let encoded = good.trim_start_matches("sim=:").trim_end_matches(':').to_owned();
    let bad = [
        String::new(),
        "sim".into(),
        "sim=".into(),
        "sim=:".into(),
        "sim=::".into(),
        format!("sim={encoded}"),
        format!("sim=:{encoded}"),
        format!("sim=:{}:", encoded.trim_end_matches('=')),
        format!("sim=:{encoded}=:"),
        format!("sim=:{}:", encoded.replace('=', "==")),
        format!("{good};a=1"),
        format!("{good},"),
        format!("{good} ,"),
        format!("sim=:{}:", &encoded[..40]),
        format!("sim=: {encoded}:"),
        "sim=\"x\"".into(),
        format!("sim=:{}*=:", &encoded[..42]),
    ];
    for text in bad {
        let mut request = Received::signed();
        *request.value("signature") = text.clone();
        assert_eq!(request.refusal(), "malformed_signature", "{text:?}");
    }
}

#[test]
fn users_survive_the_header() {
    for (tenant, user) in [(None, "u"), (Some("t"), "u"), (Some("\u{fc}"), "\u{1f600} x")] {
        let parsed = SimUser::parse(&SimUser::to_header(tenant, user).unwrap()).unwrap();
        assert_eq!(parsed, SimUser::Person { tenant: tenant.map(Into::into), user: user.into() });
    }
    assert_eq!(SimUser::parse("-"), Ok(SimUser::Adapter));
}

#[test]
fn two_users_never_share_a_header() {
    for (tenant, user) in [(None, ""), (None, "a\0b"), (Some("a\0"), "b")] {
        assert!(SimUser::to_header(tenant, user).is_err());
    }
    assert_ne!(SimUser::to_header(Some("a"), "bc").unwrap(), SimUser::to_header(Some("ab"), "c").unwrap());
}

#[test]
fn reasons_are_distinct_and_messages_plain() {
    let all = [
        Refusal::MissingSignature,
        Refusal::MalformedSignatureInput,
        Refusal::MalformedSignature,
        Refusal::SeveralSignatures,
        Refusal::LabelMismatch,
        Refusal::UnknownParameter,
        Refusal::CreatedMissing,
        Refusal::ExpiresMissing,
        Refusal::NonceMissing,
        Refusal::KeyidMissing,
        Refusal::UnsupportedAlgorithm,
        Refusal::UnknownComponent,
        Refusal::DuplicateComponent,
        Refusal::ComponentMissing,
        Refusal::HeaderMissing,
        Refusal::DuplicateHeader,
        Refusal::UnsignedHeader,
        Refusal::MalformedHeader,
        Refusal::MalformedTarget,
        Refusal::NotYetValid,
        Refusal::Expired,
        Refusal::TooOld,
        Refusal::InvalidLifetime,
        Refusal::UnknownKey,
        Refusal::SignatureMismatch,
        Refusal::MalformedDigest,
        Refusal::DigestMismatch,
        Refusal::MalformedUser,
        Refusal::Replayed,
        Refusal::ReplayStoreFull,
        Refusal::ReplayStoreUnavailable,
    ];
    let reasons: std::collections::HashSet<_> = all.iter().map(|refusal| refusal.reason()).collect();
    assert_eq!(reasons.len(), all.len());
    assert!(all.iter().all(|refusal| { refusal.to_string().starts_with(|first: char| first.is_lowercase()) }));
}
