//! What a client has said and nobody has read yet. It knows nothing of what the bytes are.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;

use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::tcp::ReadHalf;

/// Room for what most requests take, in bytes.
const ROOM: usize = 4 * 1024;

pub(super) struct Input {
    room: Vec<u8>,
    from: usize,
    to: usize,
}

impl Input {
    pub(super) fn new(first: &[u8]) -> Self {
        let mut room = vec![0; first.len().max(ROOM)];
        room[..first.len()].copy_from_slice(first);
        Self { room, from: 0, to: first.len() }
    }

    pub(super) fn unread(&self) -> &[u8] {
        &self.room[self.from..self.to]
    }

    /// The first `count` bytes of it are read.
    pub(super) fn consume(&mut self, count: usize) {
        self.from += count;
        if self.from == self.to {
            (self.from, self.to) = (0, 0);
            // Clients are many, and most of them idle.
            self.room.truncate(ROOM);
            self.room.shrink_to(ROOM);
        }
    }

    /// Adds what comes next; returns how many bytes those are, none at the end. Can be given up at any time.
    pub(super) async fn fill(&mut self, reader: &mut ReadHalf<'_>) -> io::Result<usize> {
        if self.to == self.room.len() {
            self.room.drain(..self.from);
            self.to -= self.from;
            self.from = 0;
            self.room.resize((2 * self.to).max(ROOM), 0);
        }
        let mut room = ReadBuf::new(&mut self.room[self.to..]);
        poll_fn(|context| Pin::new(&mut *reader).poll_read(context, &mut room)).await?;
        let count = room.filled().len();
        self.to += count;
        Ok(count)
    }
}
