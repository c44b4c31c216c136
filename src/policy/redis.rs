//! The limits shared by all instances through Redis: one script, one round trip, one decision. Knows neither plans nor
//! what is done when Redis is away; it only says so, at once.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use redis::{Cmd, ErrorKind, FromRedisValue, RedisResult, Script, ServerErrorKind};
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::ask::Bucket;
use super::clock::{Clock, to_midnight};
use super::link::{Connection, Fault, Link, OnEvent, Status};
use super::plans_read::Problem;
use super::rate::{Rate, RateVerdict};
use super::verdict::{Demand, Verdict};

/// The longest a request waits for Redis.
pub const PATIENCE: Duration = Duration::from_millis(50);

/// How long it is remembered what was asked under an `Idempotency-Key`.
const REMEMBERED: Duration = Duration::from_secs(24 * 3600);

const SCRIPT: &str = include_str!("decide.lua");

/// Where the shared limits live.
#[derive(Clone)]
pub struct RedisConfig {
    /// `redis://` or `rediss://`; with `cluster`, one or more joined by commas.
    pub uri: String,
    /// Put before every key, as `prefix::`; may be empty.
    pub prefix: String,
    pub cluster: bool,
    /// PEM of the authorities to trust for `rediss://` instead of the public ones.
    pub ca: Option<Vec<u8>>,
}

impl fmt::Debug for RedisConfig {
    /// The address may hold a password, so it stays out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisConfig").field("uri", &"***").field("cluster", &self.cluster).finish_non_exhaustive()
    }
}

/// The Redis of the limits, for whatever else processes share.
pub(crate) struct Redis {
    pub(crate) link: Arc<Link>,
    /// Stands before each name.
    pub(crate) prefix: String,
}

pub(crate) struct Shared {
    link: Arc<Link>,
    prefix: String,
    script: Script,
    clock: Clock,
}

/// Whose keys: hashed, so that no id can break out of its key, and in braces, so that a cluster keeps them on one node.
pub(crate) struct Owner(String);

impl Owner {
    pub(crate) fn user(tenant: Option<&str>, user: &str) -> Owner {
        Owner::hashed(&["user/1", tenant.unwrap_or_default(), user])
    }

    pub(crate) fn ip(canonical: &str) -> Owner {
        Owner::hashed(&["ip/1", canonical])
    }

    fn hashed(parts: &[&str]) -> Owner {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        Owner(URL_SAFE_NO_PAD.encode(hash.finalize()))
    }
}

/// A verdict, and the time by Redis's clock.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) now_ms: u64,
    pub(crate) verdict: Verdict,
}

impl Shared {
    pub(crate) fn new(config: &RedisConfig, clock: Clock, on_event: OnEvent) -> Result<Shared, Problem> {
        // The library's message may repeat the address with its password.
        let wrong = |_| Problem { path: "REDIS_URI".to_owned(), message: "is no usable Redis address".to_owned() };
        let prefix = if config.prefix.is_empty() { String::new() } else { format!("{}::", config.prefix) };
        // The probe makes the real decision for nobody: it shows that the script may run and may write.
        let script = Script::new(SCRIPT);
        let nothing = Demand { rate: Rate::new(1, 1), run: None };
        let probe = command("EVAL", SCRIPT, &prefix, &Owner("probe".to_owned()), Bucket::Read, &nothing, None);
        let link = Link::new(config, probe, on_event).map_err(wrong)?;
        Ok(Shared { link, prefix, script, clock })
    }

    /// Begins to connect, unless that has begun. Must be called on the runtime.
    pub(crate) fn connect(&self) {
        self.link.connect();
    }

    pub(crate) fn status(&self) -> Status {
        self.link.status()
    }

    pub(crate) fn redis(&self) -> Redis {
        Redis { link: Arc::clone(&self.link), prefix: self.prefix.clone() }
    }

    /// `None`: Redis is away.
    pub(crate) async fn decide(
        &self,
        owner: &Owner,
        bucket: Bucket,
        demand: &Demand<'_>,
        deadline: Instant,
    ) -> Option<Answer> {
        let now = self.clock.server_override_us();
        let make = |name, code| command(name, code, &self.prefix, owner, bucket, demand, now);
        let answer = self
            .link
            .within(deadline, async |mut connection: Connection| {
                let reply = match connection.query(&make("EVALSHA", self.script.get_hash())).await {
                    Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                        connection.query(&make("EVAL", SCRIPT)).await
                    }
                    other => other,
                };
                let reply = reply.and_then(|value| Ok(Vec::<u64>::from_redis_value(value)?));
                answer(reply, demand.rate)
            })
            .await;
        if answer.is_none() {
            self.link.count_fallback();
        }
        answer
    }

    /// Frees the run's slot.
    pub(crate) async fn release(&self, owner: &Owner, run_id: &str, deadline: Instant) {
        self.remove(owner, run_id, &["leases"], deadline).await;
    }

    /// Frees the run's slot and takes it off the day.
    pub(crate) async fn refund(&self, owner: &Owner, run_id: &str, deadline: Instant) {
        self.remove(owner, run_id, &["leases", "runs"], deadline).await;
    }

    /// Remembers what was asked under `run_id`, for a day; gives back what was remembered before. `None`: Redis is away.
    pub(crate) async fn remember(
        &self,
        owner: &Owner,
        run_id: &str,
        asked: &str,
        deadline: Instant,
    ) -> Option<Option<String>> {
        let key = key(&self.prefix, owner, &format!("asked:{run_id}"));
        self.link
            .within(deadline, async |mut connection: Connection| {
                let mut set = redis::cmd("SET");
                set.arg(&key).arg(asked).arg("NX").arg("EX").arg(REMEMBERED.as_secs());
                let set = connection.query(&set).await.map_err(|error| Fault::of(&error))?;
                if !matches!(set, redis::Value::Nil) {
                    return Ok(None);
                }
                let mut get = redis::cmd("GET");
                get.arg(&key);
                let found = connection.query(&get).await.map_err(|error| Fault::of(&error))?;
                Option::<String>::from_redis_value(found).map_err(|_| Fault::Answer)
            })
            .await
    }

    /// Forgets what was asked under `run_id`.
    pub(crate) async fn forget(&self, owner: &Owner, run_id: &str, deadline: Instant) {
        let key = key(&self.prefix, owner, &format!("asked:{run_id}"));
        let _forgotten: Option<()> = self
            .link
            .within(deadline, async |mut connection: Connection| {
                let mut delete = redis::cmd("DEL");
                delete.arg(&key);
                connection.query(&delete).await.map(|_| ()).map_err(|error| Fault::of(&error))
            })
            .await;
    }

    /// What cannot be removed now ends by itself: a lease with the longest run, a day at midnight.
    async fn remove(&self, owner: &Owner, run_id: &str, from: &[&str], deadline: Instant) {
        let _removed: Option<()> = self
            .link
            .within(deadline, async |mut connection: Connection| {
                for name in from {
                    let mut command = redis::cmd("ZREM");
                    command.arg(key(&self.prefix, owner, name)).arg(run_id);
                    connection.query(&command).await.map_err(|error| Fault::of(&error))?;
                }
                Ok(())
            })
            .await;
    }
}

fn key(prefix: &str, Owner(owner): &Owner, name: &str) -> String {
    format!("{prefix}sim:{{{owner}}}:{name}")
}

fn command(
    name: &str,
    code: &str,
    prefix: &str,
    owner: &Owner,
    bucket: Bucket,
    demand: &Demand<'_>,
    now_us: Option<u64>,
) -> Cmd {
    let limits = demand.run.map(|run| run.limits).unwrap_or_default();
    let mut command = redis::cmd(name);
    command.arg(code).arg(3);
    command.arg(key(prefix, owner, bucket.name())).arg(key(prefix, owner, "runs")).arg(key(prefix, owner, "leases"));
    command.arg(now_us.unwrap_or(0));
    command.arg(demand.rate.map_or(0, |rate| rate.max()));
    command.arg(demand.rate.map_or(0, |rate| rate.refill().as_micros() as u64));
    command.arg(demand.run.map_or("", |run| run.id));
    command.arg(limits.per_day.map_or(-1, i64::from));
    command.arg(limits.slots.map_or(-1, |slots| i64::from(slots.count)));
    command.arg(limits.slots.map_or(0, |slots| slots.lease.as_millis() as u64));
    command
}

fn answer(reply: RedisResult<Vec<u64>>, rate: Option<Rate>) -> Result<Answer, Fault> {
    let (now_ms, verdict) = match *reply.map_err(|error| Fault::of(&error))?.as_slice() {
        [0, now_ms, remaining, replay] => {
            let admitted = rate.map(|_| RateVerdict::Admitted { remaining: remaining as u32 });
            (now_ms, Verdict::of_rate(admitted, replay == 1))
        }
        [1, now_ms, wait] => {
            let rate = rate.ok_or(Fault::Answer)?;
            (now_ms, Verdict::Rate { rate, wait: Duration::from_micros(wait) })
        }
        [2, now_ms] => (now_ms, Verdict::PerDay { wait: to_midnight(now_ms) }),
        [3, now_ms, wait] => (now_ms, Verdict::Slots { wait: Duration::from_millis(wait) }),
        _ => return Err(Fault::Answer),
    };
    Ok(Answer { now_ms, verdict })
}
