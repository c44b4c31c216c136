//! An answer that comes in pieces: bytes wait here until the host takes them, and their writer waits while too many do.
//! It knows nothing of what the bytes are.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// Bytes of one stream that may be on their way: waiting here, or taken by the host and not yet in its socket. Sim's
/// connection has a buffer beside it, of up to 0.4 MiB with a fast Sim; both count for what a slow reader holds.
const WINDOW: usize = 64 * 1024;

/// The bytes of one stream.
#[derive(Default)]
pub struct Pipe {
    state: Mutex<State>,
    room: Notify,
}

#[derive(Default)]
struct State {
    waiting: Vec<u8>,
    /// Taken by the host, not yet written by it.
    taken: usize,
    /// Whether the host was told that something waits.
    told: bool,
}

impl Pipe {
    /// Adds `bytes`, piece by piece, as room comes; `tell` is called when the host must be told that something waits.
    pub(crate) async fn write(self: &Arc<Self>, mut bytes: &[u8], tell: impl Fn(Arc<Self>)) {
        while !bytes.is_empty() {
            let room = self.room.notified();
            let (taken, must_tell) = {
                let mut state = self.lock();
                let free = WINDOW.saturating_sub(state.waiting.len() + state.taken);
                let take = free.min(bytes.len());
                state.waiting.extend_from_slice(&bytes[..take]);
                let must_tell = take > 0 && !state.told;
                state.told |= take > 0;
                (take, must_tell)
            };
            bytes = &bytes[taken..];
            if must_tell {
                tell(Arc::clone(self));
            }
            if taken == 0 {
                room.await;
            }
        }
    }

    /// What waits, for the host.
    pub(crate) fn take(&self) -> Vec<u8> {
        let mut state = self.lock();
        state.told = false;
        state.taken += state.waiting.len();
        std::mem::take(&mut state.waiting)
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
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_writer_waits_while_the_window_is_full() {
        let pipe = Arc::new(Pipe::default());
        let told = Arc::new(AtomicUsize::new(0));
        let (writer, counter) = (Arc::clone(&pipe), Arc::clone(&told));
        let written = tokio::spawn(async move {
            writer
                .write(&vec![7; WINDOW + 10], |_| {
                    counter.fetch_add(1, Ordering::SeqCst);
                })
                .await;
        });
        while pipe.lock().waiting.len() < WINDOW {
            tokio::task::yield_now().await;
        }
        assert!(!written.is_finished());
        assert_eq!(told.load(Ordering::SeqCst), 1, "told once while nothing was taken");
        assert_eq!(pipe.take().len(), WINDOW);
        tokio::task::yield_now().await;
        assert!(!written.is_finished(), "what was taken and not written still counts");
        pipe.written(WINDOW);
        tokio::time::timeout(Duration::from_secs(5), written).await.unwrap().unwrap();
        assert_eq!(pipe.take().len(), 10);
        assert_eq!(told.load(Ordering::SeqCst), 2);
    }
}
