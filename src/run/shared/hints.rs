//! What moved, as processes tell each other, and which flow a hook's address belongs to, as they keep it for each other. It
//! must not know who says so, nor what a hint brings about.

use std::time::Duration;

use redis::FromRedisValue;
use serde::{Deserialize, Serialize};

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

/// What other processes say has moved.
pub(in super::super) struct Hints {
    heard: Listener,
    channel: Named,
    /// The token of this process.
    own: String,
}

/// A hint, and the token of the process that says so.
#[derive(Serialize, Deserialize)]
struct Wire {
    from: String,
    hint: Hint,
}

impl Hints {
    pub(super) fn new(Parts { bus, key, token, .. }: &Parts) -> Self {
        let channel = Named::channel_of_hints(key, bus.prefix());
        Self { heard: bus.join(&channel.name, QUEUE), channel, own: token.clone() }
    }

    /// The next one.
    pub(in super::super) async fn next(&mut self) -> Option<Hint> {
        loop {
            let Heard::Message(sealed) = self.heard.recv().await? else { continue };
            if let Some(hint) = read(&self.channel, &self.own, &sealed) {
                return Some(hint);
            }
        }
    }
}

/// What another process than `own` said.
fn read(channel: &Named, own: &str, sealed: &[u8]) -> Option<Hint> {
    let Wire { from, hint } = serde_json::from_slice(&channel.cipher.open(sealed)?).ok()?;
    (from != own).then_some(hint)
}

fn write(channel: &Named, from: &str, hint: &Hint) -> Option<Vec<u8>> {
    let wire = Wire { from: from.to_owned(), hint: hint.clone() };
    channel.cipher.seal(serde_json::to_vec(&wire).ok()?)
}

/// Tells whoever watches in another process.
pub(super) async fn tell(Parts { bus, key, token, .. }: &Parts, hint: &Hint) {
    let channel = Named::channel_of_hints(key, bus.prefix());
    if let Some(sealed) = write(&channel, token, hint) {
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

#[cfg(test)]
mod tests {
    use super::super::super::RootKeys;
    use super::super::super::keys::Secret;
    use super::*;

    #[test]
    fn a_process_does_not_hear_itself() {
        let roots = RootKeys::new(vec![Secret::new([1; 32])]).unwrap();
        let channel = Named::channel_of_hints(&roots.watch_key(), "chat::");
        let hint = Hint { run: Some("r".into()), flow: None };
        let sealed = write(&channel, "a", &hint).unwrap();
        assert_eq!(read(&channel, "a", &sealed), None);
        assert_eq!(read(&channel, "b", &sealed), Some(hint));
        assert_eq!(read(&channel, "b", &channel.cipher.seal(b"{}".to_vec()).unwrap()), None);
    }
}
