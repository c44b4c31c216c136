//! The body of a large answer on its way to its client: straight into the client's socket where the host lends it, so that
//! the host's thread has no part in it; else piece by piece through the host. It knows nothing of what the bytes are.

use std::io::{self, IoSlice};
use std::net::TcpStream as StdStream;
use std::time::Duration;

use bytes::Bytes;
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use crate::answer::Answer;
use crate::error::{Code, Error};
use crate::host::Outlet;

/// A client's socket. The answer is the borrower's to write, and to end. Not `Debug`: heads hold cookies of the host's.
pub struct Lent {
    pub(crate) socket: StdStream,
    /// Whether the body goes out in chunks (RFC 9112, 7.1): the head does not say how long it is.
    pub(crate) chunked: bool,
    /// What goes before the body, unless that is written.
    pub(crate) head: Vec<u8>,
}

/// The client is gone.
#[derive(Debug)]
pub struct Gone;

/// How soon the host sees by itself that a client is gone, and gives the call up.
const SEEN_WITHIN: Duration = Duration::from_secs(1);

/// Where a large body goes. Dropped before it is finished, the answer breaks off: a client must not take half a body for a
/// whole one.
pub struct LargeOutlet {
    outlet: Outlet,
    way: Way,
    request_id: String,
    /// Whether nothing more is to be said of it.
    over: bool,
}

enum Way {
    /// The host has not said yet.
    Asked(oneshot::Receiver<Lent>),
    Host,
    Socket(Socket),
}

impl LargeOutlet {
    /// `lent` gets the socket, or is closed: then all goes to `outlet`.
    pub fn new(outlet: Outlet, lent: oneshot::Receiver<Lent>, request_id: String) -> Self {
        Self { outlet, way: Way::Asked(lent), request_id, over: false }
    }

    /// Hands `pieces` over, waiting while the client is slow.
    ///
    /// # Errors
    /// The client is gone.
    pub async fn write(&mut self, pieces: &mut Vec<Bytes>) -> Result<(), Gone> {
        self.send(pieces, false).await
    }

    /// Hands the last of it over.
    pub async fn finish(mut self, mut pieces: Vec<Bytes>) {
        self.over = self.send(&mut pieces, true).await.is_ok();
    }

    /// Ends the answer with an error, after all that was written.
    pub fn fail(mut self, error: &Error) {
        self.break_off(error);
    }

    fn break_off(&mut self, error: &Error) {
        self.over = true;
        self.outlet.fail(Answer::error(error, &self.request_id));
    }

    async fn send(&mut self, pieces: &mut Vec<Bytes>, last: bool) -> Result<(), Gone> {
        if let Way::Asked(lent) = &mut self.way {
            self.way = match lent.await {
                Ok(lent) => Way::Socket(Socket::new(lent).map_err(|_| Gone)?),
                Err(_) => Way::Host,
            };
        }
        let Way::Socket(socket) = &mut self.way else {
            for bytes in pieces.drain(..) {
                self.outlet.write(bytes).await;
            }
            return Ok(());
        };
        if socket.send(pieces, last).await.is_err() {
            tokio::time::sleep(SEEN_WITHIN).await;
            return Err(Gone);
        }
        pieces.clear();
        Ok(())
    }
}

impl Drop for LargeOutlet {
    fn drop(&mut self) {
        if !self.over {
            self.break_off(&Error::new(Code::UpstreamError, "the answer broke off"));
        }
    }
}

struct Socket {
    stream: TcpStream,
    chunked: bool,
    /// Goes out with the first pieces.
    head: Vec<u8>,
}

impl Socket {
    fn new(Lent { socket, chunked, head }: Lent) -> io::Result<Self> {
        Ok(Self { stream: TcpStream::from_std(socket)?, chunked, head })
    }

    /// Writes `pieces`, as one chunk where the body is chunked, and the end of the body after the `last` of them.
    async fn send(&mut self, pieces: &[Bytes], last: bool) -> io::Result<()> {
        let length: usize = pieces.iter().map(Bytes::len).sum();
        let size = format!("{length:x}\r\n");
        let (before, after): (&[u8], &[u8]) = match (self.chunked, length, last) {
            (false, _, _) | (true, 0, false) => (b"", b""),
            (true, 0, true) => (b"", b"0\r\n\r\n"),
            (true, _, false) => (size.as_bytes(), b"\r\n"),
            (true, _, true) => (size.as_bytes(), b"\r\n0\r\n\r\n"),
        };
        let head = std::mem::take(&mut self.head);
        let parts = [&*head, before].into_iter().chain(pieces.iter().map(Bytes::as_ref)).chain([after]);
        let mut slices: Vec<_> = parts.filter(|part| !part.is_empty()).map(IoSlice::new).collect();
        let mut left = &mut slices[..];
        while !left.is_empty() {
            match self.stream.try_write_vectored(left) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    IoSlice::advance_slices(&mut left, written);
                    // A client may take bytes as fast as they are written, and others wait on this thread.
                    if !left.is_empty() {
                        tokio::task::yield_now().await;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.stream.writable().await?,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// A second descriptor of a socket.
#[cfg(unix)]
pub(crate) fn second(stream: &TcpStream) -> io::Result<StdStream> {
    use std::os::fd::AsFd;

    stream.as_fd().try_clone_to_owned().map(StdStream::from)
}

/// No connection is served there that would need one.
#[cfg(not(unix))]
pub(crate) fn second(_: &TcpStream) -> io::Result<StdStream> {
    Err(io::ErrorKind::Unsupported.into())
}

/// A second descriptor of the TCP socket `fd`, which its owner may close at any time.
#[cfg(unix)]
pub(crate) fn duplicate(fd: i32) -> io::Result<StdStream> {
    use std::os::fd::BorrowedFd;

    if fd < 0 {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: it is not -1, and borrowed for one system call only, which checks that it is open.
    #[expect(unsafe_code, reason = "the standard library has no other way to name a descriptor that Node owns")]
    let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
    let socket = StdStream::from(borrowed.try_clone_to_owned()?);
    // Nothing but a connected TCP socket has one.
    socket.peer_addr().map(|_| socket)
}

/// Sockets have no descriptors there.
#[cfg(not(unix))]
pub(crate) fn duplicate(_: i32) -> io::Result<StdStream> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::host::Told;
    use crate::stream::{LARGE, Pipe};

    type Said = Arc<Mutex<Vec<&'static str>>>;

    /// An outlet through a host that lends nothing, and what that host is told.
    fn outlet() -> (LargeOutlet, Said) {
        let said = Said::default();
        let list = Arc::clone(&said);
        let tell = move |told| {
            list.lock().unwrap().push(match told {
                Told::Waiting => "waiting",
                Told::Failed(_) => "failed",
                Told::Ended => "ended",
            });
        };
        let outlet = Outlet::new(Arc::new(Pipe::new(LARGE)), Box::new(tell));
        (LargeOutlet::new(outlet, oneshot::channel().1, "request".to_owned()), said)
    }

    #[tokio::test]
    async fn a_body_that_is_finished_ends() {
        let (mut outlet, said) = outlet();
        outlet.write(&mut vec![Bytes::from("{")]).await.unwrap();
        outlet.finish(vec![Bytes::from("}")]).await;
        assert_eq!(*said.lock().unwrap(), ["waiting", "ended"]);
    }

    #[tokio::test]
    async fn one_that_is_dropped_before_breaks_off() {
        let (mut outlet, said) = outlet();
        outlet.write(&mut vec![Bytes::from("{")]).await.unwrap();
        drop(outlet);
        assert_eq!(*said.lock().unwrap(), ["waiting", "failed", "ended"]);
    }

    #[cfg(unix)]
    #[test]
    fn only_a_connected_tcp_socket_is_borrowed() {
        use std::net::{TcpListener, UdpSocket};
        use std::os::fd::AsRawFd;

        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = StdStream::connect(listener.local_addr().unwrap()).unwrap();
        assert!(duplicate(client.as_raw_fd()).is_ok());
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let file = std::fs::File::open("/dev/null").unwrap();
        for fd in [listener.as_raw_fd(), udp.as_raw_fd(), file.as_raw_fd(), -1, i32::MIN, i32::MAX] {
            assert!(duplicate(fd).is_err(), "{fd}");
        }
    }
}
