//! Answers of Sim that are still coming when they are handed on: large ones, and streams of events.

use std::time::Duration;

use bytes::Bytes;

use super::Reply;
use super::client::{Origin, Rest};
use super::lost::{Lost, timed_out};
use super::sse::Frames;
use crate::error::{Code, Error};

/// An answer that was read, or whose beginning was.
pub enum Sized {
    Small(Reply),
    Large(Large),
}

/// A JSON answer that is still coming.
pub struct Large {
    pub status: u16,
    pub body: Body,
}

/// The bytes of such an answer. Dropping it closes its connection.
pub struct Body {
    pub(super) begun: Bytes,
    pub(super) rest: Rest,
    pub(super) origin: Origin,
    /// What may still come.
    pub(super) left: usize,
    pub(super) patience: Duration,
}

impl Body {
    /// What has come so far.
    pub fn begun(&mut self) -> Bytes {
        std::mem::take(&mut self.begun)
    }

    /// The next bytes; `None` at the end.
    ///
    /// # Errors
    /// The connection broke, Sim is silent, or the answer is larger than `SIM_MAX_ANSWER_BYTES`.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        let Ok(chunk) = tokio::time::timeout(self.patience, self.rest.chunk()).await else {
            return Err(timed_out());
        };
        let Some(chunk) = chunk.map_err(|broken| Lost::from(broken).failure.error)? else { return Ok(None) };
        self.left = self.left.checked_sub(chunk.len()).ok_or_else(too_large)?;
        Ok(Some(chunk))
    }

    /// What to answer when it turns out to be no JSON.
    pub fn no_json(&self) -> Error {
        self.origin.give_up();
        Error::malformed()
    }
}

pub(super) fn too_large() -> Error {
    Error::new(Code::UpstreamError, "Sim's answer is larger than SIM_MAX_ANSWER_BYTES")
}

/// How Sim answered a call.
pub enum Answered {
    Whole(Reply),
    Events(EventStream),
}

/// Sim's events of one call.
pub struct EventStream {
    rest: Rest,
    frames: Frames,
}

impl EventStream {
    pub(super) fn of(rest: Rest) -> Self {
        Self { rest, frames: Frames::default() }
    }

    /// The JSON of the next event; `None` when the stream has ended, whether it was meant to or not.
    pub async fn next(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(data) = self.frames.next_data() {
                return Some(data);
            }
            let chunk = self.rest.chunk().await.ok()??;
            self.frames.push(&chunk).ok()?;
        }
    }

    /// Reads on to the end and keeps nothing: leaving earlier would stop the run, or waste its connection.
    pub async fn drain(mut self) {
        while let Ok(Some(_)) = self.rest.chunk().await {}
    }
}
