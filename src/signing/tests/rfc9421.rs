//! RFC 9421 appendix B.2.5, both ways, byte for byte.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::signing::{Component, Parameters, ReceivedSignature, Secret, sign_components, write_base};

const SHARED_SECRET: &str = "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ==";
const DATE: &str = "Tue, 20 Apr 2021 02:07:55 GMT";
const BASE: &str = "\"date\": Tue, 20 Apr 2021 02:07:55 GMT\n\
    \"@authority\": example.com\n\
    \"content-type\": application/json\n\
    \"@signature-params\": (\"date\" \"@authority\" \"content-type\");created=1618884473;keyid=\"test-shared-secret\"";
const INPUT: &str =
    "sig-b25=(\"date\" \"@authority\" \"content-type\");created=1618884473;keyid=\"test-shared-secret\"";
const SIGNATURE: &str = "sig-b25=:pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=:";

fn key() -> Secret {
    Secret::new(&STANDARD.decode(SHARED_SECRET).unwrap())
}

fn request() -> Received {
    let headers = [
        ("Host", "example.com"),
        ("Date", DATE),
        ("Content-Type", "application/json"),
        ("Content-Length", "18"),
        ("Signature-Input", INPUT),
        ("Signature", SIGNATURE),
    ];
    Received {
        method: "POST".into(),
        target: "/foo?param=Value&Pet=dog".into(),
        headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
        body: br#"{"hello": "world"}"#.to_vec(),
    }
}

#[test]
fn signs_the_vector_byte_for_byte() {
    let components = [
        Component { name: "date", value: DATE },
        Component { name: "@authority", value: "example.com" },
        Component { name: "content-type", value: "application/json" },
    ];
    let parameters =
        Parameters { created: Some(1_618_884_473), keyid: Some("test-shared-secret"), ..Parameters::default() };
    let mut buffer = Vec::new();
    write_base(&mut buffer, &components, &parameters).unwrap();
    assert_eq!(std::str::from_utf8(&buffer).unwrap(), BASE);
    let (input, signature) = sign_components(&key(), "sig-b25", &components, &parameters, &mut buffer).unwrap();
    assert_eq!((input.as_str(), signature.as_str()), (INPUT, SIGNATURE));
}

#[test]
fn verifies_the_vector_without_policy() {
    request().with_message(|message| {
        let received = ReceivedSignature::parse(message).unwrap();
        assert_eq!(received.components, ["date", "@authority", "content-type"]);
        assert_eq!(received.verify(message, &key()), Ok(()));
        assert_eq!(received.verify(message, &Secret::new(b"another")), Err(Refusal::SignatureMismatch));
    });
    request().replacing("date", "2021", "2022").with_message(|message| {
        let received = ReceivedSignature::parse(message).unwrap();
        assert_eq!(received.verify(message, &key()), Err(Refusal::SignatureMismatch));
    });
}

#[test]
fn the_policy_refuses_the_vector_for_its_missing_components() {
    let secrets = Secrets::new(&[STANDARD.decode(SHARED_SECRET).unwrap()]).unwrap();
    let verifier = Verifier::new(secrets, Window { max_age: u64::MAX, skew: 0 });
    let memory = ReplayMemory::new(1);
    assert_eq!(request().verify_at(&verifier, 1_618_884_473, &memory), Err(Refusal::ComponentMissing));
}
