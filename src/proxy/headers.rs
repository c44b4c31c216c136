//! Which headers cross `/proxy`, in lower case. Whatever is not named here stays where it came from.
//! It must not know what the adapter sets by itself: key, signature, request id, content type of the request.

/// From the client to Sim. No credentials, no hop-by-hop header, nothing about the route or the client's address.
pub const REQUEST: [&str; 3] = ["accept-language", "traceparent", "tracestate"];

/// From Sim to the client. No cookie, no validators or lengths (the body is rewritten), no limits of the shared key, no
/// cache rule (the answer is one user's), nothing that tells a browser what to do.
pub const RESPONSE: [&str; 3] = ["content-language", "content-type", "last-modified"];

/// Whether `name`, in any case, is one of `list`.
pub fn passes(list: &[&str], name: &str) -> bool {
    list.iter()
        .any(|allowed| allowed.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn the_corpus_of_headers_gets_the_expected_answers() {
        let corpus: Value =
            serde_json::from_str(include_str!("../../__test__/security/corpus/headers.json"))
                .unwrap();
        let cases = corpus["cases"].as_array().unwrap();
        assert!(cases.len() > 50);
        for case in cases {
            let list = match case["direction"].as_str().unwrap() {
                "request" => REQUEST,
                "response" => RESPONSE,
                other => panic!("no such direction: {other}"),
            };
            let passes = passes(&list, case["header"].as_str().unwrap());
            assert_eq!(passes, case["expect"] == "passes", "{}", case["name"]);
        }
    }
}
