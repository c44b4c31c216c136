//! Runs: handles, ids, status.
