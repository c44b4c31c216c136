//! What waits for the host: pushed from any thread, taken all at once by Node's main thread, packed into one buffer so
//! that it crosses the border once. `express/outbox.js` unpacks it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::stream::Pipe;

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
    /// Pieces of it wait.
    Pieces {
        call: u32,
        pipe: Arc<Pipe>,
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
    },
    Closed,
}

pub(crate) struct Outbox {
    events: Mutex<Vec<Event>>,
    /// Whether the host was woken and has not come yet.
    woken: AtomicBool,
    wake: Box<dyn Fn() + Send + Sync>,
}

impl Outbox {
    pub(crate) fn new(wake: Box<dyn Fn() + Send + Sync>) -> Self {
        Self { events: Mutex::default(), woken: AtomicBool::new(false), wake }
    }

    pub(crate) fn push(&self, event: Event) {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).push(event);
        if !self.woken.swap(true, Ordering::AcqRel) {
            (self.wake)();
        }
    }

    /// Takes everything. The flag is cleared first: what is pushed after that wakes the host again.
    pub(crate) fn drain(&self) -> Vec<u8> {
        self.woken.store(false, Ordering::Release);
        let events = std::mem::take(&mut *self.events.lock().unwrap_or_else(PoisonError::into_inner));
        let mut packed = Vec::with_capacity(events.iter().map(size).sum());
        for event in &events {
            pack(&mut packed, event);
        }
        packed
    }
}

/// Packs one answer alone, as [`Outbox::drain`] would.
pub(crate) fn pack_answer(answer: Answer) -> Vec<u8> {
    let event = Event::Answer { call: 0, answer };
    let mut packed = Vec::with_capacity(size(&event));
    pack(&mut packed, &event);
    packed
}

fn size(event: &Event) -> usize {
    match event {
        Event::Answer { answer, .. } => {
            let headers: usize = answer.headers.iter().map(|(name, value)| name.len() + value.len() + 2).sum();
            17 + headers + answer.body.len()
        }
        Event::Closed | Event::End { .. } => 17,
        Event::Question { .. } | Event::Log { .. } | Event::Head { .. } | Event::Pieces { .. } => 256,
    }
}

/// A record: kind (u8), two numbers (u32), the lengths of head and body (u32), head, body; little-endian.
fn record(packed: &mut Vec<u8>, kind: u8, numbers: [u32; 2], head: &[u8], body: &[u8]) {
    packed.push(kind);
    for number in [numbers[0], numbers[1], head.len() as u32, body.len() as u32] {
        packed.extend_from_slice(&number.to_le_bytes());
    }
    packed.extend_from_slice(head);
    packed.extend_from_slice(body);
}

/// Names and values, one a line.
fn headers(answer: &Answer) -> Vec<u8> {
    let mut head = Vec::with_capacity(64);
    for (name, value) in &answer.headers {
        head.extend_from_slice(name.as_bytes());
        head.push(b'\n');
        head.extend_from_slice(value.as_bytes());
        head.push(b'\n');
    }
    head
}

fn pack(packed: &mut Vec<u8>, event: &Event) {
    match event {
        Event::Answer { call, answer } => {
            record(packed, 1, [*call, u32::from(answer.status)], &headers(answer), &answer.body);
        }
        Event::Head { call, head } => record(packed, 5, [*call, u32::from(head.status)], &headers(head), &[]),
        Event::Pieces { call, pipe } => record(packed, 6, [*call, 0], &[], &pipe.take()),
        Event::End { call } => record(packed, 7, [*call, 0], &[], &[]),
        Event::Question { id, call, question, about } => {
            record(packed, 2, [*id, *call], question.as_bytes(), about.to_string().as_bytes());
        }
        Event::Log { level, event, message } => {
            let body = json!({ "level": level, "event": event, "message": message });
            record(packed, 3, [0, 0], &[], body.to_string().as_bytes());
        }
        Event::Closed => record(packed, 4, [0, 0], &[], &[]),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[test]
    fn one_wake_up_serves_all_that_was_pushed_before_the_host_came() {
        let wakes = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&wakes);
        let outbox = Outbox::new(Box::new(move || {
            counter.fetch_add(1, Ordering::SeqCst);
        }));
        outbox.push(Event::Closed);
        outbox.push(Event::Closed);
        assert_eq!(wakes.load(Ordering::SeqCst), 1);
        assert_eq!(outbox.drain().len(), 2 * 17);
        outbox.push(Event::Closed);
        assert_eq!(wakes.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn an_answer_is_packed_with_its_lengths_before_it() {
        let packed = pack_answer(Answer { status: 200, headers: vec![("a", "b".into())], body: b"{}"[..].into() });
        assert_eq!(packed, b"\x01\0\0\0\0\xc8\0\0\0\x04\0\0\0\x02\0\0\0a\nb\n{}");
    }
}
