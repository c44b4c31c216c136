//! Clients whose connections the addon serves by itself, past the host's HTTP server, as long as all they ask for is the
//! adapter's. It knows how a request is read and an answer written, and nothing of what is in them.

mod connection;
mod head;
mod input;
mod output;
mod place;
mod table;

pub(crate) use connection::serve;
pub(crate) use table::{Clients, is_own};

use std::net::TcpStream as StdStream;
use std::time::Duration;

/// How much of a stream is taken and written at once, in bytes.
const PIECE: usize = 16 * 1024;

/// On which terms a connection is served.
pub(crate) struct Terms {
    /// The path under which the routes are.
    pub(crate) mount: String,
    /// The client's address, where it matters and the connection's own is meant.
    pub(crate) ip: Option<String>,
    /// The header that says it, where a proxy is before the host. In lower case.
    pub(crate) ip_header: Option<String>,
    /// How long it is kept open with nothing asked. Zero: for ever.
    pub(crate) keep_alive: Duration,
}

/// A connection.
pub struct Adopted {
    pub(crate) socket: StdStream,
    /// What was read of it already.
    pub(crate) first: Vec<u8>,
    pub(crate) terms: Terms,
}
