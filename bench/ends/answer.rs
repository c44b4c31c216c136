//! Reads one HTTP/1.1 answer after the other from a connection: status and length, and where it ends. What is in a body is
//! nobody's business here.

use std::io::{self, ErrorKind, Read};

use mio::net::TcpStream;
use rustix::net::{RecvFlags, recv};

/// Room for heads, chunk sizes and small bodies.
const ROOM: usize = 16 * 1024;

/// Where a connection is in its answer.
pub struct Answer {
    read: Box<[u8; ROOM]>,
    from: usize,
    to: usize,
    status: u16,
    expects: Expects,
}

#[derive(Clone, Copy)]
enum Expects {
    Head,
    /// So many bytes of a body, or of a chunk and the line end behind it.
    Bytes {
        left: usize,
        chunk: bool,
    },
    ChunkSize,
    /// What follows the last chunk, to an empty line.
    Trailer,
}

pub enum Progress {
    /// For more to come.
    Waits,
    /// With this status.
    Complete(u16),
}

impl Default for Answer {
    fn default() -> Self {
        Self { read: Box::new([0; ROOM]), from: 0, to: 0, status: 0, expects: Expects::Head }
    }
}

fn broken() -> io::Error {
    ErrorKind::InvalidData.into()
}

impl Answer {
    /// Reads on; adds what it received to `bytes`. Nothing is written to `dropped`: the kernel wants to know how much room
    /// there would be for what is not copied.
    pub fn read(&mut self, stream: &mut TcpStream, dropped: &mut [u8], bytes: &mut u64) -> io::Result<Progress> {
        loop {
            while self.step()? {
                if let Expects::Bytes { left: 0, chunk: false } = self.expects {
                    self.expects = Expects::Head;
                    return Ok(Progress::Complete(self.status));
                }
            }
            match self.receive(stream, dropped) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(received) => *bytes += received as u64,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Progress::Waits),
                Err(error) => return Err(error),
            }
        }
    }

    /// Goes one step further in what was read. False: more is needed.
    fn step(&mut self) -> io::Result<bool> {
        let unread = &self.read[self.from..self.to];
        match self.expects {
            Expects::Head => {
                let Some(end) = unread.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(false) };
                let head = std::str::from_utf8(&unread[..end]).map_err(|_| broken())?;
                (self.status, self.expects) = parse(head).ok_or_else(broken)?;
                self.from += end + 4;
            }
            Expects::Bytes { left, chunk } => {
                let here = left.min(unread.len());
                self.from += here;
                self.expects = match left - here {
                    0 if chunk => Expects::ChunkSize,
                    left => Expects::Bytes { left, chunk },
                };
                return Ok(left == here);
            }
            Expects::ChunkSize | Expects::Trailer => {
                let Some(end) = unread.windows(2).position(|window| window == b"\r\n") else { return Ok(false) };
                let line = std::str::from_utf8(&unread[..end]).map_err(|_| broken())?;
                self.expects = match self.expects {
                    Expects::Trailer if line.is_empty() => Expects::Bytes { left: 0, chunk: false },
                    Expects::Trailer => Expects::Trailer,
                    _ => match usize::from_str_radix(line.split(';').next().unwrap_or_default().trim(), 16) {
                        Ok(0) => Expects::Trailer,
                        Ok(size) => Expects::Bytes { left: size + 2, chunk: true },
                        Err(_) => return Err(broken()),
                    },
                };
                self.from += end + 2;
            }
        }
        Ok(true)
    }

    /// Receives more, or drops what would only be counted.
    fn receive(&mut self, stream: &mut TcpStream, dropped: &mut [u8]) -> io::Result<usize> {
        if let Expects::Bytes { left, chunk } = self.expects
            && left > ROOM
        {
            let most = left.min(dropped.len());
            let (_, received) = recv(&*stream, &mut dropped[..most], RecvFlags::TRUNC)?;
            self.expects = Expects::Bytes { left: left - received, chunk };
            return Ok(received);
        }
        self.read.copy_within(self.from..self.to, 0);
        (self.from, self.to) = (0, self.to - self.from);
        if self.to == ROOM {
            return Err(broken());
        }
        let received = stream.read(&mut self.read[self.to..])?;
        self.to += received;
        Ok(received)
    }
}

/// Status, and what follows the head.
fn parse(head: &str) -> Option<(u16, Expects)> {
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        if name.eq_ignore_ascii_case("content-length") {
            return Some((status, Expects::Bytes { left: value.trim().parse().ok()?, chunk: false }));
        }
        if name.eq_ignore_ascii_case("transfer-encoding") && value.trim().eq_ignore_ascii_case("chunked") {
            return Some((status, Expects::ChunkSize));
        }
    }
    None
}
