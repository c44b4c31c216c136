//! What moved, as processes tell each other, and which flow a hook's address belongs to, as they keep it for each other. It
//! must not know who says so, nor what a hint brings about.

use std::time::Duration;

use redis::FromRedisValue;

use super::super::FlowId;
use super::super::nudge::Hint;
use super::Parts;
use super::bus::{Heard, Listener};
use super::names::Named;
use crate::policy::PATIENCE;

/// How long a flow's address is kept after it was made, or looked up last. One that is forgotten wakes all pollers.
const KEPT: Duration = Duration::from_secs(90 * 24 * 3600);
/// Hints that wait to be heard. They come in bursts; what does not fit is found at the next poll.
const QUEUE: usize = 1024;

/// What other processes, and this one, say has moved.
pub(in super::super) struct Hints {
    heard: Listener,
    channel: Named,
}

impl Hints {
    pub(super) fn new(Parts { bus, key, .. }: &Parts) -> Self {
        let channel = Named::channel_of_hints(key, bus.prefix());
        Self { heard: bus.join(&channel.name, QUEUE), channel }
    }

    /// The next one.
    pub(in super::super) async fn next(&mut self) -> Option<Hint> {
        loop {
            let Heard::Message(sealed) = self.heard.recv().await? else { continue };
            let text = self.channel.cipher.open(&sealed);
            if let Some(hint) = text.and_then(|text| serde_json::from_slice(&text).ok()) {
                return Some(hint);
            }
        }
    }
}

/// Tells whoever watches, in whichever process.
pub(super) async fn tell(Parts { bus, key, .. }: &Parts, hint: &Hint) {
    let channel = Named::channel_of_hints(key, bus.prefix());
    if let Some(sealed) = serde_json::to_vec(hint).ok().and_then(|text| channel.cipher.seal(text)) {
        bus.publish(&channel.name, &sealed).await;
    }
}

/// Keeps which flow the address with this tag belongs to.
pub(super) async fn keep(Parts { bus, key, .. }: &Parts, tag: &str, flow: &FlowId) {
    let place = Named::key_of_tag(key, bus.prefix(), tag);
    if let Some(sealed) = place.cipher.seal(flow.as_str().into()) {
        let mut set = redis::cmd("SET");
        set.arg(&place.name).arg(sealed).arg("PX").arg(KEPT.as_millis() as u64);
        bus.query(&set, PATIENCE).await;
    }
}

/// The flow that the address with this tag belongs to, if any process has kept it.
pub(super) async fn flow_of(Parts { bus, key, .. }: &Parts, tag: &str) -> Option<FlowId> {
    let place = Named::key_of_tag(key, bus.prefix(), tag);
    let found = bus.query(redis::cmd("GET").arg(&place.name), PATIENCE).await?;
    let sealed = Option::<Vec<u8>>::from_redis_value(found).ok()??;
    let flow = FlowId::parse(std::str::from_utf8(&place.cipher.open(&sealed)?).ok()?).ok()?;
    bus.query(redis::cmd("PEXPIRE").arg(&place.name).arg(KEPT.as_millis() as u64), PATIENCE).await;
    Some(flow)
}
