//! What the two sides promise each other. Requests are built here as a server would see them.

mod coverage;
mod forms;
mod properties;
mod refusals;
mod replays;
mod rfc9421;
mod signer;

use futures_util::FutureExt;

use super::{
    ContentDigest, Message, Refusal, ReplayMemory, RequestToSign, Scheme, Secrets, SignedHead, Signer, SimUser,
    Verifier, Window,
};

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const OLD_SECRET: &str = "fedcba9876543210fedcba9876543210";
const NOW: u64 = 1_800_000_000;
const BODY: &[u8] = br#"{"input":{"message":"hi"}}"#;

fn secrets(list: &[&str]) -> Secrets {
    Secrets::new(list).unwrap()
}

fn verifier() -> Verifier {
    Verifier::new(secrets(&[SECRET]), Window::default())
}

/// A request with owned parts, to be changed at will before it is verified.
#[derive(Debug, Clone)]
struct Received {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Received {
    /// A run, signed at `NOW`, with every optional header but `x-execution-id` and `x-execution-mode`.
    fn signed() -> Self {
        Self::signed_with(&Signer::new(&secrets(&[SECRET])))
    }

    fn signed_with(signer: &Signer) -> Self {
        let user = SimUser::to_header(Some("acme"), "65f0c0ffee").unwrap();
        let request = RequestToSign {
            method: "POST",
            authority: "sim.internal:3000",
            target: "/api/v2/workflows/wf-1/execute?b=2&a=1",
            request_id: "req-1",
            sim_user: &user,
            content_type: Some("application/json"),
            run_id: Some("run-1"),
            execution_id: None,
            execution_mode: None,
            body: ContentDigest::of(BODY),
        };
        let signed = signer.sign(&request, NOW, &mut Vec::new()).unwrap();
        let headers = [
            ("Host", request.authority),
            ("Content-Type", "application/json"),
            ("X-Request-Id", request.request_id),
            ("X-Sim-User", request.sim_user),
            ("X-Run-Id", "run-1"),
            ("X-API-Key", "sk-not-covered"),
            ("Content-Digest", &signed.content_digest),
            ("Signature-Input", &signed.signature_input),
            ("Signature", &signed.signature),
        ];
        Self {
            method: request.method.into(),
            target: request.target.into(),
            headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
            body: BODY.to_vec(),
        }
    }

    fn value(&mut self, name: &str) -> &mut String {
        &mut self.headers.iter_mut().find(|(key, _)| key.eq_ignore_ascii_case(name)).unwrap().1
    }

    fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(key, _)| !key.eq_ignore_ascii_case(name));
        self
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Replaces a part of a header that is there.
    fn replacing(mut self, name: &str, from: &str, to: &str) -> Self {
        let value = self.value(name);
        assert!(value.contains(from), "{name} has no {from}");
        *value = value.replacen(from, to, 1);
        self
    }

    fn with_message<T>(&self, look: impl FnOnce(&Message<'_>) -> T) -> T {
        let headers: Vec<_> = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        look(&Message { method: &self.method, scheme: Scheme::Http, target: &self.target, headers: &headers })
    }

    fn verify_at(&self, verifier: &Verifier, now: u64, memory: &ReplayMemory) -> Result<SignedHead, Refusal> {
        self.with_message(|message| verifier.verify(message, &self.body, now, memory).now_or_never().unwrap())
    }

    /// Verifies with an empty memory, at the time of signing.
    fn verify(&self) -> Result<SignedHead, Refusal> {
        self.verify_at(&verifier(), NOW, &ReplayMemory::new(8))
    }

    fn refusal(&self) -> &'static str {
        self.verify().map_or_else(Refusal::reason, |_| "accepted")
    }
}
