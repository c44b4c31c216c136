//! Tries that brought no answer, and what each says about Sim.

use super::Failure;
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

/// Reads what kind of failure this was. The error itself names the host, so it goes no further.
pub(super) fn lost(error: &reqwest::Error) -> Lost {
    let unreachable = || Error::new(Code::UpstreamUnreachable, "Sim cannot be reached");
    if error.is_connect() {
        return Lost { failure: Failure::unsent(unreachable()), counts: true };
    }
    if error.is_timeout() {
        return Lost { failure: Failure::unclear(timed_out()), counts: true };
    }
    let unreadable = source::<hyper::Error>(error).is_some_and(|e| e.is_parse());
    let failure = if unreadable { Failure::unclear(Error::malformed()) } else { Failure::unclear(unreachable()) };
    Lost { failure, counts: false }
}

/// Looks for `T` among the causes of `error`.
fn source<'a, T: std::error::Error + 'static>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        next = error.source();
    }
    None
}
