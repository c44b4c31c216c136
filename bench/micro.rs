//! What single parts of a request's way cost. `cargo bench --bench micro [NAME]` takes times (criterion). `--count NAME
//! TIMES` does one of them so many times and nothing else, for valgrind to count: see `scripts/counts.mjs`.

use std::hint::black_box;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use criterion::Criterion;
use hmac::{Hmac, KeyInit, Mac};
use http::Method;
use serde_json::json;
use sha2::Sha256;

use sim_adapter::arrival::Request;
use sim_adapter::config::Config;
use sim_adapter::engine::{Engine, Submission};
use sim_adapter::policy::{Ask, FrozenClock, Operation, Plans, Policy, PolicyConfig, Rate, Subject};
use sim_adapter::proxy::path::CanonicalPath;
use sim_adapter::proxy::rules::Rules;
use sim_adapter::run::keys::Secret;
use sim_adapter::run::{FlowId, Generation, Handles, Owner, RootKeys, RunIds, RunRef, SimRunId};
use sim_adapter::signing::{ContentDigest, RequestToSign, Secrets, Signer};
use sim_adapter::user::token::Verifier;
use sim_adapter::user::verified::Verified;

// Private to its room there, and to be seen by nobody else. Its tests come along, and run there.
#[allow(dead_code)]
#[path = "../src/upstream/sse.rs"]
mod sse;

const SECRET: &str = "bench-secret-of-more-than-32-bytes";
const USER: &str = "0123456789abcdef01234567";
const FLOW: &str = "a3f2c9d4-5b6e-4f70-8a91-b2c3d4e5f607";
/// 2100: no token of a bench expires.
const EXPIRES: u64 = 4_102_444_800;

type Work = Box<dyn FnMut()>;
/// Makes a work ready.
type Ready = fn() -> Work;

/// The works by their names.
const WORKS: [(&str, Ready); 11] = [
    ("verify", verify),
    ("verify-known", verify_known),
    ("limit", limit),
    ("canonicalise", canonicalise),
    ("admit", admit),
    ("sign", sign),
    ("mint", mint),
    ("open", open),
    ("run-id", run_id),
    ("sse", sse_frames),
    ("refuse", refuse),
];

/// A token as LibreChat signs it.
fn token() -> String {
    let head = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
    let claims = format!(
        r#"{{"id":"{USER}","username":"ann","provider":"local","email":"ann@example.com","iat":1,"exp":{EXPIRES}}}"#
    );
    let signed = format!("{head}.{}", URL_SAFE_NO_PAD.encode(claims));
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("any length is a key");
    mac.update(signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

fn verifier() -> Verifier {
    Verifier::new(&[SECRET], 0).expect("a secret")
}

/// A bearer token that is seen for the first time.
fn verify() -> Work {
    let (verifier, token) = (verifier(), token());
    Box::new(move || {
        black_box(verifier.verify(black_box(&token)).expect("a good token"));
    })
}

/// The same token again.
fn verify_known() -> Work {
    let (verified, token) = (Verified::new(verifier()), token());
    Box::new(move || {
        black_box(verified.verify(black_box(&token), 1).expect("a good token"));
    })
}

/// One user's request, let through, in memory.
fn limit() -> Work {
    let time = FrozenClock::at(0);
    let config = PolicyConfig {
        plans: Plans::none(),
        user_rate: Rate::new(60_000, 1),
        ip_rate: None,
        hook_rate: None,
        redis: None,
    };
    let policy = Policy::new(config, time.clock(), Box::new(|_| ())).expect("a policy");
    Box::new(move || {
        time.advance(Duration::from_millis(1));
        let subject = Subject { tenant: None, user: USER, plan: None, role: Some("USER"), ip: None };
        let ask = Ask { subject, operation: Operation::RunsRead, flow: None, input_len: 0, run_id: None };
        assert!(black_box(policy.check_local(black_box(&ask))).is_ok());
    })
}

fn proxy_path() -> String {
    format!("/api/v2/workflows/{FLOW}/runs/{}", "A".repeat(67))
}

/// The path of a `/proxy` call, brought into its one form.
fn canonicalise() -> Work {
    let path = proxy_path();
    Box::new(move || {
        black_box(CanonicalPath::parse(black_box(&path)).expect("a good path"));
    })
}

/// That path, held against the allow-list.
fn admit() -> Work {
    let path = CanonicalPath::parse(&proxy_path()).expect("a good path");
    let rules = Rules::new::<&str>(&[]).expect("no rule is a good list");
    Box::new(move || {
        black_box(rules.admit(&Method::GET, black_box(&path)).expect("an allowed path"));
    })
}

/// A start of 256 bytes: digest and signature.
fn sign() -> Work {
    let signer = Signer::new(&Secrets::new(&[SECRET]).expect("a secret"));
    let (body, target) = ([b'x'; 256], format!("/api/v2/workflows/{FLOW}/execute"));
    let mut buffer = Vec::new();
    Box::new(move || {
        let request = RequestToSign {
            method: "POST",
            authority: "sim.example.com:3000",
            target: &target,
            request_id: "5d1c0f6e9a3b7c2400000007",
            sim_user: "ADAxMjM0NTY3ODlhYmNkZWYwMTIzNDU2Nw",
            content_type: Some("application/json"),
            run_id: Some("sa1-0123456789abcdef0123456789abcdef"),
            execution_id: None,
            execution_mode: None,
            body: ContentDigest::of(black_box(&body)),
        };
        black_box(signer.sign(&request, 1_767_225_600, &mut buffer).expect("a signature"));
    })
}

fn roots() -> RootKeys {
    RootKeys::new(vec![Secret::new(SECRET.as_bytes())]).expect("a secret")
}

fn owner() -> Owner {
    Owner::new(None, Some(USER))
}

fn flow() -> FlowId {
    FlowId::parse(FLOW).expect("an id")
}

fn reference() -> RunRef {
    let run = SimRunId::parse("sa1-0123456789abcdef0123456789abcdef").expect("an id");
    RunRef { generation: Generation::V2, flow: flow(), run }
}

/// A run's handle for its user.
fn mint() -> Work {
    let (handles, owner, reference) = (Handles::new(&roots()), owner(), reference());
    Box::new(move || {
        black_box(handles.mint(&owner, black_box(&reference)));
    })
}

/// The run of a handle that comes back.
fn open() -> Work {
    let (handles, owner) = (Handles::new(&roots()), owner());
    let handle = handles.mint(&owner, &reference());
    Box::new(move || {
        black_box(handles.open(&owner, black_box(&handle)).expect("the owner's handle"));
    })
}

/// The id under which Sim is to start a run.
fn run_id() -> Work {
    let (ids, owner, flow) = (RunIds::new(&roots()).expect("random bytes"), owner(), flow());
    Box::new(move || {
        black_box(ids.derive(&owner, &flow, black_box("0d4b6a3c-6b1e-4a53-9c1d-3e2f1a0b9c8d")));
    })
}

/// A streamed run of 100 events, in pieces that end anywhere.
fn sse_frames() -> Work {
    let events: String =
        (0..100).map(|n| format!("data: {{\"blockId\":\"agent-1\",\"chunk\":\"word {n} \"}}\n\n")).collect();
    Box::new(move || {
        let mut frames = sse::Frames::default();
        let mut count = 0;
        for piece in black_box(events.as_bytes()).chunks(1_000) {
            frames.push(piece).expect("a small frame");
            while let Some(data) = frames.next_data() {
                black_box(data);
                count += 1;
            }
        }
        assert_eq!(count, 100);
    })
}

/// A run above its user's limit, from the request to the bytes of the refusal.
fn refuse() -> Work {
    let options = json!({
        "auth": "jwt",
        "jwtSecret": SECRET,
        "baseUrl": "http://127.0.0.1:9",
        "apiKey": "key",
        "signingSecret": SECRET,
        "userMax": 1,
    });
    let (config, problems) = Config::read(&json!({ "options": options, "env": {} }));
    let engine = Engine::start(config, problems, Box::new(|| ())).expect("good settings");
    let (url, authorization) = (format!("/flows/{FLOW}/run"), format!("Bearer {}", token()));
    let body = format!(r#"{{"input":{{"question":"{}"}},"mode":"async"}}"#, "x".repeat(215));
    let mut answer = [0; 4096];
    let mut submit = move || {
        let request = Request {
            method: "POST",
            url: &url,
            mount: "/api/sim",
            authorization: vec![&authorization],
            body: body.clone().into(),
            ..Request::default()
        };
        engine.submit(0, black_box(request), &mut answer)
    };
    assert!(matches!(submit(), Submission::Pending), "the first is let through");
    Box::new(move || assert!(matches!(submit(), Submission::Answered(_)), "refused at once"))
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, flag, name, times] = arguments.as_slice()
        && flag == "--count"
    {
        let (_, ready) = WORKS.iter().find(|(known, _)| known == name).expect("the name of a work");
        let mut work = ready();
        for _ in 0..times.parse().expect("a number") {
            work();
        }
        return;
    }
    if arguments.get(1).is_some_and(|flag| flag == "--names") {
        println!("{}", WORKS.map(|(name, _)| name).join("\n"));
        return;
    }
    let mut criterion = Criterion::default().configure_from_args();
    for (name, ready) in WORKS {
        let mut work = ready();
        criterion.bench_function(name, |bencher| bencher.iter(&mut work));
    }
    criterion.final_summary();
}
