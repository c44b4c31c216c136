//! Redis as pollers use it: a script for leases, and one connection that listens for all runs that are watched here. What
//! is missed while it is broken is asked for again; it must not know what the messages say.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use redis::aio::{PubSubSink, PubSubStream};
use redis::{Cmd, ErrorKind, Script, ServerErrorKind, Value};
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, interval, sleep, timeout};

use crate::policy::{Connection, Fault, Redis};

/// The longest that a subscription or a sign of life may take.
const ATTEMPT: Duration = Duration::from_secs(1);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// How often the connection has to show that it lives.
const ALIVE: Duration = Duration::from_secs(5);
const SCRIPT: &str = include_str!("lease.lua");

/// What a room hears.
#[derive(Debug)]
pub(super) enum Heard {
    Message(Bytes),
    /// Something may have been said that nobody here heard.
    Gap,
}

/// Who listens on a channel, for as long as this is kept.
pub(super) struct Listener {
    heard: mpsc::Receiver<Heard>,
    bus: Arc<Bus>,
}

impl Listener {
    pub(super) async fn recv(&mut self) -> Option<Heard> {
        self.heard.recv().await
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.heard.close();
        self.bus.changed.notify_one();
    }
}

pub(super) struct Bus {
    redis: Redis,
    script: Script,
    rooms: Mutex<Rooms>,
    /// Signalled when a channel comes or goes.
    changed: Notify,
}

#[derive(Default)]
struct Rooms {
    /// Those who listen, by channel.
    of: HashMap<String, Vec<mpsc::Sender<Heard>>>,
    /// Whether the task that listens runs.
    listening: bool,
}

impl Bus {
    pub(super) fn new(redis: Redis) -> Arc<Self> {
        let (rooms, changed) = (Mutex::default(), Notify::new());
        Arc::new(Self { redis, script: Script::new(SCRIPT), rooms, changed })
    }

    /// Stands before each name.
    pub(super) fn prefix(&self) -> &str {
        &self.redis.prefix
    }

    /// Listens on `channel`; what is more than `queue` messages before one is taken is missed. Must be called on the runtime.
    pub(super) fn join(self: &Arc<Self>, channel: &str, queue: usize) -> Listener {
        let (sender, heard) = mpsc::channel(queue);
        let begin = {
            let mut rooms = self.rooms();
            rooms.of.entry(channel.to_owned()).or_default().push(sender);
            !std::mem::replace(&mut rooms.listening, true)
        };
        if begin {
            tokio::spawn(listen(Arc::clone(self)));
        } else {
            self.changed.notify_one();
        }
        Listener { heard, bus: Arc::clone(self) }
    }

    /// The lease's script. `None`: Redis is away, or does not let us.
    pub(super) async fn lease(&self, keys: [&str; 2], arguments: &[&[u8]], patience: Duration) -> Option<Value> {
        let make = |name: &str, code: &str| {
            let mut command = redis::cmd(name);
            command.arg(code).arg(2).arg(&keys).arg(arguments);
            command
        };
        let work = self.redis.link.within(Instant::now() + ATTEMPT, async |mut connection: Connection| {
            let reply = match connection.query(&make("EVALSHA", self.script.get_hash())).await {
                Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                    connection.query(&make("EVAL", SCRIPT)).await
                }
                other => other,
            };
            answered(reply)
        });
        // Giving up early says nothing about Redis.
        timeout(patience, work).await.ok()??
    }

    pub(super) async fn publish(&self, channel: &str, message: &[u8]) {
        self.query(redis::cmd("PUBLISH").arg(channel).arg(message), ATTEMPT).await;
    }

    /// One command. `None`: Redis is away, does not let us, or is slower than `patience`.
    pub(super) async fn query(&self, command: &Cmd, patience: Duration) -> Option<Value> {
        let work = async |mut connection: Connection| answered(connection.query(command).await);
        // Giving up early says nothing about Redis.
        timeout(patience, self.redis.link.within(Instant::now() + ATTEMPT, work)).await.ok()??
    }

    fn rooms(&self) -> MutexGuard<'_, Rooms> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets those who left.
    fn tidy(&self) -> MutexGuard<'_, Rooms> {
        let mut rooms = self.rooms();
        rooms.of.retain(|_, senders| {
            senders.retain(|sender| !sender.is_closed());
            !senders.is_empty()
        });
        rooms
    }

    /// The channels that somebody here listens on.
    fn wanted(&self) -> HashSet<String> {
        self.tidy().of.keys().cloned().collect()
    }

    fn say(&self, channel: &str, heard: impl Fn() -> Heard) {
        for sender in self.rooms().of.get(channel).into_iter().flatten() {
            let _ = sender.try_send(heard());
        }
    }

    /// Ends the listening if nobody listens.
    fn rest(&self) -> bool {
        let mut rooms = self.tidy();
        rooms.listening = !rooms.of.is_empty();
        !rooms.listening
    }
}

/// An answer that refuses (a permission, no memory) concerns this use alone: limits find out for themselves.
fn answered(reply: redis::RedisResult<Value>) -> Result<Option<Value>, Fault> {
    match reply {
        Ok(value) => Ok(Some(value)),
        Err(error) => match Fault::of(&error) {
            Fault::Answer => Ok(None),
            fault => Err(fault),
        },
    }
}

/// Connects, and connects again, for as long as there is something to listen for.
async fn listen(bus: Arc<Bus>) {
    let mut pause = FIRST_PAUSE;
    while !bus.rest() {
        let Some(connection) = bus.redis.link.listen().await else {
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
            continue;
        };
        let (sink, stream) = connection.split();
        let began = Instant::now();
        attend(&bus, sink, stream).await;
        for channel in bus.wanted() {
            bus.say(&channel, || Heard::Gap);
        }
        if began.elapsed() > LONGEST_PAUSE {
            pause = FIRST_PAUSE;
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Hands on what comes, until the connection breaks or nobody listens.
async fn attend(bus: &Bus, mut sink: PubSubSink, mut stream: PubSubStream) {
    let mut subscribed = HashSet::new();
    let mut alive = interval(ALIVE);
    alive.reset();
    loop {
        if !follow(bus, &mut sink, &mut subscribed).await {
            return;
        }
        // As long as nothing comes or goes.
        loop {
            tokio::select! {
                message = stream.next() => {
                    let Some(message) = message else { return };
                    let payload = Bytes::copy_from_slice(message.get_payload_bytes());
                    bus.say(message.get_channel_name(), || Heard::Message(payload.clone()));
                }
                () = bus.changed.notified() => break,
                _ = alive.tick() => {
                    if subscribed.is_empty() || !matches!(timeout(ATTEMPT, sink.ping::<Value>()).await, Ok(Ok(_))) {
                        return;
                    }
                }
            }
        }
    }
}

/// Subscribes to what is wanted now, and to nothing else. Whether the connection could do that.
async fn follow(bus: &Bus, sink: &mut PubSubSink, subscribed: &mut HashSet<String>) -> bool {
    let wanted = bus.wanted();
    let more: Vec<String> = wanted.difference(subscribed).cloned().collect();
    let fewer: Vec<String> = subscribed.difference(&wanted).cloned().collect();
    if !more.is_empty() {
        if !matches!(timeout(ATTEMPT, sink.subscribe(&more)).await, Ok(Ok(()))) {
            return false;
        }
        // What was said before this cannot have been heard.
        for channel in &more {
            bus.say(channel, || Heard::Gap);
        }
    }
    if !fewer.is_empty() && !matches!(timeout(ATTEMPT, sink.unsubscribe(&fewer)).await, Ok(Ok(()))) {
        return false;
    }
    *subscribed = wanted;
    true
}
