//! `POST /proxy`: a few calls of Sim's own API, under the adapter's rules. One canonical form of a path, an allow-list
//! over it, and what is done with what it lets in.

pub mod forward;
pub mod path;
pub mod query;
pub mod request;
mod rewrite;
pub mod rules;
pub mod target;
pub mod workspace;
