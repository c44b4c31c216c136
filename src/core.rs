//! What every operation works with, built once from the configuration, and what one request adds to it.

use std::sync::Arc;

use crate::config::Config;
use crate::error::{Code, Error};
use crate::flow::FlowList;
use crate::host::{Host, Level};
use crate::run::keys::Secret;
use crate::run::{Handles, Key, Memory, Owner, RootKeys, RunIds};
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
    pub flow_list: FlowList,
    pub host: Arc<dyn Host>,
}

/// One request, as the operations see it.
pub struct Context {
    /// The number under which the host knows the request.
    pub call: u32,
    pub caller: Caller,
    pub owner: Owner,
    /// The path under which the router is mounted, for links to its own routes.
    pub mount: String,
    pub idempotency_key: Option<Key>,
}

impl Core {
    /// `Err` names the part of the configuration that cannot be used.
    pub fn new(config: Config, host: Arc<dyn Host>) -> Result<Self, String> {
        let secrets: Vec<Secret> = config.handle_secrets.clone();
        let roots = RootKeys::new(secrets).map_err(|error| format!("handle secret: {error}"))?;
        let signing = &config.signing_secrets;
        let upstream = config.sim.as_ref().map(|sim| Upstream::new(sim, signing)).transpose()?;
        if upstream.is_none() {
            host.log(Level::Warn, "not_configured", "SIM_BASE_URL is not set; every route answers 503 not_configured");
        } else if roots.is_random() {
            let message = "neither SIM_HANDLE_SECRET nor SIM_SIGNING_SECRET is set: run handles end with this process";
            host.log(Level::Warn, "random_handle_key", message);
        }
        Ok(Self {
            upstream,
            handles: Handles::new(&roots),
            run_ids: RunIds::new(&roots).map_err(|error| error.to_string())?,
            keys_are_random: roots.is_random() && !config.single_process,
            idempotency: Memory::default(),
            flow_list: FlowList::default(),
            host,
            config,
        })
    }

    /// The way to Sim, or what is missing.
    pub fn upstream(&self) -> Result<&Upstream, Error> {
        self.upstream.as_ref().ok_or_else(|| Error::new(Code::NotConfigured, "Sim is not configured on this server"))
    }
}
