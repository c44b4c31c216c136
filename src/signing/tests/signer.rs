//! What is put on the wire.

use super::*;
use crate::signing::{SecretError, SignError};

fn plain<'a>(authority: &'a str, target: &'a str) -> RequestToSign<'a> {
    RequestToSign {
        method: "GET",
        authority,
        target,
        request_id: "req-1",
        sim_user: SimUser::ADAPTER,
        content_type: None,
        run_id: None,
        execution_id: None,
        execution_mode: None,
        body: ContentDigest::of(b""),
    }
}

fn sign(request: &RequestToSign<'_>) -> Result<(String, crate::signing::SignatureHeaders), SignError> {
    let mut buffer = Vec::new();
    let headers = Signer::new(&secrets(&[SECRET])).sign(request, NOW, &mut buffer)?;
    Ok((String::from_utf8(buffer).unwrap(), headers))
}

#[test]
fn covers_the_required_set_and_nothing_else_of_a_bare_request() {
    let (base, headers) = sign(&plain("SIM.internal", "/api/v2/workflows")).unwrap();
    assert_eq!(headers.content_digest, "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:");
    let lines: Vec<_> = base.lines().collect();
    assert_eq!(
        lines[..7],
        [
            r#""@method": GET"#,
            r#""@authority": sim.internal"#,
            r#""@path": /api/v2/workflows"#,
            r#""@query": ?"#,
            r#""content-digest": sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"#,
            r#""x-request-id": req-1"#,
            r#""x-sim-user": -"#,
        ]
    );
    assert_eq!(lines.len(), 8);
    let expected = concat!(
        r#"sim=("@method" "@authority" "@path" "@query" "content-digest" "x-request-id" "x-sim-user")"#,
        r#";created=1800000000;expires=1800000060;nonce=""#
    );
    assert!(headers.signature_input.starts_with(expected), "{}", headers.signature_input);
    assert!(headers.signature_input.ends_with(r#";alg="hmac-sha256""#));
    assert!(base.ends_with(headers.signature_input.strip_prefix("sim=").unwrap()));
}

#[test]
fn covers_each_optional_header_that_is_present() {
    let request = RequestToSign {
        content_type: Some("application/json"),
        run_id: Some("run-1"),
        execution_id: Some("exec-1"),
        execution_mode: Some("async"),
        ..plain("sim", "/x?")
    };
    let (base, headers) = sign(&request).unwrap();
    assert!(headers.signature_input.contains(r#""content-type" "x-run-id" "x-execution-id" "x-execution-mode");"#));
    assert!(base.contains("\"x-execution-id\": exec-1\n\"x-execution-mode\": async\n"));
    assert!(base.contains("\"@query\": ?\n"));
}

#[test]
fn every_signature_has_its_own_nonce() {
    let request = plain("sim", "/");
    let (_, first) = sign(&request).unwrap();
    let (_, second) = sign(&request).unwrap();
    assert_ne!(first.signature_input, second.signature_input);
    assert_ne!(first.signature, second.signature);
}

#[test]
fn refuses_what_would_not_be_one_header_line() {
    for bad in ["", " a", "a ", "a\nb", "a\r\nx-api-key: k", "a\0", "é", "\t"] {
        let request = RequestToSign { request_id: bad, ..plain("sim", "/") };
        assert_eq!(sign(&request).unwrap_err(), SignError::InvalidValue("x-request-id"), "{bad:?}");
    }
    for bad in ["", "x", "*", "http://sim/", "/a b", "/a#b", "/é", "/a\n"] {
        assert_eq!(sign(&plain("sim", bad)).unwrap_err(), SignError::InvalidValue("@path"), "{bad:?}");
    }
}

#[test]
fn the_newest_secret_signs_and_all_verify() {
    let rotated = secrets(&[SECRET, OLD_SECRET]);
    let verifier = Verifier::new(rotated.clone(), Window::default());
    let by_old = Received::signed_with(&Signer::new(&secrets(&[OLD_SECRET])));
    let by_rotated = Received::signed_with(&Signer::new(&rotated));
    let memory = ReplayMemory::new(8);
    assert!(by_old.verify_at(&verifier, NOW, &memory).is_ok());
    assert_eq!(by_rotated.verify_at(&verifier, NOW, &memory).unwrap().keyid, rotated.newest().keyid());
    assert_eq!(by_old.verify(), Err(Refusal::UnknownKey));
}

#[test]
fn short_secrets_and_an_empty_list_are_refused() {
    assert_eq!(Secrets::new::<&str>(&[]).unwrap_err(), SecretError::Empty);
    assert_eq!(Secrets::new(&[SECRET, &SECRET[1..]]).unwrap_err(), SecretError::TooShort { index: 1 });
}

#[test]
fn debug_shows_no_secret() {
    let list = secrets(&[SECRET, OLD_SECRET]);
    let signer = Signer::new(&list);
    let verifier = Verifier::new(list.clone(), Window::default());
    assert_eq!(format!("{list:?} {:?}", list.newest()), "*** ***");
    for shown in [format!("{signer:?}"), format!("{verifier:?}")] {
        assert!(shown.contains("***") && !shown.contains("0123456789abcdef"), "{shown}");
    }
}

#[test]
fn a_keyid_is_derived_and_differs_by_secret() {
    let (new, old) = (secrets(&[SECRET]), secrets(&[OLD_SECRET]));
    assert_eq!(new.newest().keyid().len(), 12);
    assert_eq!(new.newest().keyid(), secrets(&[SECRET]).newest().keyid());
    assert_ne!(new.newest().keyid(), old.newest().keyid());
}

#[test]
fn keyed_state_is_wiped_when_dropped() {
    fn wiped<T: zeroize::ZeroizeOnDrop>() {}
    wiped::<sha2::Sha256>();
    wiped::<sha2::block_api::Sha256VarCore>();
}
