//! Runs: handles, ids, starting, reading, watching, steering.

mod events;
pub mod handle;
pub mod id;
mod idempotency;
mod json;
pub mod keys;
mod nudge;
pub mod owner;
mod poller;
mod read;
mod shared;
mod start;
mod steer;
mod stream;
mod watch;

pub use handle::{Handles, RunRef};
pub use id::{FlowId, Generation, SimRunId};
pub use idempotency::{Key, Memory};
pub use keys::{RootKeys, RunIds};
pub use nudge::{About, Hint};
pub use owner::Owner;
pub use read::{next_look, read, seen};
pub use start::{Mode, RunRequest, start};
pub use steer::{ResumeRequest, cancel, resume};
pub use stream::stream;
pub use watch::{Watches, watch};
