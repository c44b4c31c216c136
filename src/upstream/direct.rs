//! Connections straight to Sim, one request after the other over each. The way of nearly every call, so it does no more
//! than it must: one host, HTTP/1.1, no redirects. It must not know Sim's API.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use tokio::runtime::{Handle, Id};
use tokio::time::{Instant, sleep, timeout};
use tower_service::Service;

use super::client::{Broken, Outgoing, POOL_IDLE, POOL_SIZE};
use crate::config::SimConfig;

/// How much is read ahead of an answer: twice as much waits where its reader does. Each has connections of its own.
#[derive(Clone, Copy)]
pub(super) enum Ahead {
    /// Of streams that may stay open for long, and of whatever is small.
    Little,
    /// Of answers that are handed on as they come: the more is read at once, the fewer calls of the system.
    Much,
}

impl Ahead {
    const fn bytes(self) -> usize {
        match self {
            Ahead::Little => 64 * 1024,
            Ahead::Much => 256 * 1024,
        }
    }
}

/// Notices a host that is gone while nothing is said.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// How soon a connection that was answered must be free for the next request: it nearly always is at once.
const READY_WITHIN: Duration = Duration::from_millis(50);

type Sender = http1::SendRequest<Full<Bytes>>;

/// The way to Sim, and its idle connections, those of each [`Ahead`] apart.
pub(super) struct Direct {
    connector: HttpsConnector<HttpConnector>,
    /// Scheme and authority.
    to: Uri,
    connect_timeout: Duration,
    pools: [Mutex<Pool>; 2],
}

#[derive(Default)]
struct Pool {
    /// Oldest first.
    idle: VecDeque<Idle>,
    /// Whether somebody looks after them while nothing is asked for.
    tended: bool,
}

/// A connection that waits for a request.
struct Idle {
    sender: Sender,
    since: Instant,
    home: Id,
}

/// The connection of one answer. It goes back to the others when the answer has been read to its end and nobody holds
/// this any more.
pub(super) struct Lease {
    direct: Arc<Direct>,
    ahead: Ahead,
    sender: Option<Sender>,
    /// The runtime that reads and writes it. Only calls on that one use it again: others would wake its thread for each word.
    home: Id,
    /// The answer was read to its end.
    whole: AtomicBool,
    given_up: AtomicBool,
}

impl Direct {
    pub(super) fn new(config: &SimConfig, to: Uri, tls: rustls::ClientConfig) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(KEEPALIVE));
        tcp.set_connect_timeout(Some(config.connect_timeout));
        let connector = hyper_rustls::HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http();
        let connector = connector.enable_http1().wrap_connector(tcp);
        Self { connector, to, connect_timeout: config.connect_timeout, pools: Default::default() }
    }

    pub(super) async fn send(
        self: &Arc<Self>,
        request: Outgoing,
        ahead: Ahead,
    ) -> Result<(Response<Incoming>, Arc<Lease>), Broken> {
        let Outgoing { method, target, headers, body } = request;
        let mut request = Request::new(Full::new(body.unwrap_or_default()));
        *request.method_mut() = method;
        *request.uri_mut() = Uri::from(target);
        *request.headers_mut() = headers;
        loop {
            let (mut sender, used_before) = match self.take(ahead).await {
                Some(sender) => (sender, true),
                None => (self.connect(ahead).await?, false),
            };
            let mut error = match sender.try_send_request(request).await {
                Ok(response) => return Ok((response, Arc::new(Lease::new(self, ahead, sender)))),
                Err(error) => error,
            };
            request = match error.take_message() {
                // Sim closed it while it was idle: not a byte was sent.
                Some(request) if used_before => request,
                Some(_) => return Err(Broken::Unsent),
                None => return Err(Broken::of(&error.into_error())),
            };
        }
    }

    /// An idle connection of this runtime's, the one that was used last.
    async fn take(&self, ahead: Ahead) -> Option<Sender> {
        let here = Handle::current().id();
        loop {
            let Idle { mut sender, since, .. } = {
                let idle = &mut self.pool(ahead).idle;
                let last = idle.iter().rposition(|connection| connection.home == here)?;
                idle.remove(last)?
            };
            if since.elapsed() >= POOL_IDLE {
                continue;
            }
            // Whoever answers before it has read the whole request may never read the rest.
            if sender.is_ready() || timeout(READY_WITHIN, sender.ready()).await.is_ok_and(|ready| ready.is_ok()) {
                return Some(sender);
            }
        }
    }

    async fn connect(&self, ahead: Ahead) -> Result<Sender, Broken> {
        let opened = async {
            let stream = self.connector.clone().call(self.to.clone()).await.map_err(|_| Broken::Connect)?;
            http1::Builder::new().max_buf_size(ahead.bytes()).handshake(stream).await.map_err(|_| Broken::Connect)
        };
        let (sender, connection) = timeout(self.connect_timeout, opened).await.map_err(|_| Broken::Connect)??;
        // How it ended is told to whoever waits for an answer.
        tokio::spawn(async move { drop(connection.await) });
        Ok(sender)
    }

    /// Keeps a connection for whoever comes next.
    fn put(self: &Arc<Self>, ahead: Ahead, sender: Sender, home: Id) {
        let Ok(runtime) = Handle::try_current() else { return };
        if sender.is_closed() {
            return;
        }
        let mut pool = self.pool(ahead);
        if pool.idle.len() == POOL_SIZE {
            pool.idle.pop_front();
        }
        pool.idle.push_back(Idle { sender, since: Instant::now(), home });
        if !std::mem::replace(&mut pool.tended, true) {
            runtime.spawn(tend(Arc::downgrade(self), ahead));
        }
    }

    fn pool(&self, ahead: Ahead) -> MutexGuard<'_, Pool> {
        self.pools[ahead as usize].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes connections that were idle for too long, until there is none.
async fn tend(direct: std::sync::Weak<Direct>, ahead: Ahead) {
    loop {
        sleep(POOL_IDLE).await;
        let Some(direct) = direct.upgrade() else { return };
        let mut pool = direct.pool(ahead);
        pool.idle.retain(|connection| connection.since.elapsed() < POOL_IDLE);
        if pool.idle.is_empty() {
            pool.tended = false;
            return;
        }
    }
}

impl Lease {
    fn new(direct: &Arc<Direct>, ahead: Ahead, sender: Sender) -> Self {
        let (whole, given_up) = (AtomicBool::new(false), AtomicBool::new(false));
        let home = Handle::current().id();
        Self { direct: Arc::clone(direct), ahead, sender: Some(sender), home, whole, given_up }
    }

    /// The answer was read to its end.
    pub(super) fn ended(&self) {
        self.whole.store(true, Ordering::Relaxed);
    }

    /// Sends nothing more over it.
    pub(super) fn give_up(&self) {
        self.given_up.store(true, Ordering::Relaxed);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let (whole, given_up) = (*self.whole.get_mut(), *self.given_up.get_mut());
        if let Some(sender) = self.sender.take().filter(|_| whole && !given_up) {
            self.direct.put(self.ahead, sender, self.home);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use http::HeaderMap;
    use serde_json::json;
    use tokio::runtime::{Builder, Runtime};

    use super::super::client::Rest;
    use super::*;
    use crate::config::Config;

    /// Answers whatever is asked. Each connection that is open has a share of what is returned.
    fn sim() -> (Uri, Arc<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let to = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let opened = Arc::new(());
        let each = Arc::clone(&opened);
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let opened = Arc::clone(&each);
                std::thread::spawn(move || {
                    let _opened = opened;
                    // The request is small: it comes in one piece.
                    while stream.read(&mut [0; 4096]).is_ok_and(|read| read > 0) {
                        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").unwrap();
                    }
                });
            }
        });
        (to, opened)
    }

    #[test]
    fn a_connection_is_used_again_by_those_who_are_where_it_is_read() {
        let (to, opened) = sim();
        let settings = json!({ "options": { "baseUrl": to.to_string(), "apiKey": "key" }, "env": {} });
        let config = Config::read(&settings).0.sim.unwrap();
        let tls = super::super::tls::tls(&config).unwrap_or_else(|problem| panic!("{}", problem.message));
        let direct = Arc::new(Direct::new(&config, to, tls));
        let ask = |runtime: &Runtime| {
            let target = "/api/v2/workflows".parse().unwrap();
            let request = Outgoing { method: http::Method::GET, target, headers: HeaderMap::new(), body: None };
            let answered = async {
                let (response, lease) = direct.send(request, Ahead::Little).await.unwrap();
                let mut rest = Rest::Direct(response.into_body(), lease);
                while rest.chunk().await.unwrap().is_some() {}
            };
            // A connection that another thread reads would stand still: only this runtime goes on meanwhile.
            runtime.block_on(async { timeout(Duration::from_secs(10), answered).await.unwrap() });
        };
        let runtimes = [(); 2].map(|()| Builder::new_current_thread().enable_all().build().unwrap());
        for _ in 0..3 {
            runtimes.iter().for_each(ask);
        }
        // This one, the listener's, and one for each connection.
        assert_eq!(Arc::strong_count(&opened), 2 + runtimes.len());
    }
}
