//! What holds for any input.

use proptest::prelude::*;

use super::*;
use crate::signing::ReceivedSignature;

/// Flips one bit of `text`; `None` where the result is no text (such bytes cannot arrive as a string).
fn flip(text: &str, bit: usize) -> Option<String> {
    let mut bytes = text.as_bytes().to_vec();
    let length = bytes.len();
    bytes[(bit / 8) % length] ^= 1 << (bit % 8);
    String::from_utf8(bytes).ok()
}

proptest! {
    #[test]
    fn a_flipped_bit_in_any_signed_part_is_refused(part in 0_usize..11, bit in 0_usize..4096) {
        let original = Received::signed();
        let mut request = original.clone();
        let headers = ["x-request-id", "x-sim-user", "x-run-id", "content-type", "content-digest", "signature", "host"];
        match part {
            0 => request.method = flip(&request.method, bit).unwrap_or_default(),
            1 => request.target = flip(&request.target, bit).unwrap_or_default(),
            2 => { let length = request.body.len(); request.body[(bit / 8) % length] ^= 1 << (bit % 8); }
            3 => {
                // The label is outside the signature; what follows it is inside.
                let (label, params) = request.value("signature-input").split_at(4);
                let flipped = format!("{label}{}", flip(params, bit).unwrap_or_default());
                *request.value("signature-input") = flipped;
            }
            _ => {
                let name = headers[part - 4];
                let flipped = flip(request.value(name), bit).unwrap_or_default();
                // A host in capitals is the same host (RFC 9110 section 4.2.3).
                prop_assume!(name != "host" || !flipped.eq_ignore_ascii_case(request.value(name)));
                *request.value(name) = flipped;
            }
        }
        prop_assert!(request.verify().is_err(), "{request:?}");
    }

    #[test]
    fn whatever_is_signed_verifies(
        method in "[A-Z]{1,8}",
        target in "/[!-\"$-~]{0,40}",
        id in "[!-~]([ -~]{0,40}[!-~])?",
        user in "\\PC{1,20}",
        tenant in proptest::option::of("\\PC{1,20}"),
        run_id in proptest::option::of("[A-Za-z0-9._:-]{1,40}"),
        body in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let sim_user = SimUser::to_header(tenant.as_deref(), &user).unwrap();
        let request = RequestToSign {
            method: &method, authority: "sim:3000", target: &target, request_id: &id, sim_user: &sim_user,
            content_type: None, run_id: run_id.as_deref(), execution_id: None, execution_mode: None,
            body: ContentDigest::of(&body),
        };
        let signed = Signer::new(&secrets(&[SECRET])).sign(&request, NOW, &mut Vec::new()).unwrap();
        let mut received = Received { method: method.clone(), target: target.clone(), headers: Vec::new(), body };
        for (name, value) in [
            ("host", "sim:3000"), ("x-request-id", &id), ("x-sim-user", &sim_user), ("content-digest", &signed.content_digest),
            ("signature-input", &signed.signature_input), ("signature", &signed.signature),
        ] {
            received = received.with(name, value);
        }
        if let Some(run_id) = &run_id {
            received = received.with("x-run-id", run_id);
        }
        let head = received.verify().unwrap();
        prop_assert_eq!(head.user, SimUser::Person { tenant, user });
    }

    #[test]
    fn no_text_makes_the_parsers_panic(input in "\\PC{0,80}", signature in "\\PC{0,80}", digest in "\\PC{0,60}", user in "\\PC{0,40}") {
        parse_all(&input, &signature, &digest, &user);
    }

    #[test]
    fn no_text_that_is_nearly_right_makes_the_parsers_panic(
        input in "(sim)?=?\\(?(\"[@a-z;=]{0,6}\" ?){0,4}\\)?(;[a-z]{0,7}=?[0-9\":a-z,]{0,20}){0,4}",
        signature in "(sim)?=?:?[A-Za-z0-9+/=]{0,50}:?,? ?",
        digest in "(sha-256=:[A-Za-z0-9+/=]{0,50}:,? ?){0,3}",
        user in "[A-Za-z0-9_=-]{0,40}",
    ) {
        parse_all(&input, &signature, &digest, &user);
    }
}

fn parse_all(input: &str, signature: &str, digest: &str, user: &str) {
    let headers = [("signature-input", input), ("signature", signature), ("host", digest)];
    let message = Message { method: "GET", scheme: Scheme::Https, target: input, headers: &headers };
    let _ = ReceivedSignature::parse(&message);
    let _ = message.component("@authority");
    let _ = message.component("@query");
    let _ = verifier().check_head(&message, NOW);
    let _ = ContentDigest::parse(digest);
    let _ = SimUser::parse(user);
}
