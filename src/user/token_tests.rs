//! What the verifier promises: the corpus of tokens, and what needs more than one token to show.

use std::sync::Arc;

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use hmac::{EagerHash, Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::{Sha256, Sha384, Sha512};

use super::*;
use crate::user::bearer::bearer;
use crate::user::decide;

const CORPUS: &str = include_str!("../../__test__/security/corpus/tokens.json");

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn hmac<D: EagerHash>(secret: &str, message: &str) -> Vec<u8> {
    let mac = Hmac::<D>::new_from_slice(secret.as_bytes()).unwrap();
    mac.chain_update(message).finalize().into_bytes().to_vec()
}

fn sign(secret: &str, payload: &Value) -> String {
    let message = format!("{}.{}", encode(br#"{"alg":"HS256","typ":"JWT"}"#), encode(payload.to_string().as_bytes()));
    format!("{message}.{}", encode(&hmac::<Sha256>(secret, &message)))
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The text of a part: as it stands, or the JSON of an object.
fn part(value: &Value, now: u64) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut out = String::new();
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once("@now") {
        let end = after.find(|c: char| !matches!(c, '+' | '-' | '.' | '0'..='9')).unwrap_or(after.len());
        let offset: f64 = if end == 0 { 0.0 } else { after[..end].parse().unwrap() };
        let quoted = before.ends_with('"');
        out.push_str(before.strip_suffix('"').filter(|_| quoted).unwrap_or(before));
        out.push_str(&(now as f64 + offset).to_string());
        rest = &after[end + usize::from(quoted)..];
    }
    repeat(&(out + rest))
}

fn repeat(text: &str) -> String {
    let Some((before, after)) = text.split_once("@repeat ") else {
        return text.to_owned();
    };
    let end = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
    format!("{before}{}{}", "x".repeat(after[..end].parse().unwrap()), &after[end..])
}

fn build(case: &Value, secrets: &Value, now: u64) -> String {
    if let Some(token) = case["token"].as_str() {
        return repeat(token);
    }
    let header = case.get("header").cloned().unwrap_or_else(|| json!({"alg": "HS256", "typ": "JWT"}));
    let payload = match case["payloadHex"].as_str() {
        Some(hex) => (0..hex.len() / 2).map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap()).collect(),
        None => part(&case["payload"], now).into_bytes(),
    };
    let edit = case["edit"].as_str().unwrap_or("none");
    let padding = if edit == "pad-payload" { "=" } else { "" };
    let message = format!("{}.{}{padding}", encode(part(&header, now).as_bytes()), encode(&payload));
    let secret = secrets[case["secret"].as_str().unwrap_or("newest")].as_str().unwrap();
    let mut signature = match case["sign"].as_str().unwrap_or("HS256") {
        "HS256" => hmac::<Sha256>(secret, &message),
        "HS384" => hmac::<Sha384>(secret, &message),
        "HS512" => hmac::<Sha512>(secret, &message),
        "none" => vec![],
        other => panic!("no such algorithm in the corpus: {other}"),
    };
    match edit {
        "flip-first" => signature[0] ^= 0x80,
        "flip-last" => signature[31] ^= 1,
        "signature-31" => signature.truncate(31),
        "signature-16" => signature.truncate(16),
        "signature-twice" => signature.extend_from_within(..),
        "signature-zero" => signature.fill(0),
        _ => {}
    }
    let token = format!("{message}.{}", encode(&signature));
    let (_, signature_text) = token.rsplit_once('.').unwrap();
    match edit {
        "other-payload" => {
            let payload = encode(json!({"id": "mallory", "exp": now + 900}).to_string().as_bytes());
            format!("{}.{payload}.{signature_text}", message.split_once('.').unwrap().0)
        }
        "pad-signature" => format!("{token}="),
        // Whatever the signature, two of its letters are ones that only the standard alphabet has.
        "standard-base64" => format!("{message}.+/{}", &STANDARD_NO_PAD.encode(&signature)[2..]),
        "trailing-bits" => format!("{}_", &token[..token.len() - 1]),
        "newline" => format!("{token}\n"),
        "drop-first" => token[1..].to_owned(),
        "drop-last-10" => token[..token.len() - 10].to_owned(),
        "drop-signature" => message,
        "drop-half" => token[..token.len() / 2].to_owned(),
        "fourth-part" => format!("{token}.{signature_text}"),
        _ => token,
    }
}

#[test]
fn the_corpus_of_tokens_gets_the_expected_answers() {
    let corpus: Value = serde_json::from_str(CORPUS).unwrap();
    let secrets = [&corpus["secrets"]["newest"], &corpus["secrets"]["older"]].map(|s| s.as_str().unwrap());
    let cases = corpus["cases"].as_array().unwrap();
    assert!(cases.len() > 150);
    let mut wrong = Vec::new();
    for case in cases {
        let leeway = case["leeway"].as_u64().unwrap_or(0) as u16;
        let verifier = Verifier::new(&secrets, leeway).unwrap();
        let token = build(case, &corpus["secrets"], now());
        let headers: Vec<String> = match case["authorization"].as_array() {
            Some(list) => list.iter().map(|value| value.as_str().unwrap().replace("{token}", &token)).collect(),
            None => vec![format!("Bearer {token}")],
        };
        let read = bearer(headers.iter().map(String::as_str));
        let answer = decide(
            None,
            read.map(|token| token.map(|token| verifier.verify(token).map(Arc::new))).unwrap_or_else(|e| Some(Err(e))),
        );
        let seen = match &answer {
            Ok(caller) => format!("ok {}", caller.id()),
            Err(refusal) => refusal.to_string(),
        };
        let expected = match case["expect"].as_str().unwrap() {
            "ok" => format!("ok {}", case["id"].as_str().unwrap()),
            "@any" if answer.is_err() => seen.clone(),
            reason => reason.to_owned(),
        };
        if seen != expected {
            wrong.push(format!("{}: expected {expected}, got {seen}", case["name"]));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_token_says_what_was_signed() {
    let payload = json!({"id": "ann", "username": "Ann", "provider": "openid", "email": "a@b.c", "exp": now() + 900});
    let claims = Verifier::new(&["s"], 0).unwrap().verify(&sign("s", &payload)).unwrap();
    assert_eq!(claims.username.as_deref(), Some("Ann"));
    assert_eq!(claims.provider.as_deref(), Some("openid"));
    assert_eq!(claims.email.as_deref(), Some("a@b.c"));
    assert_eq!(serde_json::from_str::<Value>(&claims.raw).unwrap(), payload);
}

#[test]
fn a_secret_that_was_removed_signs_nothing_any_more() {
    let token = sign("older", &json!({"id": "ann", "exp": now() + 900}));
    assert!(Verifier::new(&["newest", "older"], 0).unwrap().verify(&token).is_ok());
    assert_eq!(Verifier::new(&["newest"], 0).unwrap().verify(&token), Err(TokenError::Signature));
}

#[test]
fn an_empty_secret_is_not_taken() {
    assert!(Verifier::new::<&str>(&[], 0).is_err());
    assert!(Verifier::new(&["good", ""], 0).is_err());
}

#[test]
fn no_flipped_bit_of_a_token_is_accepted() {
    let verifier = Verifier::new(&["s"], 0).unwrap();
    let token = sign("s", &json!({"id": "ann", "exp": now() + 900}));
    assert!(verifier.verify(&token).is_ok());
    for bit in 0..token.len() * 8 {
        let mut bytes = token.clone().into_bytes();
        bytes[bit / 8] ^= 1 << (bit % 8);
        if let Ok(text) = String::from_utf8(bytes) {
            assert!(verifier.verify(&text).is_err(), "{text}");
        }
    }
}

#[test]
fn no_debug_output_shows_a_token_secret() {
    let seen = format!("{:?}", Verifier::new(&["hush-hush"], 0).unwrap());
    assert_eq!(seen, "***");
}

proptest::proptest! {
    #[test]
    fn any_text_is_answered(token in ".{0,200}", header in ".{0,100}") {
        proptest::prop_assert!(Verifier::new(&["s"], 0).unwrap().verify(&token).is_err());
        let _ = bearer([header.as_str()]);
    }

    #[test]
    fn any_payload_is_answered(payload in ".{0,200}") {
        let message = format!("{}.{}", encode(br#"{"alg":"HS256"}"#), encode(payload.as_bytes()));
        let token = format!("{message}.{}", encode(&hmac::<Sha256>("s", &message)));
        proptest::prop_assert!(Verifier::new(&["s"], 0).unwrap().verify(&token).is_err());
    }
}
