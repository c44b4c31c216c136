//! Whatever path is admitted to Sim, another reader of URLs sees it as it was matched: same host, same path, nothing
//! else. Run: `cargo +nightly fuzz run path -- -max_total_time=600`.

#![no_main]

use std::sync::LazyLock;

use http::Method;
use libfuzzer_sys::fuzz_target;
use sim_adapter::proxy::path::CanonicalPath;
use sim_adapter::proxy::rules::Rules;
use url::Url;

static BASES: LazyLock<Vec<Url>> = LazyLock::new(|| {
    [
        "http://sim.internal:3000/",
        "https://sim.internal/sub/path/",
    ]
    .iter()
    .map(|base| Url::parse(base).unwrap())
    .collect()
});
static RULES: LazyLock<Rules> = LazyLock::new(|| {
    Rules::new(&[
        "POST /api/v2/{a}",
        "POST /api/v2/{a}/{b}",
        "POST /api/v2/{a}/{b}/{c}",
        "POST /api/v2/{a}/{b}/{c}/{d}",
    ])
    .unwrap()
});
const PREFIXES: [&str; 5] = [
    "/api/v2/",
    "/api/v1/workflows",
    "/api/workflows/",
    "/api/flows",
    "/api/runs/",
];

fuzz_target!(|raw: &str| {
    let Ok(path) = CanonicalPath::parse(raw) else {
        return;
    };
    assert_eq!(path.as_str(), raw);
    for base in &*BASES {
        let joined = Url::parse(&format!("{}{path}", base.as_str().trim_end_matches('/'))).unwrap();
        assert_eq!((joined.host(), joined.port()), (base.host(), base.port()));
        assert_eq!((joined.username(), joined.password()), ("", None));
        assert_eq!((joined.query(), joined.fragment()), (None, None));
        assert_eq!(
            joined.path(),
            format!("{}{path}", base.path().trim_end_matches('/'))
        );
        let resolved = base.join(raw).unwrap();
        assert_eq!((resolved.host(), resolved.path()), (base.host(), raw));
    }
    for method in [Method::GET, Method::POST] {
        if RULES.admit(&method, &path).is_ok() {
            assert!(PREFIXES.iter().any(|prefix| raw.starts_with(prefix)));
        }
    }
});
