//! One request to Sim and its answer, as plain data. It knows nothing of connections.

use bytes::Bytes;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::Allowance;
use super::client::Origin;
use crate::error::Error;
use crate::metrics::Op;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

impl Method {
    pub fn as_str(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Patch => "PATCH",
            Method::Delete => "DELETE",
        }
    }
}

/// What may be done when it is unclear whether Sim got a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// A read, or a start under a claimed run id: asking again cannot do it twice.
    Freely,
    /// Only when no byte of it can have reached Sim.
    IfUnsent,
}

/// A request to Sim. `path` is canonical and begins with `/api/`. Not `Debug`: it holds what users wrote.
#[derive(Clone)]
pub struct Call {
    pub method: Method,
    pub path: String,
    pub query: Option<String>,
    /// JSON.
    pub body: Option<Bytes>,
    pub headers: Vec<(&'static str, String)>,
    pub repeat: Repeat,
}

impl Call {
    pub fn get(path: String) -> Self {
        Self { method: Method::Get, path, query: None, body: None, headers: Vec::new(), repeat: Repeat::Freely }
    }

    pub fn post(path: String, body: Option<Vec<u8>>) -> Self {
        Self {
            method: Method::Post,
            path,
            query: None,
            body: body.map(Bytes::from),
            headers: Vec::new(),
            repeat: Repeat::IfUnsent,
        }
    }

    pub fn query(mut self, query: String) -> Self {
        self.query = Some(query);
        self
    }

    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Marks a write as safe to repeat: a run id claims it, or doing it twice is doing it once.
    pub fn repeatable(mut self) -> Self {
        self.repeat = Repeat::Freely;
        self
    }
}

/// W3C Trace Context, as it came.
#[derive(Clone, Debug)]
pub struct Trace {
    pub parent: String,
    pub state: Option<String>,
}

/// On whose behalf a call is made, and until when.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Ties our answer, our log line and Sim's own request together.
    pub request_id: String,
    /// The value of `x-sim-user`.
    pub sim_user: String,
    pub trace: Option<Trace>,
    /// What it is counted as.
    pub op: Op,
    /// When the caller's answer is due, whatever happens.
    pub deadline: Instant,
}

/// Whether it is JSON of whatever shape.
pub(super) fn is_json(body: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok()
}

/// Sim's answer, read to its end. Not `Debug`: what Sim says stays out of logs.
#[derive(Clone)]
pub struct Reply {
    pub status: u16,
    pub body: Bytes,
    pub(super) origin: Origin,
    pub allowance: Option<Allowance>,
}

impl Reply {
    /// Reads the body as `T`, or says that it could not be read: nothing of it is repeated. What is no JSON at all, though
    /// it said so, costs the connection that it came over.
    pub fn read<'a, T: serde::Deserialize<'a>>(&'a self) -> Result<T, Error> {
        serde_json::from_slice(&self.body)
            .map_err(|_| if is_json(&self.body) { Error::malformed() } else { self.no_json() })
    }

    /// What to answer when it is no JSON at all.
    pub fn no_json(&self) -> Error {
        self.origin.give_up();
        Error::malformed()
    }

    /// The same answer with another body.
    pub fn with_body(self, body: Bytes) -> Self {
        Self { body, ..self }
    }

    /// As [`Reply::read`], for a body of the form `{"data": T}`.
    pub fn read_data<T: DeserializeOwned>(&self) -> Result<T, Error> {
        #[derive(serde::Deserialize)]
        struct Data<T> {
            data: T,
        }
        self.read::<Data<T>>().map(|outer| outer.data)
    }
}
