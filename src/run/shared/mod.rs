//! Runs that several processes watch: one of them polls a run, the others hear of it through Redis. When Redis cannot say
//! who does, each polls for itself, so that nobody is ever without news. It must not know how a run is read, nor who watches.

mod bus;
mod message;
mod names;
mod room;
mod seal;

use std::sync::Arc;

use self::bus::Bus;
pub(super) use self::message::Told;
use self::names::Names;
pub(super) use self::room::{Claim, Room};
use super::keys::MacKey;
use super::{FlowId, Owner, RootKeys, RunRef, SimRunId};
use crate::policy::Redis;

/// The sharing of watched runs. Without Redis, or without a secret that other processes have too, there is none.
#[derive(Default)]
pub(super) struct Shared(Option<Parts>);

struct Parts {
    bus: Arc<Bus>,
    key: MacKey,
}

impl Shared {
    pub(super) fn new(roots: &RootKeys, redis: Option<Redis>) -> Self {
        let redis = redis.filter(|_| !roots.is_random());
        Self(redis.map(|redis| Parts { bus: Bus::new(redis), key: roots.watch_key() }))
    }

    /// Where the pollers of `run` meet, those of one owner. Must be called on the runtime.
    pub(super) fn room(&self, owner: &Owner, run: &RunRef) -> Room {
        Room::new(self.0.as_ref().map(|Parts { bus, key }| (bus, Names::of_room(key, bus.prefix(), owner, run))))
    }

    /// Has whichever process polls `run` read it now.
    pub(super) async fn nudge(&self, flow: &FlowId, run: &SimRunId) {
        if let Some(Parts { bus, key }) = &self.0 {
            let channel = names::Channel::new(key, bus.prefix(), flow, run);
            if let Some(message) = message::nudge(&channel) {
                bus.publish(&channel.name, &message).await;
            }
        }
    }
}
