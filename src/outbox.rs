//! What waits for the host: pushed from any thread, taken all at once by Node's main thread, packed into a buffer of the
//! host's, so that it crosses the border once and leaves nothing to collect. `express/outbox.js` unpacks it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::client::{self, Clients};

/// One thing for the host.
pub(crate) enum Event {
    Answer {
        call: u32,
        answer: Answer,
    },
    /// An answer that comes in pieces begins.
    Head {
        call: u32,
        head: Answer,
    },
    /// The same of a large body, for which the host is to lend the client's socket.
    LargeHead {
        call: u32,
        head: Answer,
    },
    /// Pieces of it wait to be taken.
    Pieces {
        call: u32,
    },
    /// It has ended.
    End {
        call: u32,
    },
    Question {
        id: u32,
        call: u32,
        question: &'static str,
        about: Value,
    },
    Log {
        level: &'static str,
        event: &'static str,
        message: String,
        about: Value,
    },
    /// A connection that the addon served by itself is the host's again, or is over.
    Left {
        connection: u32,
        /// What the client said that nobody has answered. `None`: it is gone.
        unread: Option<Vec<u8>>,
    },
    Closed,
}

impl Event {
    /// The call that it is about, where it is part of its answer.
    pub(crate) fn call(&self) -> Option<u32> {
        match self {
            Event::Answer { call, .. }
            | Event::Head { call, .. }
            | Event::LargeHead { call, .. }
            | Event::Pieces { call }
            | Event::End { call } => Some(*call),
            Event::Question { .. } | Event::Log { .. } | Event::Left { .. } | Event::Closed => None,
        }
    }
}

pub(crate) struct Outbox {
    /// Whoever takes the answers that are not the host's to write.
    clients: Arc<Clients>,
    events: Mutex<VecDeque<Event>>,
    /// Whether the host was woken and has not come yet.
    woken: AtomicBool,
    wake: Box<dyn Fn() + Send + Sync>,
}

impl Outbox {
    pub(crate) fn new(clients: Arc<Clients>, wake: Box<dyn Fn() + Send + Sync>) -> Self {
        Self { clients, events: Mutex::default(), woken: AtomicBool::new(false), wake }
    }

    pub(crate) fn push(&self, event: Event) {
        if let Some(call) = event.call().filter(|call| client::is_own(*call)) {
            return self.clients.answer(call, event);
        }
        self.events.lock().unwrap_or_else(PoisonError::into_inner).push_back(event);
        self.wake();
    }

    fn wake(&self) {
        if !self.woken.swap(true, Ordering::AcqRel) {
            (self.wake)();
        }
    }

    /// Packs what waits into `into`, as far as it fits; the host is woken again for the rest.
    /// `Err`: not even the first fits; it takes that many bytes.
    pub(crate) fn drain(&self, into: &mut [u8]) -> Result<usize, usize> {
        // Cleared first: what is pushed after that wakes the host again.
        self.woken.store(false, Ordering::Release);
        let mut taken = std::mem::take(&mut *self.events.lock().unwrap_or_else(PoisonError::into_inner));
        let mut packed = Packed { into, length: 0 };
        while let Some(event) = taken.front() {
            match pack(&mut packed, event) {
                Ok(()) => taken.pop_front(),
                Err(needed) => {
                    let first = packed.length == 0;
                    self.put_back(taken);
                    if first {
                        return Err(needed);
                    }
                    self.wake();
                    return Ok(packed.length);
                }
            };
        }
        Ok(packed.length)
    }

    /// Before what came since.
    fn put_back(&self, mut taken: VecDeque<Event>) {
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        taken.append(&mut events);
        *events = taken;
    }
}

/// Packs one answer alone, as [`Outbox::drain`] would. `Err`: it takes that many bytes.
pub(crate) fn pack_answer(answer: &Answer, into: &mut [u8]) -> Result<usize, usize> {
    let mut packed = Packed { into, length: 0 };
    record(&mut packed, 1, [0, u32::from(answer.status)], Head::Fields(&answer.headers), &answer.body)?;
    Ok(packed.length)
}

/// A buffer, filled from its beginning.
struct Packed<'a> {
    into: &'a mut [u8],
    length: usize,
}

impl Packed<'_> {
    fn add(&mut self, bytes: &[u8]) {
        self.into[self.length..self.length + bytes.len()].copy_from_slice(bytes);
        self.length += bytes.len();
    }
}

/// The head of a record.
enum Head<'a> {
    Text(&'a str),
    /// Names and values, one a line.
    Fields(&'a [(&'static str, String)]),
}

impl Head<'_> {
    fn len(&self) -> usize {
        match self {
            Head::Text(text) => text.len(),
            Head::Fields(fields) => fields.iter().map(|(name, value)| name.len() + value.len() + 2).sum(),
        }
    }
}

/// A record: kind (u8), two numbers (u32), the lengths of head and body (u32), head, body; little-endian. It is added
/// whole or not at all. `Err`: it takes that many bytes.
fn record(packed: &mut Packed<'_>, kind: u8, numbers: [u32; 2], head: Head<'_>, body: &[u8]) -> Result<(), usize> {
    let needed = 17 + head.len() + body.len();
    if needed > packed.into.len() - packed.length {
        return Err(needed);
    }
    packed.add(&[kind]);
    for number in [numbers[0], numbers[1], head.len() as u32, body.len() as u32] {
        packed.add(&number.to_le_bytes());
    }
    match head {
        Head::Text(text) => packed.add(text.as_bytes()),
        Head::Fields(fields) => {
            for (name, value) in fields {
                for part in [name.as_bytes(), b"\n", value.as_bytes(), b"\n"] {
                    packed.add(part);
                }
            }
        }
    }
    packed.add(body);
    Ok(())
}

fn pack(packed: &mut Packed<'_>, event: &Event) -> Result<(), usize> {
    match event {
        Event::Answer { call, answer } => {
            record(packed, 1, [*call, u32::from(answer.status)], Head::Fields(&answer.headers), &answer.body)
        }
        Event::Head { call, head } => {
            record(packed, 5, [*call, u32::from(head.status)], Head::Fields(&head.headers), &[])
        }
        Event::LargeHead { call, head } => {
            record(packed, 8, [*call, u32::from(head.status)], Head::Fields(&head.headers), &[])
        }
        Event::Pieces { call } => record(packed, 6, [*call, 0], Head::Text(""), &[]),
        Event::End { call } => record(packed, 7, [*call, 0], Head::Text(""), &[]),
        Event::Question { id, call, question, about } => {
            record(packed, 2, [*id, *call], Head::Text(question), about.to_string().as_bytes())
        }
        Event::Log { level, event, message, about } => {
            let body = json!({ "level": level, "event": event, "message": message, "about": about });
            record(packed, 3, [0, 0], Head::Text(""), body.to_string().as_bytes())
        }
        Event::Left { connection, unread } => {
            let numbers = [*connection, u32::from(unread.is_none())];
            record(packed, 9, numbers, Head::Text(""), unread.as_deref().unwrap_or_default())
        }
        Event::Closed => record(packed, 4, [0, 0], Head::Text(""), &[]),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    fn outbox() -> (Outbox, Arc<AtomicUsize>) {
        let wakes = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&wakes);
        let wake = move || {
            counter.fetch_add(1, Ordering::SeqCst);
        };
        (Outbox::new(Arc::default(), Box::new(wake)), wakes)
    }

    #[test]
    fn one_wake_up_serves_all_that_was_pushed_before_the_host_came() {
        let (outbox, wakes) = outbox();
        outbox.push(Event::Closed);
        outbox.push(Event::Closed);
        assert_eq!(wakes.load(Ordering::SeqCst), 1);
        assert_eq!(outbox.drain(&mut [0; 64]), Ok(2 * 17));
        outbox.push(Event::Closed);
        assert_eq!(wakes.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn what_does_not_fit_waits_its_turn() {
        let (outbox, wakes) = outbox();
        for call in 0..3 {
            outbox.push(Event::End { call });
        }
        let mut room = [0; 40];
        assert_eq!(outbox.drain(&mut room), Ok(2 * 17));
        assert_eq!((room[1], room[18]), (0, 1));
        assert_eq!(wakes.load(Ordering::SeqCst), 2, "woken for the rest");
        assert_eq!(outbox.drain(&mut [0; 16]), Err(17), "and nothing is lost in too small a buffer");
        assert_eq!(outbox.drain(&mut room), Ok(17));
        assert_eq!(room[1], 2);
    }

    #[test]
    fn an_answer_is_packed_with_its_lengths_before_it() {
        let answer = Answer { status: 200, headers: vec![("a", "b".into())], body: b"{}"[..].into() };
        let mut packed = [0; 23];
        assert_eq!(pack_answer(&answer, &mut packed), Ok(23));
        assert_eq!(&packed, b"\x01\0\0\0\0\xc8\0\0\0\x04\0\0\0\x02\0\0\0a\nb\n{}");
        assert_eq!(pack_answer(&answer, &mut [0; 22]), Err(23));
    }
}
