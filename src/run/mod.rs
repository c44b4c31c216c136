//! Runs: handles, ids, status.

pub mod handle;
pub mod id;
pub mod keys;
pub mod owner;
