//! Which generation a Sim speaks (`SIM_API_VERSION=auto`): asked of collections, remembered for a while.
//! It must not know what a call is for.

use std::sync::Mutex as StdMutex;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use tokio::time::{Instant as TokioInstant, timeout_at};

use super::{Call, Caller, Most, Raw, Upstream};
use crate::config::ApiVersion;
use crate::error::{Code, Error};
use crate::run::Generation;

/// How long an answer is believed. v2 may be switched on while the host runs.
const BELIEVED: Duration = Duration::from_secs(300);

pub(super) struct Detection {
    version: ApiVersion,
    found: StdMutex<Option<(Generation, Instant)>>,
    /// Held while asking, so that many first requests ask once. The last failure answers those who waited for it.
    asking: Mutex<Option<(Instant, Error)>>,
}

impl Detection {
    pub(super) fn new(version: ApiVersion) -> Self {
        Self { version, found: StdMutex::new(None), asking: Mutex::new(None) }
    }

    pub(super) fn known(&self) -> Option<Generation> {
        match self.version {
            ApiVersion::Fixed(generation) => Some(generation),
            ApiVersion::Auto => self.read().map(|(generation, _)| generation),
        }
    }

    pub(super) async fn generation(&self, upstream: &Upstream, caller: &Caller) -> Result<Generation, Error> {
        if let ApiVersion::Fixed(generation) = self.version {
            return Ok(generation);
        }
        if let Some(generation) = self.fresh() {
            return Ok(generation);
        }
        let arrived = Instant::now();
        let Ok(mut failed) = timeout_at(caller.deadline, self.asking.lock()).await else {
            return Err(super::timed_out());
        };
        if let Some(generation) = self.fresh() {
            return Ok(generation);
        }
        // A time-out was perhaps only the asker's own.
        if let Some((at, error)) = &*failed
            && *at >= arrived
            && error.code != Code::UpstreamTimeout
        {
            return Err(error.clone());
        }
        match Box::pin(probe(upstream, caller)).await {
            Ok(generation) => {
                self.write((generation, Instant::now()));
                Ok(generation)
            }
            // What decides nothing changes nothing.
            Err(error) => match self.read() {
                Some((generation, _)) => {
                    self.write((generation, Instant::now()));
                    Ok(generation)
                }
                None => {
                    *failed = Some((Instant::now(), error.clone()));
                    Err(error)
                }
            },
        }
    }

    fn fresh(&self) -> Option<Generation> {
        self.read().filter(|(_, at)| at.elapsed() < BELIEVED).map(|(generation, _)| generation)
    }

    fn read(&self) -> Option<(Generation, Instant)> {
        *self.found.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn write(&self, found: (Generation, Instant)) {
        *self.found.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(found);
    }
}

/// What one collection's answer says about its generation.
enum Said {
    Here,
    SwitchedOff,
}

async fn probe(upstream: &Upstream, caller: &Caller) -> Result<Generation, Error> {
    let query = match &upstream.workspace {
        Some(id) => format!("workspaceId={}&limit=1", super::encode(id)),
        None => "limit=1".to_owned(),
    };
    for (generation, path) in [(Generation::V2, "/api/v2/workflows"), (Generation::V1, "/api/v1/workflows")] {
        let call = Call::get(path.to_owned()).query(query.clone());
        match said(&ask(upstream, caller, &call).await?)? {
            Said::Here => return Ok(generation),
            Said::SwitchedOff => {}
        }
    }
    let raw = ask(upstream, caller, &Call::get("/api/flows".to_owned())).await?;
    if raw.status == 200 && raw.json {
        return Ok(Generation::Flows);
    }
    Err(undecided())
}

async fn ask(upstream: &Upstream, caller: &Caller, call: &Call) -> Result<Raw, Error> {
    let deadline = caller.deadline.min(TokioInstant::now() + upstream.timeout);
    let raw = upstream.attempt(caller, call, Most::Whole, deadline).await.map_err(|failure| failure.error)?;
    if !super::call::is_json(&raw.body) {
        raw.origin.give_up();
    }
    Ok(raw)
}

/// 200 or 400 in Sim's JSON: it is here. Sim's JSON 404: switched off. Everything else decides nothing.
fn said(raw: &Raw) -> Result<Said, Error> {
    let sims = raw.json && serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(&raw.body).is_ok();
    match raw.status {
        200 | 400 if sims => Ok(Said::Here),
        404 if sims => Ok(Said::SwitchedOff),
        200..=299 | 404 => Err(undecided()),
        status => Err(super::refusal::read(status, raw.json, &raw.body, raw.retry_after).error),
    }
}

fn undecided() -> Error {
    Error::new(Code::UpstreamError, "Sim's API generation cannot be found out; set SIM_API_VERSION")
}
