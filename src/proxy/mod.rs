//! Paths to Sim: one canonical form, and the allow-list over it.

pub mod headers;
pub mod path;
pub mod query;
pub mod rules;
pub mod target;
pub mod workspace;
