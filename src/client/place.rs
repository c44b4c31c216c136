//! The place of one connection among the others: it is given back however the connection ends.

use std::sync::Arc;

use tokio::sync::mpsc::UnboundedReceiver;

use super::table::{self, Word};
use super::{Clients, PIECE};
use crate::calls::Calls;
use crate::outbox::{Event, Outbox};

pub(super) struct Place {
    number: u32,
    /// How many calls it had.
    turn: u32,
    calls: Arc<Calls>,
    clients: Arc<Clients>,
    outbox: Arc<Outbox>,
    /// Whether the host knows that it is not served here any longer.
    left: bool,
}

impl Place {
    pub(super) fn new(number: u32, calls: Arc<Calls>, clients: Arc<Clients>, outbox: Arc<Outbox>) -> Self {
        Self { number, turn: 0, calls, clients, outbox, left: false }
    }

    /// Begins a call; returns its number.
    pub(super) fn next_call(&mut self) -> u32 {
        self.turn = self.turn.wrapping_add(1);
        self.call()
    }

    /// The call that is under way, or was last.
    pub(super) fn call(&self) -> u32 {
        table::call(self.number, self.turn)
    }

    /// Tells the host what became of the connection: `unread` is what it has to answer, nothing when the client is gone.
    pub(super) fn leave(&mut self, unread: Option<Vec<u8>>) {
        if !std::mem::replace(&mut self.left, true) {
            self.outbox.push(Event::Left { connection: self.number, unread });
        }
    }

    /// Lets the call under way go on, of which nobody hears any more.
    pub(super) async fn go_on_alone(&self, words: &mut UnboundedReceiver<Word>) {
        while let Some(word) = words.recv().await {
            match word {
                Word::Event(Event::Pieces { call }) if call == self.call() => {
                    let taken = self.calls.messenger.take(call, &mut vec![0; PIECE]);
                    self.calls.messenger.written(call, taken);
                }
                Word::Event(event) if event.call() == Some(self.call()) => return,
                _ => {}
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.clients.remove(self.number);
        self.calls.cancel(self.call());
        self.leave(None);
    }
}
