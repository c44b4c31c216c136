//! Sim's signed webhooks: whether one is genuine and new, and whose pollers it wakes. Nothing that it says of a run is
//! believed: the pollers ask Sim.

mod signature;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use url::Url;

use crate::answer::Answer;
use crate::core::Core;
use crate::error::{Code, Error, FieldError, invalid};
use crate::host::Level;
use crate::run::keys::Secret;
use crate::run::{FlowId, Hint, Watches};
use crate::signing::{Refusal, ReplayEntry, ReplayMemory};
use signature::{Fault, Signature, WINDOW_MS, secret_of};

/// The largest hook that is read, in bytes.
pub const MAX_BODY_BYTES: usize = 256 * 1024;
/// Deliveries remembered at the most, about 64 bytes each: as many as one address may send in a window by default.
const REPLAYS: usize = 64 * 1024;
/// Flows of this process that are known by their tags, at the most.
const KNOWN_FLOWS: usize = 10_000;

/// A delivery as it came, without its body. Not `Debug`: it may hold a flow's tag.
pub struct Delivery<'a> {
    pub method: &'a str,
    /// Path below the mount point, and query.
    pub url: &'a str,
    pub ip: Option<&'a str>,
    pub request_id: Option<&'a str>,
    /// `X-Webhook-Signature`
    pub signature: Option<&'a str>,
    /// `X-Delivery-ID`
    pub id: Option<&'a str>,
    /// Something read the body before.
    pub parsed: bool,
    /// The host stopped reading the body, because it is larger than [`MAX_BODY_BYTES`].
    pub too_large: bool,
}

/// Where a draft's Webhook block sends to, and what it signs with.
pub struct Target {
    pub url: String,
    pub secret: String,
    tag: String,
}

impl Target {
    pub fn new(url: String, secret: String, tag: String) -> Self {
        Self { url, secret, tag }
    }
}

pub struct Hooks {
    callback: Option<Url>,
    /// Newest first; the roots of flows' secrets.
    secrets: Vec<Secret>,
    replays: ReplayMemory,
    /// Flows that this process made or was asked about, by their tags.
    flows: Mutex<HashMap<String, FlowId>>,
}

impl Hooks {
    pub fn new(callback: Option<Url>, secrets: Vec<Secret>) -> Self {
        Self { callback, secrets, replays: ReplayMemory::new(REPLAYS), flows: Mutex::default() }
    }

    /// Whether there is an address for Sim to send hooks to, and a secret to sign them with.
    pub fn can_notify(&self) -> Result<(&Url, &Secret), Error> {
        let message = "needs SIM_CALLBACK_URL and SIM_WEBHOOK_SECRET on this server";
        let settings = self.callback.as_ref().zip(self.secrets.first());
        settings.ok_or_else(|| invalid(&[FieldError::new("notify", message)]))
    }

    /// An address and a secret for a new flow.
    pub fn target(&self) -> Result<Target, Error> {
        let (callback, root) = self.can_notify()?;
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|_| Error::new(Code::NotConfigured, "there is no randomness to be had"))?;
        let tag = URL_SAFE_NO_PAD.encode(bytes);
        let url = format!("{}/{tag}", callback.as_str().trim_end_matches('/'));
        Ok(Target::new(url, secret_of(root, &tag), tag))
    }

    /// Notes which flow a target became, here and for the other processes.
    pub async fn became(&self, watches: &Watches, target: Target, flow: &FlowId) {
        watches.keep_flow(&target.tag, flow).await;
        self.note(target.tag, flow.clone());
    }

    fn note(&self, tag: String, flow: FlowId) {
        let mut flows = self.flows.lock().unwrap_or_else(PoisonError::into_inner);
        if flows.len() >= KNOWN_FLOWS {
            // A flow that is forgotten is asked for again, or wakes all pollers, seldom: a loss of speed only.
            flows.clear();
        }
        flows.insert(tag, flow);
    }

    fn flow_of(&self, tag: &str) -> Option<FlowId> {
        self.flows.lock().unwrap_or_else(PoisonError::into_inner).get(tag).cloned()
    }

    /// The same, if need be of a flow that another process made.
    async fn find_flow(&self, watches: &Watches, tag: &str) -> Option<FlowId> {
        if let Some(flow) = self.flow_of(tag) {
            return Some(flow);
        }
        let flow = watches.flow_of(tag).await?;
        self.note(tag.to_owned(), flow.clone());
        Some(flow)
    }

    /// Whether a delivery is genuine.
    fn verify(&self, signature: &Signature<'_>, tag: Option<&str>, body: &[u8]) -> bool {
        self.secrets.iter().any(|root| match tag {
            Some(tag) => signature.is_of(secret_of(root, tag).as_bytes(), body),
            // A block that somebody put there by hand.
            None => signature.is_of(root.bytes(), body),
        })
    }

    /// Whether a genuine delivery is here for the first time. Its id is not signed, so it alone would not tell.
    fn is_new(&self, signature: &Signature<'_>, id: Option<&str>, now_ms: u64) -> Result<bool, Error> {
        let until = (signature.time_ms + WINDOW_MS).div_ceil(1000);
        let mac = URL_SAFE_NO_PAD.encode(signature.mac);
        let id = id.map(|id| format!("id:{id}"));
        let mut new = true;
        for key in [Some(&mac), id.as_ref()].into_iter().flatten() {
            match self.replays.claim_now(ReplayEntry { key, until }, now_ms / 1000) {
                Ok(()) => {}
                Err(Refusal::Replayed) => new = false,
                Err(_) => return Err(limited(Duration::from_millis(WINDOW_MS))),
            }
        }
        Ok(new)
    }
}

/// Everything that the head alone can tell: the body is worth reading.
pub fn admit(core: &Core, delivery: &Delivery<'_>) -> Result<(), Error> {
    tag(delivery)?;
    if let Some(wait) = delivery.ip.and_then(|ip| core.policy.check_hook(ip)) {
        return Err(limited(wait));
    }
    if core.hooks.secrets.is_empty() {
        return Err(Error::new(Code::NotConfigured, "SIM_WEBHOOK_SECRET is not set on this server"));
    }
    if delivery.parsed {
        let message = "the body was parsed before its signature could be checked: mount simHooks() before express.json(), \
                       as in app.use('/api/sim-hooks', simHooks()); app.use(express.json())";
        core.host.log(Level::Warn, "hooks_mounted_late", message);
        return Err(Error::new(Code::NotConfigured, message));
    }
    Signature::read(delivery.signature, now_ms()).map_err(refused)?;
    if delivery.too_large {
        return Err(Error::new(Code::PayloadTooLarge, "a hook's body has at most 256 KiB"));
    }
    Ok(())
}

/// Takes a delivery that was admitted: checks it, and wakes the pollers that it is about.
pub fn receive(core: &Arc<Core>, delivery: &Delivery<'_>, body: &[u8], request_id: &str) -> Result<Answer, Error> {
    let (hooks, now_ms, tag) = (&core.hooks, now_ms(), tag(delivery)?);
    let signature = Signature::read(delivery.signature, now_ms).map_err(refused)?;
    if body.len() > MAX_BODY_BYTES || !hooks.verify(&signature, tag, body) {
        return Err(refused(Fault::Wrong));
    }
    // A repeated delivery succeeds too: a refusal would fail the block that made it, and with it a run.
    let new = hooks.is_new(&signature, delivery.id, now_ms)?;
    if new {
        wake(core, tag, body);
    }
    let answer: &[u8] = if new { br#"{"ok":true}"# } else { br#"{"ok":true,"repeated":true}"# };
    Ok(Answer::json(200, answer, request_id))
}

/// Says what a payload and a tag tell: which run, which flow.
fn wake(core: &Arc<Core>, tag: Option<&str>, body: &[u8]) {
    let payload: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |name: &str| payload[name].as_str().map(ToOwned::to_owned);
    let hint = |known: Option<FlowId>| {
        let flow = known.map(|flow| flow.as_str().to_owned());
        Hint { run: text("runId"), flow: flow.or_else(|| text("flowId")) }
    };
    let Some(runtime) = core.watches.runtime() else {
        return core.watches.take(&hint(tag.and_then(|tag| core.hooks.flow_of(tag))), true);
    };
    let (core, tag, mut hint) = (Arc::clone(core), tag.map(ToOwned::to_owned), hint(None));
    runtime.spawn(async move {
        if let Some(tag) = &tag
            && let Some(flow) = core.hooks.find_flow(&core.watches, tag).await
        {
            hint.flow = Some(flow.as_str().to_owned());
        }
        core.watches.take(&hint, true);
        core.watches.tell_others(&hint).await;
    });
}

/// The flow's tag in `/<tag>`; `None` for the path of the mount point itself.
fn tag<'a>(delivery: &Delivery<'a>) -> Result<Option<&'a str>, Error> {
    let path = delivery.url.split_once('?').map_or(delivery.url, |(path, _)| path);
    let tag = path.strip_prefix('/').unwrap_or(path);
    let plain = tag.len() <= 64 && tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    match (delivery.method, tag) {
        ("POST", "") => Ok(None),
        ("POST", tag) if plain => Ok(Some(tag)),
        _ => Err(Error::not_found("there is no such route")),
    }
}

fn refused(fault: Fault) -> Error {
    Error::new(Code::Unauthenticated, "the hook's signature is not accepted").with_detail("reason", fault.name())
}

fn limited(wait: Duration) -> Error {
    Error::new(Code::RateLimited, "too many hooks").retry_after(Some(wait))
}

/// Milliseconds since 1970. A clock before that refuses every signature.
fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}
