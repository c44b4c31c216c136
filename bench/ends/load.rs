//! The load of a benchmark: so many connections, each of which sends its next request when the last is answered. One
//! thread; what it receives beyond the heads is dropped inside the kernel, so that it takes as little of the machine as it
//! can.
//!
//! `load PORT CONNECTIONS MILLISECONDS FILE`: the file holds the requests, each as its length, a line feed and that many
//! bytes; they are sent in turn. Prints one line of JSON:
//! `{"requests", "us", "bytes", "broken", "refused", "p50", "p99"}`, times in µs; `refused` are answers from 400 on.

mod answer;

use std::io::{self, ErrorKind, Write};
use std::net::{SocketAddr, TcpStream as Connecting};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use answer::{Answer, Progress};

/// A request that waits longer is taken for lost.
const PATIENCE: Duration = Duration::from_secs(30);
/// So much of a body is dropped at a time, in bytes.
const DROPPED: usize = 1024 * 1024;

struct Connection {
    stream: TcpStream,
    request: usize,
    sent: usize,
    began: Instant,
    answer: Answer,
}

/// What all connections share.
struct Load {
    requests: Vec<Vec<u8>>,
    next: usize,
    /// See [`Answer::read`].
    dropped: Vec<u8>,
    /// Of each answer, µs.
    took: Vec<u32>,
    bytes: u64,
    refused: u64,
    broken: u64,
}

impl Load {
    fn next_request(&mut self) -> usize {
        self.next = (self.next + 1) % self.requests.len();
        self.next
    }

    /// Does what can be done without waiting.
    fn advance(&mut self, connection: &mut Connection) -> io::Result<()> {
        loop {
            let left = &self.requests[connection.request][connection.sent..];
            if !left.is_empty() {
                match connection.stream.write(left) {
                    Ok(sent) => connection.sent += sent,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                    Err(error) => return Err(error),
                }
                continue;
            }
            match connection.answer.read(&mut connection.stream, &mut self.dropped, &mut self.bytes)? {
                Progress::Waits => return Ok(()),
                Progress::Complete(status) => {
                    self.refused += u64::from(status >= 400);
                    let now = Instant::now();
                    self.took.push((now - connection.began).as_micros() as u32);
                    (connection.request, connection.sent, connection.began) = (self.next_request(), 0, now);
                }
            }
        }
    }

    fn run(&mut self, address: SocketAddr, connections: usize, time: Duration) -> io::Result<Duration> {
        let mut poll = Poll::new()?;
        let mut all = Vec::with_capacity(connections);
        for number in 0..connections {
            let stream = Connecting::connect(address)?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            let mut stream = TcpStream::from_std(stream);
            poll.registry().register(&mut stream, Token(number), Interest::READABLE | Interest::WRITABLE)?;
            let request = self.next_request();
            all.push(Some(Connection { stream, request, sent: 0, began: Instant::now(), answer: Answer::default() }));
        }
        let mut events = Events::with_capacity(1024);
        let began = Instant::now();
        for connection in all.iter_mut().flatten() {
            connection.began = began;
        }
        while let Some(left) = time.checked_sub(began.elapsed())
            && all.iter().any(Option::is_some)
        {
            match poll.poll(&mut events, Some(left)) {
                Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            for event in &events {
                let place = &mut all[event.token().0];
                if let Some(connection) = place
                    && self.advance(connection).is_err()
                {
                    self.broken += 1;
                    *place = None;
                }
            }
        }
        self.broken += all.iter().flatten().filter(|one| one.began.elapsed() > PATIENCE).count() as u64;
        Ok(began.elapsed())
    }
}

fn read_requests(file: &str) -> Option<Vec<Vec<u8>>> {
    let bytes = std::fs::read(file).ok()?;
    let mut rest = bytes.as_slice();
    let mut requests = Vec::new();
    while !rest.is_empty() {
        let line = rest.iter().position(|byte| *byte == b'\n')?;
        let length = std::str::from_utf8(&rest[..line]).ok()?.parse().ok()?;
        let (request, after) = rest[line + 1..].split_at_checked(length)?;
        requests.push(request.to_vec());
        rest = after;
    }
    Some(requests).filter(|requests| !requests.is_empty())
}

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let usage = || io::Error::new(ErrorKind::InvalidInput, "load PORT CONNECTIONS MILLISECONDS FILE");
    let [port, connections, ms, file] = arguments.as_slice() else { return Err(usage()) };
    let (Ok(port), Ok(connections), Ok(ms)) = (port.parse::<u16>(), connections.parse(), ms.parse()) else {
        return Err(usage());
    };
    let requests = read_requests(file).ok_or_else(usage)?;
    let mut load =
        Load { requests, next: 0, dropped: vec![0; DROPPED], took: Vec::new(), bytes: 0, refused: 0, broken: 0 };
    let took = load.run(([127, 0, 0, 1], port).into(), connections, Duration::from_millis(ms))?;
    load.took.sort_unstable();
    let percentile = |of: usize| load.took.get((load.took.len() * of / 100).saturating_sub(1)).unwrap_or(&0);
    println!(
        r#"{{"requests":{},"us":{},"bytes":{},"broken":{},"refused":{},"p50":{},"p99":{}}}"#,
        load.took.len(),
        took.as_micros(),
        load.bytes,
        load.broken,
        load.refused,
        percentile(50),
        percentile(99)
    );
    Ok(())
}
