//! Options and environment -> one validated, immutable [`Config`], or every problem at once.
//! It knows names, defaults and forms; it opens no file and no connection.

mod read;

use std::time::Duration;

use serde_json::Value;
use url::Url;

pub use read::Problem;
use read::Reader;

use crate::policy::{Rate, RedisConfig};
use crate::run::keys::Secret;
use crate::run::{FlowId, Generation};

/// Which of Sim's API generations to speak (`SIM_API_VERSION`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApiVersion {
    Auto,
    Fixed(Generation),
}

/// Where Sim is and how to be let in. Absent when `SIM_BASE_URL` is unset.
#[derive(Clone)]
pub struct SimConfig {
    /// Without a trailing slash in its path.
    pub base_url: Url,
    pub api_key: Secret,
    pub api_version: ApiVersion,
    pub workspace_id: Option<String>,
    /// Longest time for one call to Sim, answer included.
    pub timeout: Duration,
    pub connect_timeout: Duration,
    /// How long calls pause after several failures in a row.
    pub circuit_open: Duration,
    /// Largest answer of Sim that is read, in bytes.
    pub max_answer_bytes: usize,
    /// PEM file with further certificate authorities.
    pub ca_file: Option<String>,
    pub proxy: ProxyConfig,
}

impl std::fmt::Debug for SimConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        // Where Sim is stays out of logs, and so does the way there.
        f.debug_struct("SimConfig").field("api_version", &self.api_version).finish_non_exhaustive()
    }
}

/// The outgoing HTTP proxy, with its exceptions.
#[derive(Clone, Default)]
pub struct ProxyConfig {
    pub url: Option<Url>,
    pub no_proxy: Option<String>,
}

impl std::fmt::Debug for ProxyConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        // A proxy URL may carry a password.
        f.debug_struct("ProxyConfig").field("url", &self.url.is_some()).finish_non_exhaustive()
    }
}

/// How bearer tokens are verified.
#[derive(Clone, Debug)]
pub struct JwtConfig {
    /// Newest first; all verify.
    pub secrets: Vec<Secret>,
    pub leeway_seconds: u16,
    /// Whether the host is asked (`resolveUser`) who the bearer is.
    pub asks_resolve_user: bool,
}

/// Rates, plans, and where they are shared.
#[derive(Clone, Debug)]
pub struct LimitsConfig {
    pub user_rate: Option<Rate>,
    pub ip_rate: Option<Rate>,
    pub hook_rate: Option<Rate>,
    pub plans: PlansSource,
    pub redis: Option<RedisConfig>,
    /// PEM file of the authorities that Redis' certificate is checked against.
    pub redis_ca_file: Option<String>,
}

#[derive(Clone, Debug)]
pub enum PlansSource {
    None,
    Inline(Value),
    File(String),
}

/// The whole configuration, read once at start.
#[derive(Clone, Debug)]
pub struct Config {
    pub sim: Option<SimConfig>,
    /// Sim's editor as browsers see it; the only source of `flow.url`.
    pub public_url: Option<Url>,
    /// Sim's or the host's Socket.io address as browsers see it.
    pub public_ws_url: Option<Url>,
    /// Where Sim reaches the host's `simHooks()`.
    pub callback_url: Option<Url>,
    /// Newest first; the roots of the secrets that Sim signs hooks with.
    pub webhook_secrets: Vec<Secret>,
    /// Newest first; the first signs.
    pub signing_secrets: Vec<Secret>,
    /// Newest first; the roots of handles and run ids.
    pub handle_secrets: Vec<Secret>,
    /// Longest wait of a `sync` run.
    pub sync_timeout: Duration,
    /// Largest request body, in bytes.
    pub max_body_bytes: usize,
    /// Whether the host is asked (`canRunFlow`) before a flow is shown or run.
    pub asks_can_run_flow: bool,
    /// Whether the host is asked (`gate`) before anything is sent to Sim.
    pub asks_gate: bool,
    /// Verify bearer tokens here (`auth: 'jwt'`), instead of trusting the host's `req.user` alone.
    pub jwt: Option<JwtConfig>,
    pub limits: LimitsConfig,
    /// What `/proxy` admits beyond its own rules, for example `GET /api/v2/logs`.
    pub proxy_rules: Vec<String>,
    /// Whether this process is the only one, so that run ids made with a random key still mean something.
    pub single_process: bool,
}

/// LibreChat's own limit for a JSON body.
const MAX_BODY_BYTES: u64 = 3 * 1024 * 1024;
const MAX_ANSWER_BYTES: u64 = 32 * 1024 * 1024;

impl Config {
    /// Reads `{"options": {…}, "env": {…}}`. An option wins over its environment variable; an empty variable counts
    /// as unset. With it comes every problem found; while there is one, the configuration is only good for finding
    /// more.
    pub fn read(settings: &Value) -> (Self, Vec<Problem>) {
        let mut r = Reader::new(settings);
        let base_url = r.url("baseUrl", "SIM_BASE_URL", &["http", "https"]);
        let api_key = r.secret("apiKey", "SIM_API_KEY");
        if r.has("baseUrl", "SIM_BASE_URL") && !r.has("apiKey", "SIM_API_KEY") {
            r.problem("apiKey", "SIM_API_KEY", "is required with SIM_BASE_URL");
        }
        let api_version = match r.text("apiVersion", "SIM_API_VERSION").as_deref() {
            None | Some("auto") => ApiVersion::Auto,
            Some("v2") => ApiVersion::Fixed(Generation::V2),
            Some("v1") => ApiVersion::Fixed(Generation::V1),
            Some("flows") => ApiVersion::Fixed(Generation::Flows),
            Some(_) => {
                r.problem("apiVersion", "SIM_API_VERSION", "must be auto, v2, v1 or flows");
                ApiVersion::Auto
            }
        };
        let workspace_id = r.text("workspaceId", "SIM_WORKSPACE_ID");
        if workspace_id.as_deref().is_some_and(|id| FlowId::parse(id).is_err()) {
            r.problem("workspaceId", "SIM_WORKSPACE_ID", "must be 1 to 128 of A-Z a-z 0-9 . _ : -");
        }
        let signing_secrets = r.secrets("signingSecret", "SIM_SIGNING_SECRET");
        let own_handle_secrets = r.secrets("handleSecret", "SIM_HANDLE_SECRET");
        let https = base_url.as_ref().is_some_and(|url| url.scheme() == "https");
        let proxy = r.proxy(https);
        let timeout = r.millis("timeoutMs", "SIM_TIMEOUT_MS", 30_000, 1..=600_000);
        let connect_timeout = r.millis("connectTimeoutMs", "SIM_CONNECT_TIMEOUT_MS", 5_000, 1..=60_000);
        let circuit_open = r.millis("circuitOpenMs", "SIM_CIRCUIT_OPEN_MS", 10_000, 1..=600_000);
        let max_answer_bytes =
            r.number("maxAnswerBytes", "SIM_MAX_ANSWER_BYTES", MAX_ANSWER_BYTES, 1024..=1024 * 1024 * 1024) as usize;
        let ca_file = r.text("caFile", "SIM_CA_FILE").or_else(|| r.env("NODE_EXTRA_CA_CERTS"));
        let sim = base_url.zip(api_key).map(|(base_url, api_key)| SimConfig {
            base_url,
            api_key,
            api_version,
            workspace_id,
            timeout,
            connect_timeout,
            circuit_open,
            max_answer_bytes,
            ca_file,
            proxy,
        });
        let config = Config {
            sim,
            public_url: r.url("publicUrl", "SIM_PUBLIC_URL", &["http", "https"]),
            public_ws_url: r.url("publicWsUrl", "SIM_PUBLIC_WS_URL", &["ws", "wss", "http", "https"]),
            callback_url: r.url("callbackUrl", "SIM_CALLBACK_URL", &["http", "https"]),
            webhook_secrets: r.secrets("webhookSecret", "SIM_WEBHOOK_SECRET"),
            handle_secrets: if own_handle_secrets.is_empty() { signing_secrets.clone() } else { own_handle_secrets },
            signing_secrets,
            sync_timeout: r.millis("syncTimeoutMs", "SIM_SYNC_TIMEOUT_MS", 30_000, 1..=600_000),
            max_body_bytes: r.number("maxBodyBytes", "SIM_MAX_BODY_BYTES", MAX_BODY_BYTES, 1024..=64 * 1024 * 1024)
                as usize,
            asks_can_run_flow: r.flag("canRunFlow"),
            asks_gate: r.flag("gate"),
            jwt: jwt(&mut r),
            limits: limits(&mut r),
            proxy_rules: r.list("proxyRules", "SIM_PROXY_RULES"),
            single_process: r.flag("singleProcess"),
        };
        (config, r.finish())
    }
}

/// `auth: 'jwt'` and what goes with it.
fn jwt(r: &mut Reader<'_>) -> Option<JwtConfig> {
    let secrets = r.secrets_of("jwtSecret", "JWT_SECRET", 1);
    let leeway_seconds = r.number("jwtLeewaySeconds", "", 0, 0..=300) as u16;
    let asks_resolve_user = r.flag("resolveUser");
    match r.text("auth", "").as_deref() {
        None | Some("host") => return None,
        Some("jwt") => {}
        Some(_) => {
            r.problem("auth", "", "must be 'host' or 'jwt'");
            return None;
        }
    }
    if secrets.is_empty() {
        if !r.has("jwtSecret", "JWT_SECRET") {
            r.problem("jwtSecret", "JWT_SECRET", "is required with auth: 'jwt'");
        }
        return None;
    }
    // A token names a user and nothing more: no role, no tenant, no ban.
    let needs_user = ["plans", "plansFile", "gate", "canRunFlow", "planOf"].iter().any(|name| r.has(name, ""));
    if !asks_resolve_user && (needs_user || r.env("SIM_PLANS_FILE").is_some()) {
        r.problem("resolveUser", "", "is required with auth: 'jwt' when plans, planOf, gate or canRunFlow are used");
    }
    Some(JwtConfig { secrets, leeway_seconds, asks_resolve_user })
}

fn limits(r: &mut Reader<'_>) -> LimitsConfig {
    let user_rate = rate(r, ("userMax", "SIM_USER_MAX", 240), ("userWindow", "SIM_USER_WINDOW"));
    let ip_rate = rate(r, ("ipMax", "SIM_IP_MAX", 1200), ("ipWindow", "SIM_IP_WINDOW"));
    let hook_rate = rate(r, ("hookIpMax", "SIM_HOOK_IP_MAX", 6000), ("hookIpWindow", "SIM_HOOK_IP_WINDOW"));
    r.ignore("planOf");
    let plans = match (r.value("plans"), r.text("plansFile", "SIM_PLANS_FILE")) {
        (Some(_), Some(_)) => {
            r.problem("plans", "", "cannot be given together with a plans file");
            PlansSource::None
        }
        (Some(plans), None) => PlansSource::Inline(plans.clone()),
        (None, Some(file)) => PlansSource::File(file),
        (None, None) => PlansSource::None,
    };
    let uri = r.text("redisUri", "REDIS_URI");
    let prefix = r.text("redisKeyPrefix", "REDIS_KEY_PREFIX").unwrap_or_default();
    let cluster = r.flag("redisCluster") || r.env("USE_REDIS_CLUSTER").as_deref() == Some("true");
    // LibreChat's own switch: an address that it does not use is not ours to use either.
    let off = r.env("USE_REDIS").as_deref() == Some("false");
    let redis = uri.filter(|_| !off).map(|uri| RedisConfig { uri, prefix, cluster, ca: None });
    LimitsConfig { user_rate, ip_rate, hook_rate, plans, redis, redis_ca_file: r.text("redisCa", "REDIS_CA") }
}

/// `MAX` requests per `WINDOW` minutes, as LibreChat names its limits; `MAX` 0: no limit.
fn rate(
    r: &mut Reader<'_>,
    (max, max_env, default): (&'static str, &'static str, u64),
    (window, window_env): (&'static str, &'static str),
) -> Option<Rate> {
    let max = r.number(max, max_env, default, 0..=u64::from(Rate::LARGEST_MAX));
    let minutes = r.number(window, window_env, 1, 1..=u64::from(Rate::LONGEST_WINDOW));
    if max == 0 { None } else { Rate::new(max as u32, minutes as u32) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read_settings(settings: &Value) -> Result<Config, Vec<Problem>> {
        let (config, problems) = Config::read(settings);
        if problems.is_empty() { Ok(config) } else { Err(problems) }
    }

    fn read(env: Value) -> Result<Config, Vec<Problem>> {
        read_settings(&json!({ "options": {}, "env": env }))
    }

    #[test]
    fn without_a_base_url_there_is_no_sim_and_no_problem() {
        assert!(read(json!({})).unwrap().sim.is_none());
        assert!(read(json!({ "SIM_BASE_URL": "" })).unwrap().sim.is_none());
    }

    #[test]
    fn every_problem_is_listed_at_once() {
        let problems = read(json!({
            "SIM_BASE_URL": "ftp://user:pw@sim.example/?a=1", "SIM_API_VERSION": "v3", "SIM_TIMEOUT_MS": "soon",
            "SIM_SIGNING_SECRET": "short", "SIM_PUBLIC_URL": "sim.example", "SIM_MAX_BODY_BYTES": "12"
        }))
        .unwrap_err();
        let names: Vec<_> = problems.iter().map(|p| p.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "baseUrl (SIM_BASE_URL)",
                "apiKey (SIM_API_KEY)",
                "apiVersion (SIM_API_VERSION)",
                "signingSecret (SIM_SIGNING_SECRET)",
                "timeoutMs (SIM_TIMEOUT_MS)",
                "publicUrl (SIM_PUBLIC_URL)",
                "maxBodyBytes (SIM_MAX_BODY_BYTES)"
            ]
        );
        assert!(!format!("{problems:?}").contains("pw"), "a problem repeats a password");
    }

    #[test]
    fn an_option_wins_over_its_variable_and_unknown_ones_are_named() {
        let settings = json!({
            "options": { "baseUrl": "http://one/sub/", "apiKey": "k" },
            "env": { "SIM_BASE_URL": "http://two", "SIM_API_KEY": "other" }
        });
        let config = read_settings(&settings).unwrap();
        assert_eq!(config.sim.unwrap().base_url.as_str(), "http://one/sub");
        let problems = read_settings(&json!({ "options": { "baseURL": "x" }, "env": {} })).unwrap_err();
        assert_eq!(problems, [Problem { name: "baseURL".into(), message: "is not an option".into() }]);
    }

    #[test]
    fn secrets_and_where_sim_is_never_print() {
        let secret = "0123456789012345678901234567890123456789";
        let config = read(json!({
            "SIM_BASE_URL": "http://inner-host", "SIM_API_KEY": "key-key-key", "SIM_SIGNING_SECRET": secret,
            "HTTP_PROXY": "http://u:proxypw@proxy:3128"
        }))
        .unwrap();
        let printed = format!("{config:?}");
        for hidden in [secret, "key-key-key", "proxypw", "inner-host"] {
            assert!(!printed.contains(hidden), "{printed}");
        }
    }

    #[test]
    fn librechats_proxy_variable_comes_first() {
        let config = read(json!({
            "SIM_BASE_URL": "https://sim", "SIM_API_KEY": "k", "PROXY": "http://first:1", "HTTPS_PROXY": "http://second:2"
        }))
        .unwrap();
        assert_eq!(config.sim.unwrap().proxy.url.unwrap().as_str(), "http://first:1/");
    }
}
