//! One connection of a client's: reads a request, has it carried out, writes the answer, and so on, until something comes
//! that is the host's. It knows nothing of what is asked.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, sleep, sleep_until};

use super::head::{self, Reading};
use super::input::Input;
use super::output::{self, Manner};
use super::place::Place;
use super::table::{Clients, Word};
use super::{Adopted, PIECE, Terms};
use crate::answer::Answer;
use crate::calls::Calls;
use crate::large::{Lent, second};
use crate::outbox::{Event, Outbox};
use crate::pipeline::Work;

/// How soon a request must be there as a whole: for slower ones the host has limits of its own.
const WHOLE_WITHIN: Duration = Duration::from_secs(1);
/// A client may count on what it was told of how long a connection stays open.
const GRACE: Duration = Duration::from_secs(1);
/// How much is read ahead of the next request while one is answered, in bytes.
const AHEAD: usize = 16 * 1024;
/// How soon it is noticed that a client has left which said too much to be heard to its end.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The longest that a stream stays open, with whatever token, as through Node.
const LONGEST: Duration = Duration::from_millis(0x7fff_ffff);
/// Room that is kept for the next answer, in bytes.
const KEPT: usize = 2 * 1024;

/// Serves a connection until it is the host's again, or over.
pub(crate) async fn serve(
    adopted: Adopted,
    number: u32,
    mut words: UnboundedReceiver<Word>,
    calls: Arc<Calls>,
    clients: Arc<Clients>,
    outbox: Arc<Outbox>,
) {
    let mut place = Place::new(number, Arc::clone(&calls), clients, outbox);
    let (leave, unread) = {
        let Ok(mut stream) = TcpStream::from_std(adopted.socket) else { return place.leave(Some(adopted.first)) };
        let (reader, writer) = stream.split();
        let mut connection = Connection {
            reader,
            writer,
            input: Input::new(&adopted.first),
            output: Vec::new(),
            words: &mut words,
            calls: &calls,
            place: &mut place,
            terms: adopted.terms,
            last: false,
            back: false,
        };
        (connection.run().await, connection.input.unread().to_vec())
    };
    match leave {
        Leave::Gone => {}
        Leave::Back => place.leave(Some(unread)),
        Leave::Alone => {
            place.leave(None);
            place.go_on_alone(&mut words).await;
        }
    }
}

/// Why a connection is not served any longer.
enum Leave {
    /// It is the host's again.
    Back,
    /// It is over.
    Gone,
    /// The same; the call under way goes on without its client.
    Alone,
}

type Admitted = Result<Box<Work>, Answer>;

/// What is still needed of a request while it is answered.
struct Asked {
    /// Whether the call does nothing but read.
    reads: bool,
    /// The header, which tells how long a stream may stay open.
    authorization: String,
}

struct Connection<'a> {
    reader: ReadHalf<'a>,
    writer: WriteHalf<'a>,
    input: Input,
    output: Vec<u8>,
    words: &'a mut UnboundedReceiver<Word>,
    calls: &'a Arc<Calls>,
    place: &'a mut Place,
    terms: Terms,
    /// Whether it ends after what is under way.
    last: bool,
    /// Whether it is the host's again after that.
    back: bool,
}

impl Connection<'_> {
    async fn run(&mut self) -> Leave {
        loop {
            if let Err(leave) = self.exchange().await {
                return leave;
            }
            if self.last {
                return Leave::Gone;
            }
        }
    }

    /// One request and its answer.
    async fn exchange(&mut self) -> Result<(), Leave> {
        let mut begun = None;
        let (admitted, asked) = loop {
            if self.asked_back() {
                return Err(Leave::Back);
            }
            if let Some(admitted) = self.admit()? {
                break admitted;
            }
            self.more(&mut begun).await?;
        };
        match admitted {
            Ok(work) => self.calls.start(self.place.call(), work, None),
            Err(answer) => return self.whole(&answer).await,
        }
        loop {
            match self.event().await? {
                Event::Answer { answer, .. } => return self.whole(&answer).await,
                Event::Head { head, .. } => return self.stream(&head, &asked).await,
                Event::LargeHead { head, .. } => return self.large(&head).await,
                _ => {}
            }
        }
    }

    /// Whether it is to be the host's again. Looked at before each request, so that none is answered here that came later.
    fn asked_back(&mut self) -> bool {
        while let Ok(word) = self.words.try_recv() {
            // Anything else is a late word about a call before.
            self.back |= matches!(word, Word::Back);
        }
        self.back
    }

    /// Takes the request that is there, if all of it is.
    fn admit(&mut self) -> Result<Option<(Admitted, Asked)>, Leave> {
        let unread = self.input.unread();
        let head = match head::read(unread, &self.terms) {
            Reading::Partial => return Ok(None),
            Reading::Other => return Err(Leave::Back),
            Reading::Plain(head) => head,
        };
        let Some(body) = unread.get(head.length..head.length + head.body_length) else { return Ok(None) };
        let mut request = head.request;
        request.body = bytes::Bytes::copy_from_slice(body);
        let asked = Asked {
            reads: request.method == "GET",
            authorization: request.authorization.first().copied().unwrap_or_default().to_owned(),
        };
        let (length, last) = (head.length + head.body_length, head.last);
        let admitted = self.calls.admit(self.place.next_call(), request);
        self.input.consume(length);
        self.last |= last;
        Ok(Some((admitted, asked)))
    }

    /// Waits for more of a request. `begun`: since when one has begun to come.
    async fn more(&mut self, begun: &mut Option<Instant>) -> Result<(), Leave> {
        if begun.is_none() && !self.input.unread().is_empty() {
            *begun = Some(Instant::now());
        }
        let late = async {
            match *begun {
                Some(begun) => sleep_until(begun + WHOLE_WITHIN).await,
                None if self.terms.keep_alive.is_zero() => pending().await,
                None => sleep(self.terms.keep_alive + GRACE).await,
            }
        };
        tokio::select! {
            filled = self.input.fill(&mut self.reader) => match filled {
                Ok(0) | Err(_) => Err(Leave::Gone),
                Ok(_) => Ok(()),
            },
            word = self.words.recv() => match word {
                Some(Word::Back) => Err(Leave::Back),
                None => Err(Leave::Gone),
                // A late word about a call before.
                Some(Word::Event(_)) => Ok(()),
            },
            () = late => Err(if begun.is_some() { Leave::Back } else { Leave::Gone }),
        }
    }

    /// The next of what comes of the call under way.
    async fn event(&mut self) -> Result<Event, Leave> {
        loop {
            let word = tokio::select! {
                biased;
                word = self.words.recv() => word,
                () = gone(&mut self.input, &mut self.reader) => return Err(Leave::Gone),
            };
            match word {
                Some(Word::Event(event)) if event.call() == Some(self.place.call()) => return Ok(event),
                // A late word about a call before.
                Some(Word::Event(_)) => {}
                Some(Word::Back) => self.back = true,
                None => return Err(Leave::Gone),
            }
        }
    }

    async fn whole(&mut self, answer: &Answer) -> Result<(), Leave> {
        let manner = self.manner();
        output::answer(&mut self.output, answer, manner);
        self.write().await
    }

    /// An event stream. It ends with its client's token.
    async fn stream(&mut self, head: &Answer, asked: &Asked) -> Result<(), Leave> {
        let manner = self.manner();
        output::head(&mut self.output, head, manner);
        self.write().await?;
        let good_for = self.calls.pipeline.good_for(&asked.authorization).min(LONGEST);
        let mut ending = *b"\n\n";
        let streamed = tokio::select! {
            biased;
            () = sleep(good_for) => None,
            streamed = self.pieces(&mut ending) => Some(streamed),
        };
        if let Some(streamed) = streamed {
            return streamed;
        }
        // Nobody waits for a client that does not read, nor can it be told in the middle of a chunk.
        let told = self.output.is_empty() && {
            self.last_event(ending, "reauth", b"{}");
            self.writer.try_write(&self.output).is_ok_and(|count| count == self.output.len())
        };
        self.output.clear();
        match told {
            // Giving up the stream of a run that it started would stop the run: that one goes on, for whoever watches it next.
            _ if !asked.reads => Err(Leave::Alone),
            true => {
                self.calls.cancel(self.place.call());
                Ok(())
            }
            false => Err(Leave::Gone),
        }
    }

    /// Writes what comes of a stream. `ending` are the last two bytes that were written.
    async fn pieces(&mut self, ending: &mut [u8; 2]) -> Result<(), Leave> {
        loop {
            match self.event().await? {
                Event::Pieces { call } => {
                    let mut piece = vec![0; PIECE];
                    let taken = self.calls.messenger.take(call, &mut piece);
                    match piece[..taken] {
                        [] => continue,
                        [only] => *ending = [ending[1], only],
                        [.., one, two] => *ending = [one, two],
                    }
                    output::chunk(&mut self.output, &piece[..taken]);
                    self.write().await?;
                    self.calls.messenger.written(call, taken);
                }
                Event::Answer { answer, .. } => {
                    self.last_event(*ending, "error", &answer.body);
                    return self.write().await;
                }
                Event::End { .. } => {
                    self.output.extend_from_slice(output::END);
                    return self.write().await;
                }
                _ => {}
            }
        }
    }

    /// Puts the last event of a stream into `output`; in the middle of another one there is no place for it.
    fn last_event(&mut self, ending: [u8; 2], event: &str, data: &[u8]) {
        if ending == *b"\n\n" {
            let event = [b"event: ", event.as_bytes(), b"\ndata: ", data, b"\n\n"].concat();
            output::chunk(&mut self.output, &event);
        }
        self.output.extend_from_slice(output::END);
    }

    /// A large answer, which is written elsewhere.
    async fn large(&mut self, head: &Answer) -> Result<(), Leave> {
        let manner = self.manner();
        let chunked = output::head(&mut self.output, head, manner);
        let socket = second(self.reader.as_ref()).map_err(|_| Leave::Gone)?;
        let lent = Lent { socket, chunked, head: std::mem::take(&mut self.output) };
        if !self.calls.messenger.lend(self.place.call(), Some(lent)) {
            return Err(Leave::Gone);
        }
        match self.event().await? {
            Event::End { .. } => Ok(()),
            // Half a body must not be taken for a whole one.
            _ => Err(Leave::Gone),
        }
    }

    fn manner(&self) -> Manner {
        Manner { last: self.last, keep_alive: self.terms.keep_alive }
    }

    /// Writes what is in `output`.
    async fn write(&mut self) -> Result<(), Leave> {
        let mut written = 0;
        while written < self.output.len() {
            match self.writer.try_write(&self.output[written..]) {
                Ok(0) => return Err(Leave::Gone),
                Ok(count) => written += count,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => tokio::select! {
                    ready = self.writer.writable() => ready.map_err(|_| Leave::Gone)?,
                    () = gone(&mut self.input, &mut self.reader) => return Err(Leave::Gone),
                },
                Err(_) => return Err(Leave::Gone),
            }
        }
        self.output.clear();
        // Clients are many, and most of them idle.
        self.output.shrink_to(KEPT);
        Ok(())
    }
}

/// Resolves when the client has closed its end. What it says meanwhile is the next request.
async fn gone(input: &mut Input, reader: &mut ReadHalf<'_>) {
    loop {
        if input.unread().len() >= AHEAD {
            return ended(reader).await;
        }
        match input.fill(reader).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
    }
}

/// The same, without reading.
async fn ended(reader: &ReadHalf<'_>) {
    loop {
        sleep(LOOK_EVERY).await;
        match reader.ready(Interest::READABLE).await {
            Ok(ready) if !ready.is_read_closed() => {}
            Ok(_) | Err(_) => return,
        }
    }
}
