//! Runs that several processes watch: one of them polls a run, the others hear of it through Redis. When Redis cannot say
//! who does, each polls for itself, so that nobody is ever without news. It must not know how a run is read, nor who watches.

mod bus;
mod hints;
mod message;
mod names;
mod room;
mod seal;

use std::sync::{Arc, OnceLock};

use tokio::runtime::Handle;

use self::bus::Bus;
pub(super) use self::hints::Hints;
pub(super) use self::message::Told;
use self::names::{Named, Names};
pub(super) use self::room::{Claim, Room};
use super::keys::MacKey;
use super::nudge::Hint;
use super::{FlowId, Owner, RootKeys, RunRef, SimRunId};
use crate::policy::Redis;

/// The sharing of watched runs. Without Redis, or without a secret that other processes have too, there is none.
#[derive(Default)]
pub(super) struct Shared(Option<Parts>);

struct Parts {
    bus: Arc<Bus>,
    key: MacKey,
    /// Tells this process from the others. Without randomness nothing can be sealed, so nothing is said with it.
    token: String,
    runtime: OnceLock<Handle>,
}

/// What tells one who speaks from all others. `None`: there is no randomness to be had.
fn token() -> Option<String> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).ok()?;
    Some(crate::hex::text(&random))
}

impl Shared {
    pub(super) fn new(roots: &RootKeys, redis: Option<Redis>) -> Self {
        let redis = redis.filter(|_| !roots.is_random());
        Self(redis.map(|redis| {
            let (bus, key, token) = (Bus::new(redis), roots.watch_key(), token().unwrap_or_default());
            Parts { bus, key, token, runtime: OnceLock::new() }
        }))
    }

    /// Notes the runtime, for what is said from other threads. Must be called on it.
    pub(super) fn connect(&self) {
        if let Some(parts) = &self.0 {
            parts.runtime.get_or_init(Handle::current);
        }
    }

    /// The runtime on which others are told; `None` where nothing is shared.
    pub(super) fn runtime(&self) -> Option<&Handle> {
        self.0.as_ref()?.runtime.get()
    }

    /// Where the pollers of `run` meet, those of one owner. Must be called on the runtime.
    pub(super) fn room(&self, owner: &Owner, run: &RunRef) -> Room {
        Room::new(self.0.as_ref().map(|Parts { bus, key, .. }| (bus, Names::of_room(key, bus.prefix(), owner, run))))
    }

    /// Has whichever process polls `run` read it now.
    pub(super) async fn nudge(&self, flow: &FlowId, run: &SimRunId) {
        if let Some(Parts { bus, key, .. }) = &self.0 {
            let channel = Named::channel_of_run(key, bus.prefix(), flow, run);
            if let Some(message) = message::nudge(&channel) {
                bus.publish(&channel.name, &message).await;
            }
        }
    }

    /// What other processes say has moved. Must be called on the runtime.
    pub(super) fn hints(&self) -> Option<Hints> {
        self.0.as_ref().map(Hints::new)
    }

    pub(super) async fn tell(&self, hint: &Hint) {
        if let Some(parts) = &self.0 {
            hints::tell(parts, hint).await;
        }
    }

    pub(super) async fn keep_flow(&self, tag: &str, flow: &FlowId) {
        if let Some(parts) = &self.0 {
            hints::keep(parts, tag, flow).await;
        }
    }

    pub(super) async fn flow_of(&self, tag: &str) -> Option<FlowId> {
        hints::flow_of(self.0.as_ref()?, tag).await
    }
}
