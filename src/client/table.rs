//! The connections that are served now, by number, and the way to each. It knows nothing of what is said to them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::AbortHandle;

use crate::outbox::Event;

/// From here on calls came over connections of the addon's own; the host's have the numbers below.
const OWN: u32 = 1 << 31;
/// Numbers of connections are below this one.
const PLACES: u32 = 1 << 20;

/// Whether a call came over a connection of the addon's own.
pub(crate) fn is_own(call: u32) -> bool {
    call >= OWN
}

/// The number of a connection's call, by how many it had before: the last 2048 have each their own, since a late word about
/// one must not be taken for one about the next.
pub(super) fn call(connection: u32, turn: u32) -> u32 {
    OWN | turn.wrapping_mul(PLACES) | connection
}

/// What a connection is told.
pub(crate) enum Word {
    /// Part of the answer to a call.
    Event(Event),
    /// It is to be the host's again, after what is under way.
    Back,
}

/// The way to a connection.
struct Way {
    words: UnboundedSender<Word>,
    /// Who serves it.
    task: AbortHandle,
}

/// All connections of one adapter.
#[derive(Default)]
pub(crate) struct Clients {
    next: AtomicU32,
    ways: Mutex<HashMap<u32, Way>>,
    /// Signalled when a connection leaves.
    left: Notify,
}

impl Clients {
    /// A place for one more, which `serve` begins to serve; its number is not 0. `None`: all are taken.
    pub(crate) fn add(&self, serve: impl FnOnce(u32, UnboundedReceiver<Word>) -> AbortHandle) -> Option<u32> {
        // Locked until it is in, so that it cannot leave before.
        let mut ways = self.ways();
        let numbers = (1..PLACES).map(|_| self.next.fetch_add(1, Ordering::Relaxed) % (PLACES - 1) + 1);
        let number = numbers.into_iter().find(|number| !ways.contains_key(number))?;
        let (way, words) = unbounded_channel();
        let task = serve(number, words);
        ways.insert(number, Way { words: way, task });
        Some(number)
    }

    /// Nobody serves it any longer, whatever is under way.
    pub(crate) fn forget(&self, number: u32) {
        let way = self.ways().remove(&number);
        if let Some(way) = way {
            way.task.abort();
            self.left.notify_waiters();
        }
    }

    /// Hands part of an answer to the connection over which the call came, if that is still there.
    pub(crate) fn answer(&self, call: u32, event: Event) {
        if let Some(way) = self.ways().get(&(call % PLACES)) {
            // It may be leaving.
            let _ = way.words.send(Word::Event(event));
        }
    }

    /// Gives one back, after what is under way.
    pub(crate) fn recall(&self, number: u32) {
        if let Some(way) = self.ways().get(&number) {
            let _ = way.words.send(Word::Back);
        }
    }

    pub(crate) fn recall_all(&self) {
        for way in self.ways().values() {
            let _ = way.words.send(Word::Back);
        }
    }

    pub(super) fn remove(&self, number: u32) {
        self.ways().remove(&number);
        self.left.notify_waiters();
    }

    /// Resolves when there is none.
    pub(crate) async fn empty(&self) {
        loop {
            let left = self.left.notified();
            if self.ways().is_empty() {
                return;
            }
            left.await;
        }
    }

    fn ways(&self) -> MutexGuard<'_, HashMap<u32, Way>> {
        self.ways.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_number_is_of_one_connection_while_that_is_there() {
        let clients = Clients::default();
        let serve = |_, _| tokio::spawn(std::future::pending::<()>()).abort_handle();
        assert_eq!([clients.add(serve), clients.add(serve)], [Some(1), Some(2)]);
        clients.next.store(PLACES - 2, Ordering::Relaxed);
        assert_eq!(clients.add(serve), Some(PLACES - 1));
        assert_eq!(clients.add(serve), Some(3), "1 and 2 are there still");
    }

    #[test]
    fn calls_have_numbers_of_their_own_and_none_of_the_hosts() {
        let numbers: Vec<_> = (0..2048).map(|turn| call(7, turn)).collect();
        assert!(numbers.iter().all(|number| is_own(*number) && number % PLACES == 7));
        let distinct: std::collections::HashSet<_> = numbers.iter().collect();
        assert_eq!(distinct.len(), numbers.len());
        assert_eq!(call(7, 2048), call(7, 0));
    }
}
