//! Tries that brought no answer, and what each says about Sim.

use super::Failure;
use super::client::Broken;
use crate::error::{Code, Error};

/// Why a try brought no answer, and what that says about Sim.
pub(super) struct Lost {
    pub(super) failure: Failure,
    /// Whether it counts against Sim: a cut connection shows that somebody is there, silence does not.
    pub(super) counts: bool,
}

pub(super) fn timed_out() -> Error {
    Error::new(Code::UpstreamTimeout, "Sim did not answer in time")
}

impl From<Broken> for Lost {
    fn from(broken: Broken) -> Self {
        let unreachable = || Error::new(Code::UpstreamUnreachable, "Sim cannot be reached");
        let (failure, counts) = match broken {
            Broken::Connect => (Failure::unsent(unreachable()), true),
            Broken::Unsent => (Failure::unsent(unreachable()), false),
            Broken::Timeout => (Failure::unclear(timed_out()), true),
            Broken::Unreadable => (Failure::unclear(Error::malformed()), false),
            Broken::Cut => (Failure::unclear(unreachable()), false),
        };
        Self { failure, counts }
    }
}
