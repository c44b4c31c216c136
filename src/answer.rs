//! An answer on its way to the host: status, headers, bytes. It knows nothing of what is in the bytes.

use bytes::Bytes;

use crate::error::Error;

/// A complete answer. Header values are ASCII without control characters: they are ours, or checked at the border.
/// Not `Debug`: what flows put out stays out of logs.
#[derive(Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Bytes,
}

impl Answer {
    /// A JSON answer; `x-request-id` ties it to the log line and to Sim's own.
    pub fn json(status: u16, body: impl Into<Bytes>, request_id: &str) -> Self {
        Self { status, headers: vec![("x-request-id", request_id.to_owned())], body: body.into() }
    }

    /// The answer to a refused or failed request.
    pub fn error(error: &Error, request_id: &str) -> Self {
        let mut answer = Self::json(error.code.status(), error.to_json(request_id), request_id);
        if let Some(after) = error.retry_after {
            // Whole seconds, rounded up: a client that comes back exactly then must not be early.
            let seconds = after.as_millis().div_ceil(1000).max(1);
            answer.headers.push(("retry-after", seconds.to_string()));
        }
        answer
    }

    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub fn request_id(&self) -> String {
        self.headers.iter().find(|(name, _)| *name == "x-request-id").map(|(_, id)| id.clone()).unwrap_or_default()
    }

    /// Head and body of an answer that is too large to cross the border at once.
    pub fn in_pieces(self) -> (Self, Bytes) {
        let Self { status, headers, body } = self;
        let head = Self { status, headers, body: Bytes::new() };
        (head.streamed().header("content-length", body.len().to_string()), body)
    }

    /// The head of a JSON answer whose body comes in pieces.
    pub fn streamed(self) -> Self {
        self.header("content-type", "application/json; charset=utf-8").header("cache-control", "no-store")
    }
}
