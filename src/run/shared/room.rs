//! Where the pollers of one run meet: who of them polls, and what that one tells the others. Alone, without Redis or while
//! it is away, whoever asks polls. It must not know how a run is read.

use std::future::{Future, pending};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use redis::FromRedisValue;
use tokio::time::interval;

use super::super::poller::Seen;
use super::bus::{Bus, Heard, Listener};
use super::message::{self, Message, Told};
use super::names::Names;

/// A lease lasts this much longer than until the next poll: three quarters of that, within these bounds. So another polls
/// within two intervals after the last poll, the asking included; one below 0.5 s counts as 0.5 s.
const LEAST_SPARE: Duration = Duration::from_millis(400);
const MOST_SPARE: Duration = Duration::from_secs(5);
/// A lease while a poll is under way, and how often it is renewed then.
const POLLING: Duration = Duration::from_secs(1);
const RENEW: Duration = Duration::from_millis(200);
/// How long what was told last is kept for those who come late.
const KEPT: Duration = Duration::from_secs(60);
/// Messages that wait for a poller. What does not fit is missed; it asks again anyway when the lease runs out.
const QUEUE: usize = 16;
/// How long Redis may take to answer a poller for which nobody waits.
const PATIENCE: Duration = Duration::from_secs(1);

/// Whose turn it is to poll.
pub(in super::super) enum Claim {
    /// Poll. Perhaps somebody did before, and told this last.
    Ours(Option<Told>),
    /// Another process does, told this last, and has the lease for so long.
    Theirs(Option<Told>, Duration),
}

pub(in super::super) struct Room(Option<Place>);

struct Place {
    bus: Arc<Bus>,
    names: Names,
    /// Tells this poller from all others.
    token: String,
    heard: Listener,
    /// Whether it polls, as far as is known here.
    held: bool,
    /// The state that the others were told last.
    said: Option<String>,
}

impl Room {
    pub(super) fn new(place: Option<(&Arc<Bus>, Names)>) -> Self {
        // Two pollers with one token would both poll; without randomness each does anyway.
        Self(place.zip(super::token()).map(|((bus, names), token)| {
            let heard = bus.join(&names.channel.name, QUEUE);
            Place { bus: Arc::clone(bus), names, token, heard, held: false, said: None }
        }))
    }

    /// Asks whose turn it is, at most for `patience`.
    pub(in super::super) async fn claim(&mut self, patience: Option<Duration>) -> Claim {
        match &mut self.0 {
            Some(place) if !place.held => {
                place.ask(POLLING, None, KEPT, patience.unwrap_or(PATIENCE)).await.unwrap_or(Claim::Ours(None))
            }
            _ => Claim::Ours(None),
        }
    }

    /// Does `work`, a poll, and stays the one who polls.
    pub(in super::super) async fn during<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        let mut renew = interval(RENEW);
        renew.reset();
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                _ = renew.tick() => self.renew(POLLING).await,
            }
        }
    }

    /// Stays the one who polls, next after `wait`, with nothing to tell.
    pub(in super::super) async fn keep(&mut self, wait: Duration) {
        self.renew(lease(wait)).await;
    }

    /// Tells the others what they were not told yet, and polls again after `wait`.
    pub(in super::super) async fn tell(&mut self, seen: &Seen, wait: Duration) {
        let Some(place) = self.0.as_mut().filter(|place| place.held) else { return };
        if place.said.as_deref() == Some(seen.id.as_str()) {
            place.ask(lease(wait), None, KEPT, PATIENCE).await;
            return;
        }
        let message = message::state(&place.names.cipher, &place.token, seen);
        place.ask(lease(wait), message, KEPT, PATIENCE).await;
        place.said = place.held.then(|| seen.id.clone());
    }

    /// Tells the others the end, and leaves.
    pub(in super::super) async fn end(&mut self, seen: &Seen) {
        if let Some(place) = self.0.as_mut().filter(|place| place.held) {
            let message = message::state(&place.names.cipher, &place.token, seen);
            place.ask(Duration::ZERO, message, KEPT, PATIENCE).await;
        }
    }

    /// Tells the others that the run is gone, and leaves.
    pub(in super::super) async fn gone(&mut self) {
        if let Some(place) = self.0.as_mut().filter(|place| place.held) {
            let message = message::gone(&place.names.cipher, &place.token);
            place.ask(Duration::ZERO, message, Duration::ZERO, PATIENCE).await;
        }
    }

    /// Leaves the run to the others.
    pub(in super::super) async fn leave(&mut self) {
        if let Some(place) = self.0.as_mut().filter(|place| place.held) {
            let message = message::left(&place.names.cipher, &place.token);
            place.ask(Duration::ZERO, message, Duration::ZERO, PATIENCE).await;
            place.held = false;
        }
    }

    /// Waits for the next word of the one who polls. `None`: it is time to ask again whose turn it is.
    pub(in super::super) async fn listen(&mut self) -> Option<Told> {
        let Some(place) = &mut self.0 else { return pending().await };
        loop {
            match place.heard.recv().await? {
                Heard::Message(sealed) => match message::read(&place.names.cipher, &place.token, &sealed) {
                    Some(Message::Told(told)) => return Some(told),
                    Some(Message::Left) => return None,
                    None => {}
                },
                Heard::Gap => return None,
            }
        }
    }

    /// Waits until somebody says that the run has changed.
    pub(in super::super) async fn nudged(&mut self) {
        let Some(place) = &mut self.0 else { return pending().await };
        while let Some(heard) = place.heard.recv().await {
            if matches!(heard, Heard::Message(sealed) if message::is_nudge(&place.names.channel, &sealed)) {
                return;
            }
        }
        pending().await
    }

    async fn renew(&mut self, lease: Duration) {
        if let Some(place) = self.0.as_mut().filter(|place| place.held) {
            place.ask(lease, None, KEPT, PATIENCE).await;
        }
    }
}

impl Place {
    /// Asks for the lease, or keeps it, or with no time leaves it, and then tells `message`. `None`: Redis does not answer.
    async fn ask(
        &mut self,
        lease: Duration,
        message: Option<Vec<u8>>,
        kept: Duration,
        patience: Duration,
    ) -> Option<Claim> {
        let Self { bus, names, token, .. } = self;
        let (lease, kept) = (lease.as_millis().to_string(), kept.as_millis().to_string());
        let message = message.unwrap_or_default();
        let arguments = [token.as_bytes(), lease.as_bytes(), names.channel.name.as_bytes(), &message, kept.as_bytes()];
        let reply = bus.lease([&names.lease, &names.last], &arguments, patience).await;
        let reply = reply.and_then(|value| <(u8, i64, Option<Vec<u8>>)>::from_redis_value(value).ok());
        self.held = matches!(reply, Some((1, ..)));
        if !self.held {
            self.said = None;
        }
        let (ours, left, told) = reply?;
        let told = told.and_then(|sealed| match message::read(&self.names.cipher, &self.token, &sealed) {
            Some(Message::Told(told)) => Some(told),
            _ => None,
        });
        // A lease without an end is not one of ours; whoever made it shall not keep others waiting for long.
        let left = u64::try_from(left).map_or(MOST_SPARE, Duration::from_millis);
        Some(if ours == 1 { Claim::Ours(told) } else { Claim::Theirs(told, left) })
    }
}

/// How long the lease of a poller lasts that polls next after `wait`.
fn lease(wait: Duration) -> Duration {
    wait + (wait * 3 / 4).clamp(LEAST_SPARE, MOST_SPARE)
}

#[cfg(test)]
mod tests {
    use super::super::super::poller::FASTEST;
    use super::*;

    /// What counts as an interval at the least.
    const SHORTEST: Duration = Duration::from_millis(500);
    /// What it takes to find that a lease has ended, and to ask for it.
    const ASKING: Duration = Duration::from_millis(100);

    #[test]
    fn a_lease_leaves_time_to_take_over_within_two_intervals() {
        for wait in (FASTEST.as_millis() as u64..=30_000).map(Duration::from_millis) {
            assert!(lease(wait) + ASKING <= 2 * wait.max(SHORTEST), "{wait:?}: {:?}", lease(wait));
        }
    }

    #[test]
    fn a_lease_outlasts_a_hiccup_of_the_poll_that_renews_it() {
        for wait in [250, 375, 500, 2000, 5000, 30_000].map(Duration::from_millis) {
            assert!(lease(wait) >= wait + RENEW + Duration::from_millis(200), "{wait:?}: {:?}", lease(wait));
        }
    }
}
