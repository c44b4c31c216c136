//! An answer that comes in pieces: bytes wait here until the host takes them, and their writer waits while too many do.
//! It knows nothing of what the bytes are.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::{Buf, Bytes};
use tokio::sync::Notify;

/// Bytes of one stream of events that may be on their way: waiting here, or taken by the host and not yet in its socket.
/// Of all answers these stay open longest, and there are many: what readers hold who are slow, or asleep, counts more
/// than how fast one of them could be served. The buffer of Sim's connection counts for it too.
pub const EVENTS: usize = 24 * 1024;
/// The same of another large answer: the fewer pieces, the less each costs Node's main thread.
pub const LARGE: usize = 256 * 1024;

/// The bytes of one stream.
pub struct Pipe {
    window: usize,
    state: Mutex<State>,
    room: Notify,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Bytes>,
    /// How many bytes these are.
    bytes: usize,
    /// Taken by the host, not yet written by it.
    taken: usize,
    /// Whether the host was told that something waits, and has not taken it all.
    told: bool,
}

impl Pipe {
    /// At most `window` bytes are on their way.
    pub fn new(window: usize) -> Self {
        Self { window, state: Mutex::default(), room: Notify::new() }
    }

    /// Adds `bytes`, piece by piece, as room comes; `tell` is called when the host must be told that something waits.
    pub(crate) async fn write(&self, mut bytes: Bytes, tell: impl Fn()) {
        while !bytes.is_empty() {
            let room = self.room.notified();
            let (taken, must_tell) = {
                let mut state = self.lock();
                let take = self.window.saturating_sub(state.bytes + state.taken).min(bytes.len());
                if take > 0 {
                    state.waiting.push_back(bytes.split_to(take));
                    state.bytes += take;
                }
                let must_tell = take > 0 && !state.told;
                state.told |= take > 0;
                (take, must_tell)
            };
            if must_tell {
                tell();
            }
            if taken == 0 {
                room.await;
            }
        }
    }

    /// Moves what waits into `into`, as much as there is room for. Returns how many bytes those are, and whether the
    /// host has to come again for the rest.
    pub(crate) fn take(&self, into: &mut [u8]) -> (usize, bool) {
        let mut state = self.lock();
        let mut filled = 0;
        while filled < into.len()
            && let Some(piece) = state.waiting.front_mut()
        {
            let count = piece.len().min(into.len() - filled);
            into[filled..filled + count].copy_from_slice(&piece[..count]);
            piece.advance(count);
            if piece.is_empty() {
                state.waiting.pop_front();
            }
            filled += count;
        }
        state.bytes -= filled;
        state.taken += filled;
        state.told = state.bytes > 0;
        (filled, state.told)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lock().bytes == 0
    }

    /// The host has written `bytes` of what it took.
    pub(crate) fn written(&self, bytes: usize) {
        {
            let mut state = self.lock();
            state.taken = state.taken.saturating_sub(bytes);
        }
        self.room.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    const WINDOW: usize = 1000;

    #[tokio::test]
    async fn a_writer_waits_while_the_window_is_full() {
        let pipe = Arc::new(Pipe::new(WINDOW));
        let told = Arc::new(AtomicUsize::new(0));
        let (writer, counter) = (Arc::clone(&pipe), Arc::clone(&told));
        let written = tokio::spawn(async move {
            let tell = || {
                counter.fetch_add(1, Ordering::SeqCst);
            };
            writer.write(vec![7; WINDOW + 10].into(), tell).await;
        });
        while pipe.lock().bytes < WINDOW {
            tokio::task::yield_now().await;
        }
        assert!(!written.is_finished());
        assert_eq!(told.load(Ordering::SeqCst), 1, "told once while nothing was taken");
        let mut taken = vec![0; WINDOW];
        assert_eq!(pipe.take(&mut taken[..10]), (10, true), "what is left keeps the host coming");
        assert_eq!(pipe.take(&mut taken), (WINDOW - 10, false));
        tokio::task::yield_now().await;
        assert!(!written.is_finished(), "what was taken and not written still counts");
        pipe.written(WINDOW);
        tokio::time::timeout(Duration::from_secs(5), written).await.unwrap().unwrap();
        assert_eq!(pipe.take(&mut taken), (10, false));
        assert_eq!(told.load(Ordering::SeqCst), 2);
    }
}
