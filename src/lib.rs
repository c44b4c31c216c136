//! The napi surface: the only file that knows napi exists.

pub mod policy;
pub mod proxy;
pub mod run;
pub mod signing;
pub mod user;
