//! From a request to a [`User`]: the host's word, or a token verified here and, where the host says more of its bearer,
//! the host's answer. The rules of identity are in [`crate::user`]; this room joins them to the configuration.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tokio::time::Instant as Deadline;

use crate::arrival::{Asker, Request};
use crate::config::{JwtConfig, Problem};
use crate::core::User;
use crate::error::{Code, Error};
use crate::host::{Host, Question, ask};
use crate::run::Owner;
use crate::run::keys::Secret;
use crate::user::bearer::bearer;
use crate::user::resolved::{DEFAULT_LIFE, Resolved};
use crate::user::token::{Claims, Verifier};
use crate::user::verified::Verified;
use crate::user::{Caller, HostUser, decide};

/// Users whose `resolveUser` answers are kept at the most.
const RESOLVED_CAPACITY: usize = 100_000;

/// Who asks, as far as it is known.
pub enum Identity {
    Known(User),
    /// The token is good; the host is still to say who bears it.
    Unresolved {
        claims: Arc<Claims>,
        ip: Option<String>,
    },
}

/// How users are known here.
pub struct Identities {
    tokens: Option<Tokens>,
}

struct Tokens {
    verifier: Verified,
    /// `None`: a bearer is nothing but the id in the token.
    resolved: Option<Mutex<Resolved<Value>>>,
}

impl Identities {
    pub fn new(config: Option<&JwtConfig>) -> Result<Self, Vec<Problem>> {
        let Some(config) = config else { return Ok(Self { tokens: None }) };
        let secrets: Vec<&[u8]> = config.secrets.iter().map(Secret::bytes).collect();
        let verifier = Verifier::new(&secrets, config.leeway_seconds)
            .map_err(|error| vec![Problem { name: "jwtSecret (JWT_SECRET)".to_owned(), message: error.to_string() }])?;
        let resolved = config.asks_resolve_user.then(|| Mutex::new(Resolved::new(DEFAULT_LIFE, RESOLVED_CAPACITY)));
        Ok(Self { tokens: Some(Tokens { verifier: Verified::new(verifier), resolved }) })
    }

    /// What can be known without asking the host.
    pub fn identify(&self, request: &Request<'_>) -> Result<Identity, Error> {
        let ip = request.ip.map(str::to_owned);
        let (host, role, plan) = match request.asker {
            Asker::Host => return Ok(Identity::Known(User::default())),
            Asker::User { id, tenant, role, plan } => {
                (Some(HostUser::new(id, tenant).map_err(|_| unauthenticated())?), role, plan)
            }
            Asker::Nobody => (None, None, None),
        };
        let token = match &self.tokens {
            Some(tokens) => match bearer(request.authorization.iter().copied()) {
                Ok(token) => token.map(|token| tokens.verifier.verify(token, now())),
                Err(error) => Some(Err(error)),
            },
            None => None,
        };
        match decide(host, token).map_err(|_| unauthenticated())? {
            Caller::Host(user) => Ok(Identity::Known(User {
                owner: Owner::new(user.tenant(), Some(user.id())),
                plan: plan.map(str::to_owned),
                role: role.map(str::to_owned),
                ip,
                resolved: None,
            })),
            Caller::Token(claims) => self.bearer(claims, ip),
        }
    }

    /// Whether the one token among these values of `Authorization` is good, whoever the host says its bearer is.
    pub fn knows<'a>(&self, authorization: impl Iterator<Item = &'a str>) -> bool {
        self.claims(authorization).is_some()
    }

    /// How long that token is good for from now on; not at all where there is none.
    pub fn good_for<'a>(&self, authorization: impl Iterator<Item = &'a str>) -> Duration {
        let expires = self.claims(authorization).map_or(Duration::ZERO, |claims| Duration::from_secs(claims.expires));
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(Duration::ZERO, |now| expires.saturating_sub(now))
    }

    fn claims<'a>(&self, authorization: impl Iterator<Item = &'a str>) -> Option<Arc<Claims>> {
        let (tokens, token) = self.tokens.as_ref().zip(bearer(authorization).ok().flatten())?;
        tokens.verifier.verify(token, now()).ok()
    }

    fn bearer(&self, claims: Arc<Claims>, ip: Option<String>) -> Result<Identity, Error> {
        let Some(resolved) = self.tokens.as_ref().and_then(|tokens| tokens.resolved.as_ref()) else {
            let owner = Owner::new(None, Some(&claims.id));
            return Ok(Identity::Known(User { owner, ip, ..User::default() }));
        };
        let cached = lock(resolved).get(&claims.id, Instant::now()).map(|answer| answer.cloned());
        match cached {
            Some(Some(answer)) => user(answer, ip).map(Identity::Known),
            Some(None) => Err(unauthenticated()),
            None => Ok(Identity::Unresolved { claims, ip }),
        }
    }

    /// Asks the host where that is needed.
    pub async fn resolve(
        &self,
        identity: Identity,
        host: &dyn Host,
        call: u32,
        deadline: Deadline,
    ) -> Result<User, Error> {
        let (claims, ip) = match identity {
            Identity::Known(user) => return Ok(user),
            Identity::Unresolved { claims, ip } => (claims, ip),
        };
        let about: Value = serde_json::from_str(&claims.raw).unwrap_or_else(|_| json!({ "id": claims.id }));
        let answer = ask(host, call, Question::ResolveUser, about, deadline).await?;
        let answer = Some(answer).filter(Value::is_object);
        if let Some(resolved) = self.tokens.as_ref().and_then(|tokens| tokens.resolved.as_ref()) {
            lock(resolved).put(&claims.id, answer.clone(), Instant::now());
        }
        user(answer.ok_or_else(unauthenticated)?, ip)
    }
}

/// Reads `{id, role?, tenantId?, plan?}`.
fn user(answer: Value, ip: Option<String>) -> Result<User, Error> {
    let text = |name: &str| answer[name].as_str().map(str::to_owned);
    let known = HostUser::new(answer["id"].as_str().unwrap_or_default(), answer["tenantId"].as_str())
        .map_err(|_| unauthenticated())?;
    let (plan, role) = (text("plan"), text("role"));
    Ok(User { owner: Owner::new(known.tenant(), Some(known.id())), plan, role, ip, resolved: Some(answer) })
}

/// Seconds since 1970. With a clock before that no token is remembered to be good.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(u64::MAX, |since| since.as_secs())
}

fn unauthenticated() -> Error {
    Error::new(Code::Unauthenticated, "sign in first")
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
