//! The connection to Redis: made and remade in the background, never by a request. Knows no limit.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use redis::aio::{ConnectionLike, MultiplexedConnection, PubSub};
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::{AsyncConnectionConfig, Client, Cmd, RedisError, RedisResult, TlsCertificates, Value};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::redis::{PATIENCE, RedisConfig};

/// The longest that connecting takes, and the longest an answer is owed on a connection.
const ATTEMPT: Duration = Duration::from_secs(1);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// A connection that fails sooner than this after it was found is no end of an outage: each such one doubles the pause
/// before the next, up to the longest, so that a Redis that half works is not announced again and again.
const STEADY: Duration = Duration::from_secs(60);
const LONGEST_RELAPSE_PAUSE: Duration = Duration::from_secs(60);
/// Commands queued on the one connection before their senders wait; the library's 50 is below 512 requests at once.
const QUEUE: usize = 4_096;

/// What happened to the shared limits. One of each per outage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// `redis_unavailable`: limits hold per instance from now on.
    RedisUnavailable(Fault),
    /// `redis_available`: limits are shared again. Not said of the first connection.
    RedisAvailable,
}

/// Why Redis counts as away. No address and no message of the server, which may hold a key or a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    Timeout,
    Connection,
    /// It answered, but not with a decision: out of memory, read-only, no permission.
    Answer,
}

impl Fault {
    pub fn name(self) -> &'static str {
        match self {
            Fault::Timeout => "timeout",
            Fault::Connection => "connection",
            Fault::Answer => "answer",
        }
    }

    pub(crate) fn of(error: &RedisError) -> Fault {
        if error.is_timeout() {
            Fault::Timeout
        } else if error.is_io_error() || error.is_unrecoverable_error() {
            Fault::Connection
        } else {
            Fault::Answer
        }
    }
}

/// Called from any of the threads that ask Redis; must not block.
pub type OnEvent = Box<dyn Fn(Event) + Send + Sync>;

/// For metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    pub up: bool,
    /// Decisions that were asked of Redis and had to be made without it.
    pub fallbacks: u64,
    pub outages: u64,
}

enum Server {
    Single(Box<Client>),
    Cluster(Box<ClusterClient>),
}

#[derive(Clone)]
pub(crate) enum Connection {
    Single(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Connection {
    pub(crate) async fn query(&mut self, command: &Cmd) -> RedisResult<Value> {
        match self {
            Connection::Single(connection) => connection.req_packed_command(command).await,
            Connection::Cluster(connection) => connection.req_packed_command(command).await,
        }
        .and_then(Value::extract_error)
    }
}

#[derive(Clone)]
enum State {
    /// Before the first connection: requests wait for it, within their patience.
    First,
    Up(Found, Connection),
    Away,
}

/// The number tells connections apart: a late failure of an older one says nothing about this one.
#[derive(Clone, Copy)]
struct Found {
    number: u64,
    at: Instant,
}

pub(crate) struct Link {
    server: Server,
    /// Each node that was named, by itself: any of a cluster's hears all that is published.
    nodes: Vec<Client>,
    probe: Cmd,
    state: watch::Sender<State>,
    connecting: AtomicBool,
    /// Where it was connected first. Those that ask it later may be on threads that end sooner.
    runtime: OnceLock<Handle>,
    connections: AtomicU64,
    /// Connections in a row that were lost soon after they were found.
    relapses: AtomicU32,
    fallbacks: AtomicU64,
    outages: AtomicU64,
    on_event: OnEvent,
}

impl Link {
    /// Opens nothing yet. `probe` must succeed on a new connection before it is used.
    pub(crate) fn new(config: &RedisConfig, probe: Cmd, on_event: OnEvent) -> RedisResult<Arc<Link>> {
        let certificates = config.ca.clone().map(|ca| TlsCertificates { client_tls: None, root_cert: Some(ca) });
        let uris: Vec<_> =
            if config.cluster { config.uri.split(',').map(str::trim).collect() } else { vec![config.uri.as_str()] };
        let node = |uri: &&str| match certificates.clone() {
            Some(certificates) => Client::build_with_tls(*uri, certificates),
            None => Client::open(*uri),
        };
        let nodes = uris.iter().map(node).collect::<RedisResult<Vec<_>>>()?;
        let server = if config.cluster {
            let builder = ClusterClient::builder(uris).connection_timeout(ATTEMPT).response_timeout(ATTEMPT).retries(1);
            let builder = match certificates {
                Some(certificates) => builder.certs(certificates),
                None => builder,
            };
            Server::Cluster(Box::new(builder.build()?))
        } else {
            Server::Single(Box::new(nodes[0].clone()))
        };
        Ok(Arc::new(Link {
            server,
            nodes,
            probe,
            state: watch::Sender::new(State::First),
            connecting: AtomicBool::new(false),
            runtime: OnceLock::new(),
            connections: AtomicU64::new(0),
            relapses: AtomicU32::new(0),
            fallbacks: AtomicU64::new(0),
            outages: AtomicU64::new(0),
            on_event,
        }))
    }

    pub(crate) fn status(&self) -> Status {
        Status {
            up: matches!(*self.state.borrow(), State::Up(..)),
            fallbacks: self.fallbacks.load(Ordering::Relaxed),
            outages: self.outages.load(Ordering::Relaxed),
        }
    }

    /// Does `work` on the connection. `None` if Redis is away: at once when that is known, else by `deadline`.
    pub(crate) async fn within<T>(
        self: &Arc<Self>,
        deadline: Instant,
        work: impl AsyncFnOnce(Connection) -> Result<T, Fault>,
    ) -> Option<T> {
        let mut used = None;
        let attempt = timeout_at(deadline, async {
            let Some((found, connection)) = self.connection().await else {
                return Ok(None);
            };
            used = Some(found.number);
            work(connection).await.map(Some)
        })
        .await;
        match attempt {
            Ok(Ok(Some(done))) => return Some(done),
            Ok(Ok(None)) => {}
            Ok(Err(fault)) => self.lost(used, fault),
            Err(_) => self.lost(used, Fault::Timeout),
        }
        None
    }

    pub(crate) fn count_fallback(&self) {
        self.fallbacks.fetch_add(1, Ordering::Relaxed);
    }

    async fn connection(self: &Arc<Self>) -> Option<(Found, Connection)> {
        let now = self.state.borrow().clone();
        match now {
            State::Up(found, connection) => Some((found, connection)),
            State::Away => None,
            State::First => {
                self.connect();
                let mut states = self.state.subscribe();
                let known = states.wait_for(|state| !matches!(state, State::First)).await;
                match known.as_deref() {
                    Ok(State::Up(found, connection)) => Some((*found, connection.clone())),
                    _ => None,
                }
            }
        }
    }

    /// The connection with this number, or the first attempt (`None`), has failed. Only the first to say so is heard.
    fn lost(self: &Arc<Self>, number: Option<u64>, fault: Fault) {
        let news = self.state.send_if_modified(|state| {
            let found = match state {
                State::First => None,
                State::Up(found, _) => Some(*found),
                State::Away => return false,
            };
            if found.map(|found| found.number) != number {
                return false;
            }
            match found {
                Some(found) if found.at.elapsed() < STEADY => self.relapses.fetch_add(1, Ordering::Relaxed),
                _ => self.relapses.swap(0, Ordering::Relaxed),
            };
            *state = State::Away;
            true
        });
        if news {
            self.outages.fetch_add(1, Ordering::Relaxed);
            (self.on_event)(Event::RedisUnavailable(fault));
            self.connect();
        }
    }

    /// Connects in the background, trying until it succeeds; does nothing while that is going on.
    pub(crate) fn connect(self: &Arc<Self>) {
        if !self.connecting.swap(true, Ordering::AcqRel) {
            self.runtime.get_or_init(Handle::current).spawn(keep_trying(Arc::downgrade(self)));
        }
    }

    async fn open(&self) -> RedisResult<Connection> {
        Ok(match &self.server {
            Server::Single(client) => {
                let config = AsyncConnectionConfig::new()
                    .set_connection_timeout(Some(ATTEMPT))
                    .set_response_timeout(Some(ATTEMPT))
                    .set_pipeline_buffer_size(QUEUE);
                Connection::Single(client.get_multiplexed_async_connection_with_config(&config).await?)
            }
            Server::Cluster(client) => Connection::Cluster(client.get_async_connection().await?),
        })
    }

    /// A connection for what is published, to the first node that answers. It does not mend itself, and its failures say
    /// nothing about limits.
    pub(crate) async fn listen(&self) -> Option<PubSub> {
        for node in &self.nodes {
            if let Ok(Ok(connection)) = timeout(ATTEMPT, node.get_async_pubsub()).await {
                return Some(connection);
            }
        }
        None
    }

    /// A connection that has shown that it decides, and fast enough to be asked by requests.
    async fn attempt(&self) -> Result<Connection, Fault> {
        let opened = timeout(ATTEMPT, self.open()).await.map_err(|_| Fault::Timeout)?;
        let mut connection = opened.map_err(|error| Fault::of(&error))?;
        let probed = timeout(PATIENCE, connection.query(&self.probe)).await.map_err(|_| Fault::Timeout)?;
        probed.map_err(|error| Fault::of(&error))?;
        Ok(connection)
    }

    fn found(&self, connection: Connection) {
        let number = self.connections.fetch_add(1, Ordering::Relaxed);
        // Before the new state is seen: whoever loses this connection must be able to start the next attempt.
        self.connecting.store(false, Ordering::Release);
        let before = self.state.send_replace(State::Up(Found { number, at: Instant::now() }, connection));
        if matches!(before, State::Away) {
            (self.on_event)(Event::RedisAvailable);
        }
    }
}

/// Ends with success, or when the link is gone.
async fn keep_trying(link: Weak<Link>) {
    let relapses = link.upgrade().map_or(0, |link| link.relapses.load(Ordering::Relaxed));
    if relapses > 0 {
        sleep((FIRST_PAUSE * 2u32.saturating_pow(relapses)).min(LONGEST_RELAPSE_PAUSE)).await;
    }
    let mut pause = FIRST_PAUSE;
    while let Some(link) = link.upgrade() {
        match link.attempt().await {
            Ok(connection) => return link.found(connection),
            Err(fault) => link.lost(None, fault),
        }
        drop(link);
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
