//! What every operation works with, built once from the configuration, and what one request adds to it.

use std::sync::Arc;

use serde_json::Value;

use crate::config::{Config, PlansSource, Problem};
use crate::error::{Code, Error};
use crate::failures::Failures;
use crate::flow::FlowList;
use crate::hooks::Hooks;
use crate::host::{Host, Level};
use crate::metrics::Metrics;
use crate::policy::{self, Clock, Event, Plans, Policy, PolicyConfig, Subject};
use crate::proxy::rules::Rules;
use crate::run::{Handles, Memory, Owner, RootKeys, RunIds, Watches};
use crate::signing::SimUser;
use crate::upstream::{Caller, Upstream};

/// The adapter's parts, shared by all requests.
pub struct Core {
    pub config: Config,
    pub upstream: Option<Upstream>,
    pub handles: Handles,
    pub run_ids: RunIds,
    /// Whether run ids would differ in another process, so that a client's key could not be honoured there.
    pub keys_are_random: bool,
    pub idempotency: Memory,
    pub watches: Watches,
    pub hooks: Hooks,
    pub flow_list: FlowList,
    pub policy: Policy,
    pub rules: Rules,
    pub metrics: Arc<Metrics>,
    pub failures: Failures,
    pub host: Arc<dyn Host>,
}

/// One request, as the operations see it.
#[derive(Clone)]
pub struct Context {
    /// The number under which the host knows the request.
    pub call: u32,
    pub caller: Caller,
    pub user: User,
    /// The path under which the router is mounted, for links to its own routes.
    pub mount: String,
}

/// Who asks, settled.
#[derive(Clone, Debug, Default)]
pub struct User {
    /// Whose runs these are; no user in it means the host's own call.
    pub owner: Owner,
    pub plan: Option<String>,
    pub role: Option<String>,
    /// Express's `req.ip`.
    pub ip: Option<String>,
    /// What `resolveUser` answered, for the host's other hooks.
    pub resolved: Option<Value>,
}

impl User {
    /// The value of `x-sim-user`.
    pub fn sim_user(&self) -> String {
        let user = self.owner.user.as_deref();
        // Names were checked where they came in.
        user.and_then(|user| SimUser::to_header(self.owner.tenant.as_deref(), user).ok())
            .unwrap_or_else(|| SimUser::ADAPTER.to_owned())
    }

    /// The user as limits and plans see it. `None` for the host's own calls, which have none.
    pub fn subject(&self) -> Option<Subject<'_>> {
        Some(Subject {
            tenant: self.owner.tenant.as_deref(),
            user: self.owner.user.as_deref()?,
            plan: self.plan.as_deref(),
            role: self.role.as_deref(),
            ip: self.ip.as_deref(),
        })
    }
}

impl Core {
    /// `Err` holds the parts of the configuration that cannot be used.
    pub fn new(config: Config, host: Arc<dyn Host>) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let roots = RootKeys::new(config.handle_secrets.clone());
        let roots = keep(&mut problems, roots.map_err(|error| problem("handleSecret (SIM_HANDLE_SECRET)", error)));
        let metrics = Arc::new(Metrics::default());
        let sim = config.sim.as_ref();
        let sim = sim.map(|sim| Upstream::new(sim, &config.signing_secrets, Arc::clone(&metrics), Arc::clone(&host)));
        let sim = sim.transpose();
        let upstream = keep(&mut problems, sim.map_err(|problem| vec![problem])).flatten();
        let policy = policy(&config, Arc::clone(&host), &mut problems);
        let rules = Rules::new(&config.proxy_rules)
            .map_err(|errors| errors.iter().flat_map(|error| problem("proxyRules (SIM_PROXY_RULES)", error)).collect());
        let rules = keep(&mut problems, rules);
        let run_ids = roots
            .as_ref()
            .and_then(|roots| keep(&mut problems, RunIds::new(roots).map_err(|error| problem("adapter", error))));
        let (Some(roots), Some(run_ids), Some(policy), Some(rules), true) =
            (roots, run_ids, policy, rules, problems.is_empty())
        else {
            return Err(problems);
        };
        if upstream.is_none() {
            host.log(Level::Warn, "not_configured", "SIM_BASE_URL is not set; every route answers 503 not_configured");
        } else if roots.is_random() {
            let message = "neither SIM_HANDLE_SECRET nor SIM_SIGNING_SECRET is set: run handles end with this process";
            host.log(Level::Warn, "random_handle_key", message);
        }
        Ok(Self {
            upstream,
            handles: Handles::new(&roots),
            run_ids,
            keys_are_random: roots.is_random() && !config.single_process,
            idempotency: Memory::default(),
            watches: Watches::new(&roots, policy.redis()),
            hooks: Hooks::new(config.callback_url.clone(), config.webhook_secrets.clone()),
            flow_list: FlowList::default(),
            policy,
            rules,
            metrics,
            failures: Failures::default(),
            host,
            config,
        })
    }

    /// The way to Sim, or what is missing.
    pub fn upstream(&self) -> Result<&Upstream, Error> {
        self.upstream.as_ref().ok_or_else(|| Error::new(Code::NotConfigured, "Sim is not configured on this server"))
    }
}

/// What went well, with the problems of what did not put to the others.
fn keep<T>(problems: &mut Vec<Problem>, outcome: Result<T, Vec<Problem>>) -> Option<T> {
    outcome.map_err(|found| problems.extend(found)).ok()
}

fn problem(name: &str, message: impl ToString) -> Vec<Problem> {
    vec![Problem { name: name.to_owned(), message: message.to_string() }]
}

/// Plans and limits, as configured.
fn policy(config: &Config, host: Arc<dyn Host>, problems: &mut Vec<Problem>) -> Option<Policy> {
    let ours = |p: policy::Problem| Problem { name: p.path, message: p.message };
    let plans = match &config.limits.plans {
        PlansSource::None => Ok(Plans::none()),
        PlansSource::Inline(plans) => Plans::from_value(plans),
        PlansSource::File(path) => Plans::from_file(std::path::Path::new(path)),
    };
    let plans = keep(problems, plans.map_err(|list| list.into_iter().map(ours).collect()));
    let mut redis = config.limits.redis.clone();
    if let (Some(redis), Some(file)) = (&mut redis, &config.limits.redis_ca_file) {
        let unreadable =
            |error: std::io::Error| problem("redisCa (REDIS_CA)", format!("cannot be read: {}", error.kind()));
        redis.ca = keep(problems, std::fs::read(file).map_err(unreadable));
    }
    let tell = move |event| match event {
        Event::RedisUnavailable(fault) => {
            let message = format!("Redis does not answer ({}): limits hold in this process only", fault.name());
            host.log(Level::Warn, "redis_unavailable", &message);
        }
        Event::RedisAvailable => host.log(Level::Info, "redis_available", "Redis answers again: limits are shared"),
    };
    let limits = PolicyConfig {
        plans: plans.unwrap_or_else(Plans::none),
        user_rate: config.limits.user_rate,
        ip_rate: config.limits.ip_rate,
        hook_rate: config.limits.hook_rate,
        redis,
    };
    keep(problems, Policy::new(limits, Clock::system(), Box::new(tell)).map_err(|problem| vec![ours(problem)]))
}
