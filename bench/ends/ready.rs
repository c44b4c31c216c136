//! An answer that is made before it is asked for. A large one lies in a file in memory, whose pages the kernel sends as they are: to
//! copy 16 MiB took the upstream up to as long as the measured server had for reading, looking through and writing them.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::rc::Rc;

use rustix::fs::{MemfdFlags, memfd_create, sendfile};
use tokio::io::{AsyncWriteExt, Interest};
use tokio::net::TcpStream;
use tokio::task::yield_now;

/// From so many bytes on an answer is large.
const LARGE: usize = 512 * 1024;
/// So much of it is sent before the next connection's turn, in bytes.
const PART: usize = 1024 * 1024;

#[derive(Clone)]
pub enum Ready {
    Small(Rc<[u8]>),
    Large(Rc<File>, usize),
}

impl Ready {
    pub fn new(bytes: Vec<u8>) -> io::Result<Self> {
        if bytes.len() < LARGE {
            return Ok(Self::Small(bytes.into()));
        }
        let mut file = File::from(memfd_create("answer", MemfdFlags::CLOEXEC)?);
        file.write_all(&bytes)?;
        Ok(Self::Large(Rc::new(file), bytes.len()))
    }

    pub async fn send(&self, stream: &mut TcpStream) -> io::Result<()> {
        let (file, length) = match self {
            Self::Small(bytes) => return stream.write_all(bytes).await,
            Self::Large(file, length) => (file, *length),
        };
        let mut sent = 0;
        while sent < length {
            stream.writable().await?;
            let part = PART.min(length - sent);
            let mut at = sent as u64;
            match stream.try_io(Interest::WRITABLE, || Ok(sendfile(&*stream, file, Some(&mut at), part)?)) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(bytes) => sent += bytes,
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                Err(error) => return Err(error),
            }
            yield_now().await;
        }
        Ok(())
    }
}
